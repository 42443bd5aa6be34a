"""Training crops against reading and decoding the same JPEG files and doing nothing with them, on one core.

    OMP_NUM_THREADS=1 python benchmarks/pipeline.py [--json FILE] [--pairs N] [--root FOLDER]

The ratio is crops a second over decodes a second, higher is better: a crop is read, decoded, augmented,
warped, coloured and normalised. Without a cache each crop decodes its image, unless its neighbour in the
batch shows the same one. With it, images that fit into `training.cache`'s default (768 MiB a process, about
870 photographs of 640 x 480) are decoded in the first epoch only, which is not timed; COCO's training set
does not fit. Without a folder in COCO's format the photographs are smooth noise of 640 x 480 with a person
each. The null ratio is decoding against decoding: how far noise alone moves a ratio.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from itertools import product
from pathlib import Path

import cv2
import figures
import numpy as np
import torch
from posenas.contract.batches import View
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.samples import Person, Sample
from posenas.data.augment import Augmentation
from posenas.data.coco.dataset import CocoDataset
from posenas.data.crops import crop_loader
from posenas.data.images.file_image import FileImage
from posenas.data.loader import ViewLoader
from posenas.data.person_crop import PersonCrop, person_crops
from posenas.data.reading import ReadCrops
from posenas.learning.settings import TrainingSettings
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


def train_on(loader: ViewLoader[ReadCrops]) -> None:
    for _ in loader.epoch(0):
        pass


def crops_per_second(loader: ViewLoader[ReadCrops]) -> float:
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
    for view, cache in product(VIEWS, (0, TrainingSettings().cache * 2**20)):
        loader = crop_loader(
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
            cache_bytes=cache,
        )
        name = f"{view.width}x{view.height}{' with cache' if cache else ''}"
        ratios[name] = alternate(decoding, partial(train_on, loader), pairs=pairs)
        print(f"pipeline {name}: {crops_per_second(loader):.0f} crops a second of one core")
    return ratios


def main() -> None:
    parser = argparse.ArgumentParser(description="training crops against mere decoding")
    parser.add_argument(
        "--json", type=Path, default=figures.RESULTS / "pipeline.json", help="where figures go"
    )
    parser.add_argument("--pairs", type=int, default=9, help="how often each side runs")
    parser.add_argument("--root", default="", help="a dataset in COCO's format")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    dataset = CocoDataset(root=arguments.root) if arguments.root else None
    images = Path(arguments.root).name if dataset else "noise"
    found = figures.Figures("pipeline", {"images": images, "batch": BATCH_SIZE, "pairs": arguments.pairs})
    with tempfile.TemporaryDirectory() as folder:
        ratios = measure(dataset, Path(folder), pairs=arguments.pairs)
    for work, ratio in ratios.items():
        found.add(work, ratio)
    found.write(arguments.json)


if __name__ == "__main__":
    main()
