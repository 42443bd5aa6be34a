"""Memory and seconds of a search on files of COCO's size, imitated.

    OMP_NUM_THREADS=1 python benchmarks/coco_size.py FOLDER [--small] [--json FILE]

FOLDER gets the imitation, 245 MB: 57,000 small images, 150,000 people, and a detector's 104,125 boxes on
5,000 images. Three fresh processes work with it as a run does. `start` composes a search, notes what it
computes on, and takes 20 sandwich steps at 256 x 192. `side by side` trains two candidates in two processes,
until they have taken 40 steps together. `evaluate` reads the crops of all boxes, shows a network the first
batches, and scores as many poses as there are boxes. Memory is the largest resident set
(VmHWM) of the process and of each loading process; seconds count from the process's start.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import figures
from coco_imitation import Size, boxes_of, imitate

SMALL = Size(images=60, people=150, val_images=10, val_people=12, boxes=90, distinct=10)
STEPS, SHOWN = 20, 4
BEGUN = time.monotonic()


class Enough(Exception):  # noqa: N818
    """The steps that are measured have been taken."""


def peak_megabytes(process: int | str = "self") -> float:
    """The largest resident set of a process so far."""
    status = Path(f"/proc/{process}/status").read_text()
    line = next(each for each in status.splitlines() if each.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def children(process: int | str = "self") -> list[int]:
    """The processes that one has started, on Linux."""
    return [
        int(number)
        for task in Path(f"/proc/{process}/task").iterdir()
        for number in (task / "children").read_text().split()
    ]


def composed(root: Path) -> Any:
    """A search with the standard heat maps on the imitation, and the boxes for `val`."""
    from posenas.composing.compose import compose
    from posenas.runs.recipe import recipe_from_tables

    tables: dict[str, Any] = {
        "space": {"name": "ofa"},
        "dataset": {"name": "coco", "root": str(root)},
        "head": {"name": "heatmap", "input_size": [256, 192]},
        "strategy": {"name": "sandwich"},
        "evaluation": {"boxes": str(boxes_of(root))},
        "training": {"batch_size": 16, "warm_up": 0},
    }
    return compose(recipe_from_tables(tables))


def start(root: Path, folder: Path) -> dict[str, float]:
    """Compose, note what is computed on, and take steps."""
    from posenas.composing.computed_on import provenance_of
    from posenas.learning.sandwich_step import SandwichStep
    from posenas.learning.training import Watch
    from posenas.runs.run import Run
    from posenas.searching.loading import fresh_shared_network
    from posenas.searching.resources import make_resources
    from posenas.searching.slices import Origin
    from posenas.searching.training_effects import Training, train_network

    composition = composed(root)
    found = {"seconds composed": time.monotonic() - BEGUN}
    provenance_of(composition)
    found["seconds noted"] = time.monotonic() - BEGUN
    resources = make_resources(composition, Run(folder), warn=print, advance=lambda *_: None)
    step = SandwichStep(composition.space, random_networks=2, distillation="truth+teacher")

    def after(done: int, total: int) -> None:
        if done == 1:
            found["seconds to the first step"] = time.monotonic() - BEGUN
        if done == min(STEPS, total):
            loading = [peak_megabytes(each) for each in children()]
            found["peak MB of a loading process"] = max(loading)
            raise Enough

    training = Training(step, 1, "fit", Watch(after, lambda *_: None), "shared")
    try:
        train_network(resources, fresh_shared_network(resources), training, key="measured", origin=Origin(0))
    except Enough:
        found["peak MB"] = peak_megabytes()
    return found


def side_by_side(root: Path, folder: Path) -> dict[str, float]:
    """Train two candidates at the same time, each in a process with a loading process of its own."""
    from posenas.composing.building import sharing
    from posenas.runs.run import Run
    from posenas.searching.candidate import Job
    from posenas.searching.parallel import Crew

    composition = composed(root)
    space = sharing(composition.space)
    jobs = [Job(genotype, None, 1) for genotype in (space.smallest(), space.largest())]
    run = Run(folder)
    found = {"seconds composed": time.monotonic() - BEGUN}
    crew = Crew(composition.recipe, run, size=len(jobs))

    def after(done: int, _total: int) -> None:
        found.setdefault("seconds to the first step", time.monotonic() - BEGUN)
        loading = {each: children(each) for each in children()}
        for each, started in loading.items():
            peaks = {"training": [peak_megabytes(each)], "loading": [*map(peak_megabytes, started)]}
            for kind, sizes in peaks.items() if started else ():
                name = f"peak MB of a {kind} process"
                found[name] = max(*sizes, found.get(name, 0.0))
        if done >= 2 * STEPS:
            raise Enough

    try:
        list(crew.finish(jobs, advance=after, warn=print))
    except Enough:
        pass
    finally:
        crew.close()
    return found | {"peak MB": peak_megabytes()}


def evaluate(root: Path, folder: Path) -> dict[str, float]:
    """Read the crops of all boxes, show some to a network, and score poses in all of them."""
    import torch
    from posenas.contract.batches import Poses
    from posenas.learning.inference import prepare
    from posenas.runs.run import Run
    from posenas.searching.loading import fresh_network, largest
    from posenas.searching.resources import make_resources
    from posenas.searching.scoring import evaluated

    composition = composed(root)
    loading = [0.0]
    resources = make_resources(
        composition,
        Run(folder),
        warn=print,
        advance=lambda *_: loading.extend(peak_megabytes(each) for each in children()),
    )
    truth, views = resources.splits.evaluated("val")
    found = {"seconds read": time.monotonic() - BEGUN, "peak MB of a loading process": max(loading)}
    network = fresh_network(resources, largest(resources))
    prepare(network)
    poses: list[Poses] = []
    batches = views.batches(composition.evaluation.batch_size, device=composition.compute.device)
    for number, batch in enumerate(batches):
        if number < SHOWN:
            with torch.no_grad():
                network(batch.images)
        poses.append(Poses(batch.keypoints, torch.rand(batch.keypoints.shape[:2])))
    found["seconds read again"] = time.monotonic() - BEGUN - found["seconds read"]
    evaluated(composition, views.locate(poses), truth)
    found["seconds scored"] = time.monotonic() - BEGUN
    found["peak MB"] = peak_megabytes()
    return found


PARTS = {"start": start, "side by side": side_by_side, "evaluate": evaluate}


def measured(part: str, root: Path) -> Mapping[str, float]:
    """What a fresh process found in a part."""
    command = [sys.executable, __file__, str(root), "--part", part]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(ended.stdout.splitlines()[-1])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the imitation lies, or is to be made")
    parser.add_argument("--small", action="store_true", help="a few people, to try the benchmark")
    parser.add_argument("--part", choices=PARTS, help="only this, in this process")
    parser.add_argument("--json", type=Path, default=figures.RESULTS / "coco_size.json")
    options = parser.parse_args()
    if options.part:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            print(json.dumps(PARTS[options.part](options.folder, Path(folder))))
        return
    size = SMALL if options.small else Size()
    imitate(options.folder, size)
    settings = {"images": size.images, "people": size.people, "boxes": size.boxes, "view": "256x192"}
    found = figures.Figures("coco_size", settings)
    for part in PARTS:
        for what, value in measured(part, options.folder).items():
            found.add(f"{part}: {what}", round(value, 1))
    found.write(options.json)


if __name__ == "__main__":
    main()
