"""Training crops from a file of decoded images against decoding for each crop, on one core.

    OMP_NUM_THREADS=1 python benchmarks/crop_cache.py [--json FILE] [--pairs N] [--root FOLDER]

Each ratio is crops a second with the file over crops a second without, higher is better. The images are JPEG
files of 640 x 480 and about 78 KB with 2.6 people each: photographs of a dataset in COCO's format, resized,
or smooth noise. The file is written before and lies in the system's memory, as it does from the second epoch
on. `worker` is what a loading process does for a crop, the warp included; `in all` is that and the colours
and the normalisation on the CPU, which a GPU does otherwise. The null ratio is decoding against decoding.
`first epoch` is the epoch that writes the file over one that does not, lower is better.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import cv2
import figures
import numpy as np
import torch
from posenas.contract.batches import View
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.normalisation import IMAGENET
from posenas.contract.samples import Person, Sample
from posenas.data.augment import Augmentation, change_colours
from posenas.data.caches import DecodedCache, crop_cache, decoded_cache
from posenas.data.channels import to_unit
from posenas.data.coco.dataset import CocoDataset
from posenas.data.crops import crop_loader
from posenas.data.images.file_image import FileImage
from posenas.data.normalising import normalise
from posenas.data.person_crop import PersonCrop, person_crops
from posenas.data.reading import BatchKey, CropReader
from posenas.data.stored_crops import CropsInFile, CropsReadAgain
from posenas.data.tabled_colours import finished_on_cpu
from posenas.networks.devices import keep_freed_memory
from ratios import Ratio, alternate

VIEW = View("person", height=256, width=192)
IMAGES, PEOPLE, BATCH_SIZE = 96, 250, 32
WIDTH, HEIGHT, MEAN_BYTES = 640, 480, 78_000


def pictures(root: str) -> Iterator[np.ndarray]:
    """Photographs of a dataset, or smooth noise without one, without end."""
    if root:
        dataset = CocoDataset(root=root)
        found = [sample.source.read() for split in ("train", "val") for sample in dataset.split(split)]
        yield from cycle(cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA) for image in found)
    rng = np.random.default_rng(0)
    while True:
        noise = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        yield cv2.GaussianBlur(noise, (0, 0), 1.5)


def draw(folder: Path, root: str) -> list[Sample]:
    images = list(islice(pictures(root), IMAGES))
    for quality in range(95, 10, -1):
        files = [cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1] for image in images]
        if sum(map(len, files)) <= MEAN_BYTES * IMAGES:
            break
    rng = np.random.default_rng(1)
    people: list[list[Person]] = [[] for _ in images]
    for number in range(PEOPLE):
        people[number % IMAGES].append(person(rng))
    samples = []
    for number, file in enumerate(files):
        path = folder / f"{number}.jpg"
        path.write_bytes(file.tobytes())
        samples.append(Sample(number, FileImage(path), WIDTH, HEIGHT, tuple(people[number])))
    return samples


def person(rng: np.random.Generator) -> Person:
    width, height = rng.uniform(0.15, 0.5) * WIDTH, rng.uniform(0.3, 0.8) * HEIGHT
    x, y = rng.uniform(0, WIDTH - width), rng.uniform(0, HEIGHT - height)
    places = rng.uniform((x, y), (x + width, y + height), (17, 2))
    return Person((x, y, width, height), np.column_stack([places, np.full(17, 2.0)]), width * height / 2)


def epochs(crops: list[PersonCrop], samples: list[Sample], cache: DecodedCache | None) -> Callable[[], None]:
    """Return what loads all batches of an epoch, finished on the CPU."""
    loader = crop_loader(
        crops,
        samples,
        view=VIEW,
        keypoints=COCO_17,
        augmentation=Augmentation(),
        batch_size=BATCH_SIZE,
        seed=0,
        workers=0,
        device=torch.device("cpu"),
        on_unreadable=print,
        cache=cache,
    )

    def load() -> None:
        for _ in loader.epoch(0):
            pass

    return load


def reads(crops: list[PersonCrop], samples: list[Sample], cache: DecodedCache | None) -> Callable[[], None]:
    """Return what a worker does for all batches of an epoch."""
    reader = CropReader(crops, samples, VIEW, COCO_17, cache=cache)
    order = np.random.default_rng(0).permutation(len(crops)).tolist()

    def read() -> None:
        for start in range(0, len(order), BATCH_SIZE):
            reader[BatchKey(order[start : start + BATCH_SIZE], augmentation=Augmentation())]

    return read


def evaluation(
    crops: list[PersonCrop], samples: list[Sample], folder: Path
) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return an evaluation's pass that reads its images again, and one from a file of crops."""
    file = crop_cache(crops, samples, VIEW, folder, warn=print)
    assert file is not None
    positions = list(range(len(crops)))
    CropReader(crops, samples, VIEW, COCO_17, crop_cache=file)[BatchKey(positions)]
    again = CropsReadAgain(CropReader(crops, samples, VIEW, COCO_17), positions, workers=0)

    def show(stored: CropsInFile | CropsReadAgain) -> None:
        for _ in stored.parts(64):
            pass

    return partial(show, again), partial(show, CropsInFile(file, positions))


def first_epoch(crops: list[PersonCrop], samples: list[Sample], *, pairs: int) -> Ratio:
    def written() -> None:
        with tempfile.TemporaryDirectory() as folder:
            reads(crops, samples, decoded_cache(samples, Path(folder), warn=print))()

    return alternate(written, reads(crops, samples, None), pairs=pairs)


def colours(*, pairs: int) -> Ratio:
    images = torch.randint(0, 256, (BATCH_SIZE, VIEW.height, VIEW.width, 3), dtype=torch.uint8)
    factors = torch.linspace(0.8, 1.2, BATCH_SIZE).unsqueeze(1).repeat(1, 3)

    def compute() -> None:
        for image, each in zip(images.split(1), factors.split(1), strict=True):
            normalise(change_colours(to_unit(image), each), IMAGENET)

    return alternate(compute, lambda: finished_on_cpu(images, factors, IMAGENET), pairs=pairs)


def per_second(work: Callable[[], None], crops: int) -> float:
    start = time.process_time()
    work()
    return crops / (time.process_time() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description="training crops from a file of decoded images")
    parser.add_argument(
        "--json", type=Path, default=figures.RESULTS / "crop_cache.json", help="where figures go"
    )
    parser.add_argument("--pairs", type=int, default=9, help="how often each side runs")
    parser.add_argument("--root", default="", help="a dataset in COCO's format")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    keep_freed_memory()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "cache").mkdir()
        samples = draw(Path(folder), arguments.root)
        measure(samples, Path(folder) / "cache", arguments)


def measure(samples: list[Sample], folder: Path, arguments: argparse.Namespace) -> None:
    crops = person_crops(samples)
    sizes = [sample.source.path.stat().st_size for sample in samples]
    found = figures.Figures(
        "crop_cache",
        {
            "images": Path(arguments.root).name or "noise",
            "people": f"{len(crops)} in {len(samples)} images of {sum(sizes) / len(sizes) / 1000:.0f} KB",
            "view": "256x192",
            "batch": BATCH_SIZE,
            "pairs": arguments.pairs,
        },
    )
    cache = decoded_cache(samples, folder, warn=print)
    pairs = arguments.pairs
    plain, kept = epochs(crops, samples, None), epochs(crops, samples, cache)
    reading, kept_reading = reads(crops, samples, None), reads(crops, samples, cache)
    again, in_file = evaluation(crops, samples, folder)
    kept_reading(), kept()
    found.add("null", alternate(plain, plain, pairs=pairs))
    found.add("in all", alternate(plain, kept, pairs=pairs))
    found.add("worker", alternate(reading, kept_reading, pairs=pairs))
    found.add("evaluation", alternate(again, in_file, pairs=pairs))
    found.add("first epoch", first_epoch(crops, samples, pairs=pairs))
    found.add("colours computed over looked up", colours(pairs=pairs))
    whole = len(crops) // BATCH_SIZE * BATCH_SIZE
    found.add("crops a second, in all, decoding", per_second(plain, whole))
    found.add("crops a second, in all", per_second(kept, whole))
    found.add("crops a second of a worker, decoding", per_second(reading, len(crops)))
    found.add("crops a second of a worker", per_second(kept_reading, len(crops)))
    found.add("gigabytes for 150,000 people", 3 * WIDTH * HEIGHT * len(samples) / len(crops) * 150_000 / 1e9)
    found.write(arguments.json)


if __name__ == "__main__":
    main()
