"""Drawn people as label files: ultralytics', DeepLabCut's table for many pictures, and PoseTrack's videos."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from posenas.contract.keypoint_sets import POSETRACK_17
from posenas.contract.keypoints import KeypointSet
from posenas.contract.samples import Person, Sample
from posenas.standard.synthetic.dataset import SyntheticDataset


def write_labels(root: Path, *, train_images: int = 4, val_images: int = 4) -> None:
    """Writes people with 17 keypoints in the folders that ultralytics makes."""
    drawn = SyntheticDataset(train_images=train_images, val_images=val_images)
    (root / "data.yaml").write_text(description(drawn.keypoints()))
    for split in drawn.splits():
        for folder in ("images", "labels"):
            (root / folder / split).mkdir(parents=True)
        for sample in drawn.split(split):
            picture = cv2.cvtColor(sample.source.read(), cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(root / "images" / split / f"{sample.id}.png"), picture)
            (root / "labels" / split / f"{sample.id}.txt").write_text("\n".join(lines(sample)) + "\n")


def description(keypoints: KeypointSet) -> str:
    """The text of `data.yaml`."""
    names = "".join(f"    - {name}\n" for name in keypoints.names)
    return (
        "path: .\ntrain: images/train\nval: images/val\n"
        f"kpt_shape: [{len(keypoints)}, 3]\nflip_idx: {list(keypoints.mirrored)}\n"
        f"names:\n  0: person\nkpt_names:\n  0:\n{names}"
    )


def lines(sample: Sample) -> Iterator[str]:
    """A line for each person: class, box and keypoints, in shares of the picture."""
    width, height = sample.width, sample.height
    for person in sample.people:
        x, y, box_width, box_height = person.box
        values = [
            *((x + box_width / 2) / width, (y + box_height / 2) / height),
            *(box_width / width, box_height / height),
        ]
        for across, down, seen in person.keypoints:
            values += [across / width, down / height, seen] if seen else [0, 0, 0]
        yield "0 " + " ".join(f"{value:.6g}" for value in values)


def write_collected(root: Path, *, images: int = 4) -> Path:
    """Writes a project of DeepLabCut with a folder of pictures and its label file, which is returned."""
    drawn = SyntheticDataset(train_images=images)
    samples = drawn.split("train")
    folder = root / "labeled-data" / "drawn"
    folder.mkdir(parents=True)
    most = max(len(sample.people) for sample in samples)
    columns = [(who, name, axis) for who in range(most) for name in drawn.keypoints().names for axis in "xy"]
    lines = [
        ["scorer", *["drawn"] * len(columns)],
        ["individuals", *[f"person{who}" for who, _, _ in columns]],
        ["bodyparts", *[name for _, name, _ in columns]],
        ["coords", *[axis for _, _, axis in columns]],
    ]
    for sample in samples:
        name = f"img{sample.id:03}.png"
        cv2.imwrite(str(folder / name), cv2.cvtColor(sample.source.read(), cv2.COLOR_RGB2BGR))
        points = [point for person in sample.people for point in person.keypoints]
        cells = [repr(float(value)) if seen else "" for *place, seen in points for value in place]
        lines.append([f"labeled-data/drawn/{name}", *cells, *[""] * (len(columns) - len(cells))])
    file = folder / "CollectedData_drawn.csv"
    file.write_text("\n".join(map(",".join, lines)) + "\n")
    return file


def write_videos(root: Path, *, frames: int = 4) -> None:
    """Writes a video of `frames` frames for train, and one of 6 for val, in PoseTrack 2018's folders."""
    drawn = SyntheticDataset(train_images=frames, val_images=6)
    for place, split in enumerate(drawn.splits()):
        samples = drawn.split(split)
        folder = root / "images" / split / f"00000{place}_drawn"
        folder.mkdir(parents=True)
        names = [f"images/{split}/{folder.name}/{number:06}.jpg" for number in range(len(samples))]
        for name, sample in zip(names, samples, strict=True):
            cv2.imwrite(str(root / name), cv2.cvtColor(sample.source.read(), cv2.COLOR_RGB2BGR))
        file = root / "annotations" / split / f"{folder.name}.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(_video(samples, names, first=1000 * place, keypoints=drawn.keypoints())))


def _video(
    samples: Sequence[Sample], names: Sequence[str], *, first: int, keypoints: KeypointSet
) -> dict[str, object]:
    images = [
        {"id": first + number, "file_name": name, "width": sample.width, "height": sample.height}
        | {"is_labeled": True, "nframes": len(samples)}
        for number, (name, sample) in enumerate(zip(names, samples, strict=True))
    ]
    annotations = [
        {"id": 100 * (first + number) + track, "image_id": first + number, "track_id": track}
        | {"category_id": 1, "bbox": list(person.box), "keypoints": _tracked(person, keypoints)}
        | {"bbox_head": [*person.box[:2], person.box[2] / 4, person.box[3] / 6]}
        for number, sample in enumerate(samples)
        for track, person in enumerate(sample.people)
    ]
    category = {"id": 1, "name": "person", "keypoints": list(POSETRACK_17.names)}
    return {"categories": [category], "images": images, "annotations": annotations}


def _tracked(person: Person, keypoints: KeypointSet) -> list[float]:
    """The keypoints of PoseTrack's file; those that a drawn person lacks are not labelled."""
    rows = np.zeros((len(POSETRACK_17), 3))
    for row, name in zip(rows, POSETRACK_17.names, strict=True):
        if name in keypoints.names and not name.endswith("ear"):
            row[:] = person.keypoints[keypoints.names.index(name)]
            row[2] = row[2] > 0
    return [float(value) for value in rows.ravel()]
