"""A whole small search against the sum of its network passes.

    OMP_NUM_THREADS=1 python benchmarks/search.py [--json FILE] [--pairs N]

The search is `ofa` (tiny) with `sandwich` on synthetic people, from composing the recipe to the results on
disk: drawing and warping pictures, targets, making and filling sub-networks, the optimiser, checkpoints, the
journal, ranking and scoring. It loads images in the main process, so that all of its CPU time is counted.
Passes are the forward passes of pose networks, in training and in evaluation, the losses, and the backward
passes; adding gradients into the shared weights happens within these and counts as theirs. A second ratio
leaves out the drawing of the synthetic pictures, which real data have not. Not in the search: the report, and
imports, which a first, tiny search triggers. Each of the `pairs` is another seed; there is no null ratio, as
both figures are of the same run.
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
from posenas.compose import compose
from posenas.data.synthetic.dataset import SceneSource
from posenas.heads.heatmap import HeatmapModule
from posenas.hooks import Events
from posenas.network import PoseNetwork
from posenas.recipe import ComponentChoice, Recipe
from posenas.run import create_run
from posenas.search import search
from ratios import Ratio

DATASET = {"train_images": 400, "val_images": 60}
STRATEGY = {"epochs": 3, "candidates": 8, "calibration_people": 64, "final_epochs": 4}
EVALUATION = {"ranking_people": 64}
FIRST = {"train_images": 20, "val_images": 4}


class Stopwatch:
    """Seconds of CPU time spent in the functions that it times."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def timing(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            start = time.process_time()
            try:
                return function(*arguments, **keywords)
            finally:
                self.seconds += time.process_time() - start

        return call


@contextmanager
def timed(passes: Stopwatch, drawing: Stopwatch) -> Iterator[None]:
    forward_pass = PoseNetwork.forward
    timed_forward = passes.timing(forward_pass)

    def forward(network: PoseNetwork, images: torch.Tensor) -> Any:
        # Costs are counted by a pass on the meta device, which computes nothing.
        return (forward_pass if images.is_meta else timed_forward)(network, images)

    with (
        patch.object(PoseNetwork, "forward", forward),
        patch.object(torch.Tensor, "backward", passes.timing(torch.Tensor.backward)),
        patch.object(HeatmapModule, "loss", passes.timing(HeatmapModule.loss)),
        patch.object(HeatmapModule, "distillation_loss", passes.timing(HeatmapModule.distillation_loss)),
        patch.object(SceneSource, "read", drawing.timing(SceneSource.read)),
    ):
        yield


def measure(seed: int, folder: Path, *, dataset: Mapping[str, int]) -> tuple[float, float, float]:
    """CPU seconds of the whole search, of its passes, and of drawing."""
    recipe = Recipe(
        strategy=ComponentChoice("sandwich", STRATEGY),
        dataset=ComponentChoice("synthetic", dataset),
        training={"workers": 0},
        evaluation=EVALUATION,
        seed=seed,
        device="cpu",
    )
    passes, drawing = Stopwatch(), Stopwatch()
    with timed(passes, drawing):
        start = time.process_time()
        composition = compose(recipe)
        search(composition, create_run(folder, composition.recipe), events=Events({}, complain=print))
        return time.process_time() - start, passes.seconds, drawing.seconds


def quartiles(ratios: list[float]) -> Ratio:
    low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return Ratio(median, low, high, len(ratios))


def main() -> None:
    options = figures.arguments("search", __doc__.splitlines()[0], pairs=3)
    settings = {"dataset": DATASET, "strategy": STRATEGY, "evaluation": EVALUATION, "seeds": options.pairs}
    found = figures.Figures("search", settings)
    with tempfile.TemporaryDirectory() as folder:
        measure(0, Path(folder) / "first", dataset=FIRST)
        runs = [measure(seed, Path(folder) / str(seed), dataset=DATASET) for seed in range(options.pairs)]
    found.add("seconds", statistics.median(whole for whole, _, _ in runs))
    found.add("whole search", quartiles([whole / passes for whole, passes, _ in runs]))
    found.add(
        "without drawing pictures",
        quartiles([(whole - drawing) / passes for whole, passes, drawing in runs]),
    )
    found.write(options.json)


if __name__ == "__main__":
    main()
