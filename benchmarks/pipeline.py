"""Training crops against decoding the same JPEG files and doing nothing with them, on one core.

    OMP_NUM_THREADS=1 python benchmarks/pipeline.py [--json FILE] [--pairs N] [--root FOLDER]

The ratio is how many decodes a finished crop costs: read, augmented, warped, coloured and normalised. Without
a folder in COCO's format the photographs are smooth noise of 640 x 480 with a person each. The null ratio is
decoding against decoding: how far noise alone moves a ratio.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from posenas.batches import View
from posenas.data.augment import Augmentation
from posenas.data.coco import CocoDataset
from posenas.data.crops import CropLoader, PersonCrop, person_crops
from posenas.data.images import FileImage
from posenas.keypoint_sets import COCO_17
from posenas.samples import Person, Sample
from ratios import Ratio, alternate

VIEWS = (View("person", 128, 128), View("person", 256, 192))
BATCH_SIZE, IMITATED = 32, 128


def imitate_photographs(folder: Path) -> list[Sample]:
    rng = np.random.default_rng(0)
    samples = []
    for number in range(IMITATED):
        image = cv2.GaussianBlur(rng.integers(0, 256, (480, 640, 3)).astype(np.uint8), (0, 0), 1.5)
        path = folder / f"{number}.jpg"
        cv2.imwrite(str(path), image)
        pose = np.column_stack([rng.uniform((220, 120), (420, 360), (17, 2)), np.full(17, 2.0)])
        person = Person(box=(200.0, 100.0, 240.0, 280.0), keypoints=pose, area=240.0 * 280.0)
        samples.append(Sample(number, FileImage(path), 640, 480, (person,)))
    return samples


def decode(samples: Sequence[Sample], crops: Sequence[PersonCrop]) -> None:
    for crop in crops:
        samples[crop.sample].source.read()


def train_on(loader: CropLoader) -> None:
    for _ in loader.epoch(0):
        pass


def crops_per_second(loader: CropLoader) -> float:
    start = time.process_time()
    train_on(loader)
    return loader.steps * BATCH_SIZE / (time.process_time() - start)


def measure(dataset: CocoDataset | None, folder: Path, *, pairs: int) -> dict[str, Ratio]:
    samples = dataset.split("train") if dataset else imitate_photographs(folder)
    crops = person_crops(samples)
    # Whole batches only, so that both sides read the same number of images.
    crops = crops[: len(crops) // BATCH_SIZE * BATCH_SIZE]
    decoding = partial(decode, samples, crops)
    ratios = {"null": alternate(decoding, decoding, pairs=pairs)}
    for view in VIEWS:
        loader = CropLoader(
            crops,
            samples,
            view=view,
            keypoints=dataset.keypoints() if dataset else COCO_17,
            augmentation=Augmentation(),
            batch_size=BATCH_SIZE,
            seed=0,
            workers=0,
            device=torch.device("cpu"),
            on_unreadable=print,
        )
        name = f"{view.width}x{view.height}"
        ratios[name] = alternate(partial(train_on, loader), decoding, pairs=pairs)
        print(f"pipeline {name}: {crops_per_second(loader):.0f} crops a second of one core")
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description="training crops against mere decoding")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--pairs", type=int, default=5, help="how often each side runs")
    parser.add_argument("--root", default="", help="a dataset in COCO's format")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    dataset = CocoDataset(root=arguments.root) if arguments.root else None
    with tempfile.TemporaryDirectory() as folder:
        ratios = measure(dataset, Path(folder), pairs=arguments.pairs)
    for work, ratio in ratios.items():
        print(f"pipeline {work}: ratio {ratio}, {ratio.pairs} pairs")
    if arguments.json:
        figures = {work: asdict(ratio) for work, ratio in ratios.items()}
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
