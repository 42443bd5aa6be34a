"""A whole search against the sum of its network passes.

    OMP_NUM_THREADS=1 python benchmarks/search.py [--json FILE] [--pairs N]

Two searches. The default one, `posenas compose` as it stands, takes five minutes, and its ratio is by the
wall clock: what a user waits for, while a process of its own draws and warps pictures beside the passes.

The other is `ofa` (tiny) with `sandwich` on a few synthetic people, from composing the recipe to the results
on disk: drawing and warping pictures, targets, making and filling sub-networks, the optimiser, checkpoints,
the journal, ranking and scoring. It loads images in the main process, so that all of its CPU time is counted.
A second ratio leaves out the drawing of the synthetic pictures, which real data have not. Each of the `pairs`
is another seed.

Passes are the forward passes of pose networks, in training and in evaluation, the losses, and the backward
passes; adding gradients into the shared weights happens within these and counts as theirs. Not in the
searches: the report, and imports, which a first, tiny search triggers. There is no null ratio, as both
figures are of the same run.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import figures
import torch
from posenas.composing.compose import compose
from posenas.networks.pose_network import PoseNetwork
from posenas.runs.events import Events
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.runs.run import create_run
from posenas.searching.search import search
from posenas.standard.heads.heatmap import HeatmapModule
from posenas.standard.synthetic.dataset import SceneSource
from ratios import Ratio

DATASET = {"train_images": 400, "val_images": 60}
STRATEGY = {"epochs": 3, "candidates": 8, "calibration_people": 64, "final_epochs": 4}
EVALUATION = {"ranking_people": 64}
FIRST = {"train_images": 20, "val_images": 4}


class Stopwatch:
    """Seconds by the clock that were spent in the functions that it times."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.seconds = 0.0

    def timing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            start = self.clock()
            try:
                return function(*arguments, **keywords)
            finally:
                self.seconds += self.clock() - start

        return call


@contextmanager
def timed(passes: Stopwatch, drawing: Stopwatch) -> Iterator[None]:
    forward_pass = PoseNetwork.forward
    timed_forward = passes.timing(forward_pass)

    def forward(network: PoseNetwork, images: torch.Tensor, targets: Any | None = None) -> Any:
        # Costs are counted by a pass on the meta device, which computes nothing.
        return (forward_pass if images.is_meta else timed_forward)(network, images, targets)

    with (
        patch.object(PoseNetwork, "forward", forward),
        patch.object(torch.Tensor, "backward", passes.timing(torch.Tensor.backward)),
        patch.object(HeatmapModule, "loss", passes.timing(HeatmapModule.loss)),
        patch.object(HeatmapModule, "distillation_loss", passes.timing(HeatmapModule.distillation_loss)),
        patch.object(SceneSource, "read", drawing.timing(SceneSource.read)),
    ):
        yield


def small(seed: int, *, dataset: Mapping[str, int]) -> Recipe:
    return Recipe(
        strategy=ComponentChoice("sandwich", STRATEGY),
        dataset=ComponentChoice("synthetic", dataset),
        training={"workers": 0},
        evaluation=EVALUATION,
        seed=seed,
        device="cpu",
    )


def measure(recipe: Recipe, folder: Path, *, clock: Callable[[], float]) -> tuple[float, float, float]:
    """Seconds of the whole search, of its passes, and of drawing in this process."""
    passes, drawing = Stopwatch(clock), Stopwatch(clock)
    with timed(passes, drawing):
        start = clock()
        composition = compose(recipe)
        search(composition, create_run(folder, composition.recipe), events=Events({}, complain=print))
        return clock() - start, passes.seconds, drawing.seconds


def quartiles(ratios: list[float]) -> Ratio:
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(median, low, high, len(ratios))


def main() -> None:
    options = figures.arguments("search", __doc__.splitlines()[0], pairs=3)
    settings = {"dataset": DATASET, "strategy": STRATEGY, "evaluation": EVALUATION, "seeds": options.pairs}
    found = figures.Figures("search", settings)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cpu = time.process_time
        measure(small(0, dataset=FIRST), folder / "first", clock=cpu)
        runs = [
            measure(small(seed, dataset=DATASET), folder / str(seed), clock=cpu)
            for seed in range(options.pairs)
        ]
        default = measure(Recipe(), folder / "default", clock=time.perf_counter)
    found.add("default search by the wall clock, seconds", default[0])
    found.add("default search by the wall clock", default[0] / default[1])
    found.add("seconds", statistics.median(whole for whole, _, _ in runs))
    found.add("whole search", quartiles([whole / passes for whole, passes, _ in runs]))
    found.add(
        "without drawing pictures",
        quartiles([(whole - drawing) / passes for whole, passes, drawing in runs]),
    )
    found.write(options.json)


if __name__ == "__main__":
    main()
