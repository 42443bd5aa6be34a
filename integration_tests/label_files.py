"""Drawn people as files of ultralytics' form: `data.yaml`, pictures, and a text file of labels for each."""

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
