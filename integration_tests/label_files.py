"""Drawn people as text files: of ultralytics' form, and as DeepLabCut's table for many pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
from posenas.contract.keypoints import KeypointSet
from posenas.contract.samples import Sample
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
