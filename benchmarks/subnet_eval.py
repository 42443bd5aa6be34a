"""Sub-networks evaluated in a minute, against evaluating them in the plain way.

    OMP_NUM_THREADS=1 python benchmarks/subnet_eval.py [--json FILE] [--pairs N]

The plain way: copy the whole super-network, take the sub-network's part, set batch norm's statistics anew on
the calibration people, predict the ranking people, all in float32 and with channels first, as networks come.
Our way is what `Problem.evaluate_many` does on this device: cut the sub-network out, recalibrate it, fold its
batch norms, and predict, with channels last, in bfloat16 where the device multiplies in it. Both average with
the mirrored image, score with `oks`, and get their images, normalised anew for each candidate, from the same
code. Higher is better; the null ratio is the plain way against itself.

Kendall's tau is between the two ways' scores of all candidates. A super-network with random weights would
make any order as good as any other, so `tiny` is trained on the synthetic people first, by a few hundred
sandwich steps: enough to tell sub-networks apart, not to make them good. For `resnet50`, whose training
takes too long here, only the time is measured.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from random import Random

import figures
import torch
from nas_ofa_elastic.space import ElasticSpace
from networks import Backbone, Size
from posenas.composing.building import build_network
from posenas.contract.batches import Batch
from posenas.contract.components import FlipTest, HeadModule
from posenas.contract.genotype import Genotype
from posenas.contract.scores import GroundTruth, Predictions
from posenas.data.augment import Augmentation
from posenas.data.crops import EvaluatedCrops, crop_loader, load_crops
from posenas.data.loader import ViewLoader
from posenas.data.person_crop import person_crops
from posenas.data.reading import ReadCrops
from posenas.learning.inference import EvaluationSettings, predict, recalibrate
from posenas.learning.optimizers import make_optimizers
from posenas.learning.sandwich_step import SandwichStep
from posenas.learning.settings import TrainingSettings
from posenas.networks.devices import Compute, choose_compute
from posenas.networks.pose_network import PoseNetwork, SharedPoseNetwork
from posenas.standard.evaluators.oks import OksEvaluator
from posenas.standard.heads.heatmap import HeatmapHead
from posenas.standard.synthetic.dataset import SyntheticDataset
from ratios import alternate
from torch import Tensor

SETTINGS = EvaluationSettings()
CALIBRATION, RANKING, CANDIDATES, BATCH, STEPS = 128, 256, 16, 16, 400
PLAIN = Compute(torch.device("cpu"), None)


@dataclass(frozen=True)
class Task:
    """What sub-networks are evaluated on."""

    space: ElasticSpace
    head: HeatmapHead
    dataset: SyntheticDataset
    truth: GroundTruth
    calibration: EvaluatedCrops
    ranking: EvaluatedCrops

    def super_network(self, compute: Compute) -> SharedPoseNetwork:
        def build(genotype: Genotype) -> PoseNetwork:
            keypoints = self.dataset.keypoints()
            return build_network(self.space, genotype, head=self.head, keypoints=keypoints, compute=compute)

        torch.manual_seed(0)
        return SharedPoseNetwork(build, build(self.space.largest()))

    def score(self, predictions: Predictions) -> float:
        return OksEvaluator().evaluate(predictions, self.truth).metrics["AP"]


def make_task(backbone: Backbone, size: Size, *, calibration: int, ranking: int) -> Task:
    head, dataset = HeatmapHead(input_size=size), SyntheticDataset()
    people, seen = dataset.split("train"), dataset.split("val")
    keypoints = dataset.keypoints()
    read = partial(load_crops, view=head.view(), keypoints=keypoints, workers=0, on_unreadable=print)
    crops = person_crops(seen)[:ranking]
    samples = seen[: crops[-1].sample + 1]
    return Task(
        ElasticSpace(backbone),
        head,
        dataset,
        GroundTruth(keypoints, samples),
        read(person_crops(people)[:calibration], people),
        read(crops, seen),
    )


def train(task: Task, shared: SharedPoseNetwork, steps: int) -> None:
    settings = TrainingSettings(batch_size=BATCH)
    optimizer, step, rng = (
        make_optimizers(shared, settings)["weights"],
        SandwichStep(task.space, 2, "truth+teacher"),
        Random(0),
    )
    samples = task.dataset.split("train")
    loader = crop_loader(
        person_crops(samples),
        samples,
        view=task.head.view(),
        keypoints=task.dataset.keypoints(),
        augmentation=Augmentation(),
        batch_size=BATCH,
        seed=0,
        workers=0,
        device=torch.device("cpu"),
        on_unreadable=print,
        cache_bytes=2**29,
    )
    for _, batch in zip(range(steps), endless(loader), strict=False):
        step(shared, batch, rng, update=print, progress=0.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=False)


def endless(loader: ViewLoader[ReadCrops]) -> Iterator[Batch]:
    epoch = 0
    while True:
        yield from loader.epoch(epoch)
        epoch += 1


def our_score(task: Task, shared: SharedPoseNetwork, genotype: Genotype) -> float:
    network = shared.derive(genotype)
    device = torch.device("cpu")
    recalibrate(
        network, (batch.images for batch in task.calibration.batches(SETTINGS.batch_size, device=device))
    )
    return task.score(predict(network, task.ranking, settings=SETTINGS, device=device))


@torch.no_grad()
def plain_score(task: Task, shared: SharedPoseNetwork, genotype: Genotype) -> float:
    network = copy.deepcopy(shared).derive(genotype).train()
    for norm in network.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.momentum = None
    for batch in channels_first(task.calibration):
        network(batch.images)
    network.eval()
    keypoints, scores = [], []
    for batch in channels_first(task.ranking):
        poses = plain_poses(network, batch)
        keypoints.append(poses[0])
        scores.append(poses[1])
    in_view = torch.cat(keypoints).double().numpy()
    inverses = task.ranking.inverses
    in_image = (inverses[:, None, :, :2] @ in_view[..., None])[..., 0] + inverses[:, None, :, 2]
    keypoint_scores = torch.cat(scores).double().numpy()
    return task.score(
        Predictions(task.ranking.image_ids, in_image, keypoint_scores, keypoint_scores.mean(axis=1))
    )


def plain_poses(network: PoseNetwork, batch: Batch) -> tuple[Tensor, Tensor]:
    head = network.head
    assert isinstance(head, FlipTest)
    outputs = head.average_mirrored(network(batch.images), network(batch.images.flip(3)))
    decoder: HeadModule = head  # type: ignore[assignment]
    poses = decoder.decode(outputs, batch)
    return poses.keypoints, poses.keypoint_scores


def channels_first(crops: EvaluatedCrops) -> Iterator[Batch]:
    for batch in crops.batches(SETTINGS.batch_size, device=torch.device("cpu")):
        yield replace(batch, images=batch.images.contiguous())


def kendall(first: Sequence[float], second: Sequence[float]) -> float:
    """Tau-b: ties count for neither order."""
    a, b = torch.tensor(first, dtype=torch.float64), torch.tensor(second, dtype=torch.float64)
    one, two = torch.triu_indices(len(a), len(a), 1)
    signs, other_signs = (a[one] - a[two]).sign(), (b[one] - b[two]).sign()
    return float((signs * other_signs).sum() / (signs.abs().sum() * other_signs.abs().sum()).sqrt())


def candidates(space: ElasticSpace) -> list[Genotype]:
    rng = Random(1)
    return [space.largest(), space.smallest(), *(space.sample(rng) for _ in range(CANDIDATES - 2))]


def measure(task: Task, found: figures.Figures, *, steps: int, pairs: int) -> None:
    ours, plain = task.super_network(choose_compute("cpu", "auto")), task.super_network(PLAIN)
    train(task, ours, steps)
    plain.load_state_dict(ours.state_dict())
    name, middle = task.space.backbone, task.space.sample(Random(2))
    in_plain_way = partial(plain_score, task, plain, middle)
    found.add(f"{name} speed", alternate(in_plain_way, partial(our_score, task, ours, middle), pairs=pairs))
    found.add(f"{name} null", alternate(in_plain_way, in_plain_way, pairs=pairs))
    if steps:
        genotypes = candidates(task.space)
        scores = [
            [score(task, shared, genotype) for genotype in genotypes]
            for score, shared in ((our_score, ours), (plain_score, plain))
        ]
        found.add(f"{name} Kendall's tau of {CANDIDATES}", kendall(*scores))
        found.add(f"{name} lowest AP", min(scores[1]))
        found.add(f"{name} highest AP", max(scores[1]))


def main() -> None:
    options = figures.arguments("subnet_eval", __doc__.splitlines()[0], pairs=5)
    found = figures.Figures(
        "subnet_eval",
        {
            "tiny": {"view": (128, 96), "calibration": CALIBRATION, "ranking": RANKING, "steps": STEPS},
            "resnet50": {"view": (256, 192), "calibration": 16, "ranking": 32, "steps": 0},
            "pairs": options.pairs,
        },
    )
    tiny = make_task("tiny", (128, 96), calibration=CALIBRATION, ranking=RANKING)
    measure(tiny, found, steps=STEPS, pairs=options.pairs)
    resnet = make_task("resnet50", (256, 192), calibration=16, ranking=32)
    measure(resnet, found, steps=0, pairs=options.pairs)
    found.write(options.json)


if __name__ == "__main__":
    main()
