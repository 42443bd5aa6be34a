"""Networks for videos with and without fusion, and with one architecture for all frames (ViPNAS, figure 6).

    OMP_NUM_THREADS=1 python benchmarks/video.py --runs FOLDER [--seeds 3] [--first-seed 0] [--json FILE]
        [--picture FILE]

A seed takes about 20 minutes on one core. It can be stopped and started again, and seeds can be run side by
side: a last call with all of them only reads what is there. On each seed a key frame's network and two
super-networks are trained on drawn people. Then, under each limit on the mean GMACs of a frame:

- fusion: the best candidate with an architecture for each frame, trained further;
- without: the same architectures without their fusions, on a super-network that was trained without any, and
  trained further as long (the paper's comparison). What fusions cost is made up for by single changes to the
  next value, so that it has at least as many GMACs;
- one: the best of as many candidates that have one architecture and one fusion for all frames.

Scores are AP on all frames, with the same key frames for all three; and the share of the keypoints that are
found within 5 pixels of the view, in 960 other pictures: by the distance from the key frame, and in frames
that blur, haze or a jerk makes hard to read. `drift` feeds a frame's network its own maps of a still clip for
thirty frames, and compares the last pose with the first, over labelled keypoints.

What three seeds can tell: a mean difference of 2.5 times the standard deviation of the three differences can
be told from chance (Student's t, two-sided, 5 %).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from experiments import finish, opened, options, searched, seeds_of, spread
from nas_ofa_elastic.video import ElasticVideoSpace
from posenas.composing.compose import compose
from posenas.composing.composition import Composition
from posenas.composing.goals.limits import draw_genotypes, guide_to_budget
from posenas.contract.batches import Batch
from posenas.contract.components import HeadModule, SearchSpace, WeightSharing
from posenas.contract.genotype import Genotype
from posenas.contract.goals import Limit
from posenas.contract.problem import Weights
from posenas.data.clips import person_clips
from posenas.data.crops import load_crops
from posenas.learning.sandwich_step import SandwichStep
from posenas.networks.frame_heads import batch_of_frame, frame_minor
from posenas.networks.pose_network import PoseNetwork
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.searching.loading import load_network
from posenas.searching.problem import JournaledProblem
from posenas.standard.synthetic.dataset import FrameSource, SyntheticDataset
from posenas.standard.synthetic.world import FRAME, generator
from torch import Tensor

BUDGETS = (0.022, 0.03)
"""Mean GMACs; the smallest networks have 0.016, the largest 0.044, and the key frame's 0.044 is a quarter."""
LEAST = 0.93
"""The share of a budget that every candidate uses at least."""
KEY_EPOCHS, EPOCHS, CANDIDATES, CALIBRATION_PEOPLE, FINAL_EPOCHS = 10, 3, 8, 128, 6
DATASET = {"frames": 8, "train_images": 2400, "val_images": 480}
NEAR, REPEATS, SETTLED, TEST_IMAGES = 5.0, 30, 5, 960
WHAT = ("AP", "frames after the key frame", "hard frames")
"""AP on all frames, and the shares of keypoints that are found within 5 pixels."""
WAYS = ("fusion", "without", "one")
IMAGES, SANDWICH = ComponentChoice("ofa", {}), ComponentChoice("sandwich", {"epochs": EPOCHS})
_FUSION = re.compile(r"frame\d+\.fusion\.")


def composed(seed: int, space: ComponentChoice, strategy: ComponentChoice) -> Composition:
    return compose(
        Recipe(
            space=space,
            strategy=strategy,
            dataset=ComponentChoice("synthetic", {**DATASET, "seed": seed}),
            evaluation={"flip_test": False},
            seed=seed,
            device="cpu",
        )
    )


def key_frames(folder: Path, seed: int) -> None:
    """Train the key frame's network, the largest one, as a run of its own for all ways."""
    largest = cast(WeightSharing, composed(seed, IMAGES, SANDWICH).space).largest()
    alone = ComponentChoice("single", {"genotype": dict(largest), "epochs": KEY_EPOCHS})
    if not (folder / "best").exists():
        searched(composed(seed, IMAGES, alone), folder)


def of_videos(seed: int, key_run: Path, *, fusion: bool) -> Composition:
    options = {"fusion": fusion, "key_run": str(key_run.resolve())}
    return composed(seed, ComponentChoice("ofa-video", options), SANDWICH)


def super_network(problem: JournaledProblem, *, epochs: int = EPOCHS) -> Weights:
    space = cast(ElasticVideoSpace, problem.space)
    key_frame = problem.weights_of(space.key_run, space.key_frame())
    step = SandwichStep(space, 2, "truth+teacher")
    return problem.train_shared(step, epochs=epochs, init=key_frame)


def drawn(problem: JournaledProblem, budget: float, *, one: bool) -> list[Genotype]:
    """Candidates near a budget, as genotypes of the whole space."""
    space = ElasticVideoSpace(architectures="one" if one else "each")
    known: dict[str, float] = {}

    def cost(genotype: Genotype, name: str) -> float:
        whole = for_each_frame(genotype)
        key = str(sorted(whole.items()))
        if key not in known:
            known[key] = problem.costs(whole)[name]
        return known[key]

    limits = [Limit("gmacs", most=budget, least=LEAST * budget)]
    rng = problem.rng(f"candidates under {budget}")
    guide = guide_to_budget(cast(SearchSpace, space), limits, cost, rng=rng)
    found = draw_genotypes(
        cast(SearchSpace, space), CANDIDATES, limits=limits, cost=cost, rng=rng, guide=guide
    )
    return [for_each_frame(genotype) for genotype in found]


def for_each_frame(genotype: Genotype) -> Genotype:
    """One architecture for all frames, as the genotype of as many equal ones."""
    whole = {name: value for name, value in genotype.items() if not name.startswith("frames.")}
    for name, value in genotype.items():
        if name.startswith("frames."):
            whole |= {f"frame{n}.{name.removeprefix('frames.')}": value for n in (1, 2, 3)}
    return whole


def best(problem: JournaledProblem, shared: Weights, candidates: Sequence[Genotype]) -> Genotype:
    trials = problem.evaluate_many(
        candidates, shared, stage="candidate", calibration_people=CALIBRATION_PEOPLE
    )
    return problem.best(list(trials)).genotype


def unfused(problem: JournaledProblem, genotype: Genotype, *, gmacs: float) -> Genotype:
    """The same architectures without fusions, with single changes until they have as many GMACs."""
    found = {name: value for name, value in genotype.items() if not _FUSION.match(name)}
    while problem.costs(found)["gmacs"] < gmacs:
        costs = {name: problem.costs(each)["gmacs"] for name, each in dearer(problem, found)}
        enough = {name: each for name, each in costs.items() if each >= gmacs}
        name = (
            min(enough, key=lambda each: enough[each]) if enough else max(costs, key=lambda each: costs[each])
        )
        found = dict(dearer(problem, found))[name]
    return found


def dearer(problem: JournaledProblem, genotype: Genotype) -> Iterator[tuple[str, Genotype]]:
    """The genotypes that have the next value of one dimension, by its name."""
    now = problem.costs(genotype)["gmacs"]
    for name, choice in problem.space.dimensions().items():
        later = choice.values[choice.values.index(genotype[name]) + 1 :]
        changed = {**genotype, name: later[0]} if later and name != "propagation" else genotype
        if problem.costs(changed)["gmacs"] > now:
            yield name, changed


@dataclass(frozen=True)
class Clips:
    """Clips of other people than those in training, and which of their frames are hard to read."""

    batches: Sequence[Batch]
    hard: Tensor


def other_clips(composition: Composition, seed: int) -> Clips:
    samples = SyntheticDataset(frames=DATASET["frames"], val_images=TEST_IMAGES, seed=seed).split("val")
    crops = person_clips(samples, frames=4).crops
    hard = torch.tensor([is_hard(cast(Any, samples[crop.sample].source)) for crop in crops])
    views = load_crops(
        crops,
        samples,
        composition.view,
        keypoints=composition.keypoints,
        workers=0,
        on_unreadable=print,
        frames=4,
    )
    return Clips(list(views.batches(64, device=torch.device("cpu"))), hard)


def is_hard(source: FrameSource) -> bool:
    """Whether a frame is among those that blur, haze or a jerk spoils, as its first random number says."""
    rng = generator(source.filming.world, source.video, FRAME, source.frame)
    return bool(rng.random() < source.filming.hard_frames)


def trained(
    problem: JournaledProblem,
    genotype: Genotype,
    shared: Weights,
    clips: Clips,
    *,
    epochs: int = FINAL_EPOCHS,
) -> dict[str, Any]:
    weights = problem.train(genotype, epochs=epochs, init=shared)
    trial = problem.evaluate(genotype, weights, stage="final")
    network = load_network(problem._resources, genotype, weights).eval()
    return {
        "AP": trial.metrics["oks.AP"],
        "gmacs": trial.costs["gmacs"],
        "architectures": len({str(sorted(of_frame(genotype, number).items())) for number in (1, 2, 3)}),
        "within_5_pixels": within(network, clips),
        "moved_without_guides": moved_without_guides(network, clips.batches),
        "drift": drift(network, clips.batches[::4]),
        "genotype": dict(genotype),
    }


def of_frame(genotype: Genotype, number: int) -> Genotype:
    prefix = f"frame{number}."
    return {
        name.removeprefix(prefix): each
        for name, each in genotype.items()
        if name.startswith(prefix) and not _FUSION.match(name)
    }


@torch.no_grad()
def within(network: PoseNetwork, clips: Clips) -> dict[str, Any]:
    """The share of the labelled keypoints found within 5 pixels of the view.

    By the distance from the key frame; in all frames after it; and in those of them that are hard to read.
    """
    head = cast(HeadModule, network.head)
    near = []
    for batch in clips.batches:
        distances = (head.decode(network(batch.images), batch).keypoints - batch.keypoints).norm(dim=2)
        near.append(torch.where(batch.labelled > 0, (distances < NEAR).float(), torch.nan))
    every = torch.cat(near).unflatten(0, (-1, network.frames))
    after, hard = every[:, 1:], clips.hard.view(-1, network.frames)[:, 1:]
    return {
        "by frame": [float(every[:, frame].nanmean()) for frame in range(network.frames)],
        "frames after the key frame": float(after.nanmean()),
        "hard frames": float(after[hard].nanmean()),
    }


def poses_of(network: PoseNetwork, batch: Batch, guides: Callable[[Tensor], Tensor]) -> Tensor:
    """The poses of a batch of clips, where each frame's guide is changed first."""
    guide, found = None, []
    for frame in range(network.frames):
        part = batch_of_frame(batch, frame, frames=network.frames)
        poses, guide = looked(network, frame, part, None if guide is None else guides(guide))
        found.append(poses)
    return frame_minor(found)


@torch.no_grad()
def moved_without_guides(network: PoseNetwork, batches: Sequence[Batch]) -> float:
    """How far keypoints of frames after the key frame move, in pixels of the view, where guides are empty."""
    moved = []
    for batch in batches:
        both = [poses_of(network, batch, guides) for guides in (torch.clone, torch.zeros_like)]
        distances = (both[0] - both[1]).norm(dim=2).unflatten(0, (-1, network.frames))[:, 1:].flatten(0, 1)
        labelled = batch.labelled.unflatten(0, (-1, network.frames))[:, 1:].flatten(0, 1)
        moved.append(distances[labelled > 0])
    return float(torch.cat(moved).mean())


@torch.no_grad()
def drift(network: PoseNetwork, batches: Sequence[Batch]) -> dict[str, Any]:
    """How far the pose moves in pixels of the view from the first frame of a still clip to the thirtieth.

    Each frame's network is fed its own maps; the first guide is the key frame's. In the cycle every fourth
    frame is a key frame, as in a video, and a keypoint's furthest place is compared with its place there.
    """
    every, whole, cycle, later = [], [], [], []
    for batch in batches:
        part = batch_of_frame(batch, 0, frames=network.frames)
        first, told = looked(network, 0, part, None)
        labelled, guide, furthest = part.labelled > 0, told, torch.zeros(part.labelled.shape)
        for frame in range(1, network.frames):
            passed, guide = looked(network, frame, part, guide)
            furthest = furthest.maximum((passed - first).norm(dim=2))
            begun, own = looked(network, frame, part, told)
            fifth = begun
            for look in range(2, REPEATS + 1):
                ended, own = looked(network, frame, part, own)
                fifth = ended if look == SETTLED else fifth
            later.append((ended - fifth).norm(dim=2)[labelled])
            every.append((ended - begun).norm(dim=2)[labelled])
            whole.append((ended - begun).mean(1))
        cycle.append(furthest[labelled])
    moved, poses = torch.cat(every), torch.cat(whole)
    return {
        "median": float(moved.median()),
        "mean": float(moved.mean()),
        "90 %": float(moved.quantile(0.9)),
        "from the fifth, median": float(torch.cat(later).median()),
        "from the fifth, mean": float(torch.cat(later).mean()),
        "whole pose, median": float(poses.norm(dim=1).median()),
        "whole pose, mean of x and y": poses.mean(0).tolist(),
        "cycle, median": float(torch.cat(cycle).median()),
        "cycle, mean": float(torch.cat(cycle).mean()),
    }


def looked(network: PoseNetwork, frame: int, batch: Batch, guide: Tensor | None) -> tuple[Tensor, Tensor]:
    """The poses that one frame's network finds, and its guide for the next."""
    outputs, told = network.look(frame, batch.images, guide)
    return cast(Any, network.head).frames[frame].decode(outputs, batch).keypoints, told


def one_seed(folder: Path, seed: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    key_run = folder / f"key-frames-{seed}"
    key_frames(key_run, seed)
    clips = other_clips(composed(seed, IMAGES, SANDWICH), seed)
    with opened(of_videos(seed, key_run, fusion=True), folder / f"video-{seed}") as problem:
        shared = super_network(problem)
        for budget in BUDGETS:
            for way in ("fusion", "one"):
                genotype = best(problem, shared, drawn(problem, budget, one=way == "one"))
                found.setdefault(str(budget), {})[way] = trained(problem, genotype, shared, clips)
    with opened(of_videos(seed, key_run, fusion=False), folder / f"video-{seed}-without") as problem:
        shared = super_network(problem)
        for budget in BUDGETS:
            fused = found[str(budget)]["fusion"]
            genotype = unfused(problem, fused["genotype"], gmacs=fused["gmacs"])
            found[str(budget)]["without"] = trained(problem, genotype, shared, clips)
    return found


def summarised(seeds: Mapping[str, Any]) -> dict[str, Any]:
    """Means over the seeds, and differences seed by seed, under each budget and over all of them."""

    def score(seed: str, budget: float, way: str, what: str) -> float:
        found = seeds[seed][str(budget)][way]
        return float(found["AP"] if what == "AP" else found["within_5_pixels"][what])

    summary: dict[str, Any] = {}
    for what in WHAT:
        table: dict[str, Any] = {}
        for budget in BUDGETS:
            table[str(budget)] = {
                way: spread([score(seed, budget, way, what) for seed in seeds]) for way in WAYS
            }
        for other in ("without", "one"):
            table[f"fusion minus {other}"] = spread(
                [
                    sum(
                        score(seed, budget, "fusion", what) - score(seed, budget, other, what)
                        for budget in BUDGETS
                    )
                    / len(BUDGETS)
                    for seed in seeds
                ]
            )
        summary[what] = table
    return summary


def draw_picture(summary: Mapping[str, Any], path: Path) -> None:
    """Budget against score, a line for each way, with the seeds as points."""
    from matplotlib.figure import Figure

    names = {
        "fusion": "an architecture for each frame, with fusion",
        "one": "one architecture for all frames, with fusion",
        "without": "the same architectures for each frame, without fusion",
    }
    figure = Figure(figsize=(10, 3.4), layout="constrained")
    for axes, (what, table) in zip(figure.subplots(1, 3), summary.items(), strict=True):
        for way, name in names.items():
            scores = [table[str(budget)][way] for budget in BUDGETS]
            (line,) = axes.plot(BUDGETS, [each["mean"] for each in scores], marker="o", label=name)
            for budget, each in zip(BUDGETS, scores, strict=True):
                axes.plot(
                    [budget] * len(each["seeds"]), each["seeds"], ".", color=line.get_color(), alpha=0.4
                )
        axes.set_xlabel("mean GMACs of a frame")
        axes.set_title("AP on all frames" if what == "AP" else f"within 5 pixels, {what}", fontsize=9)
        axes.set_xticks(BUDGETS)
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=1, frameon=False)
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--picture", type=Path, help="where the picture goes")
    arguments = parser.parse_args()
    seeds = {str(seed): one_seed(arguments.runs, seed) for seed in seeds_of(arguments)}
    summary = summarised(seeds)
    settings = {
        "budgets": BUDGETS,
        "key_epochs": KEY_EPOCHS,
        "epochs": EPOCHS,
        "candidates": CANDIDATES,
        "final_epochs": FINAL_EPOCHS,
        "dataset": DATASET,
    }
    finish(arguments.json, settings, summary, seeds=seeds)
    if arguments.picture:
        draw_picture(summary, arguments.picture)


if __name__ == "__main__":
    main()
