"""The sandwich step's gradients against sums over separate networks; the phases of progressive shrinking."""

from __future__ import annotations

from random import Random
from typing import cast

import pytest
import torch
from nas_ofa_elastic.sandwich import Sandwich, shrinking_phases
from nas_ofa_elastic.space import ElasticSpace
from posenas import COCO_17, Batch, Genotype, Span, Trial
from posenas.composing.building import build_network
from posenas.networks.sharing import sub_slices
from posenas.standard.heads.heatmap import HeatmapHead, HeatmapModule
from posenas.training import Distillation, PoseNetwork, SandwichStep, SharedPoseNetwork

SPACE = ElasticSpace("tiny")
HEAD = HeatmapHead(input_size=(32, 32))


def build(genotype: Genotype) -> PoseNetwork:
    return build_network(SPACE, genotype, head=HEAD, keypoints=COCO_17)


def batch() -> Batch:
    torch.manual_seed(1)
    return Batch(torch.randn(4, 3, 32, 32), 31 * torch.rand(4, 17, 2), torch.ones(4, 17))


def expected(
    shared: SharedPoseNetwork, others: list[Genotype], mode: Distillation
) -> dict[str, torch.Tensor]:
    """Each network alone, its gradients put where its tensors lie in the largest one's."""
    images = batch()
    full = dict(shared.shared.holder.named_parameters())
    total = {name: torch.zeros_like(parameter) for name, parameter in full.items()}
    largest = SPACE.largest()
    teacher = shared.derive(largest).train()(images.images).detach()
    for genotype in (largest, *others):
        network = shared.derive(genotype).train()
        head = cast(HeatmapModule, network.head)
        outputs = network(images.images)
        truth = head.loss(outputs, head.targets(images))
        taught = head.distillation_loss(outputs, teacher)
        loss = (
            truth if genotype == largest or mode == "off" else taught if mode == "teacher" else truth + taught
        )
        loss.backward()  # type: ignore[no-untyped-call]
        for name, parameter in network.named_parameters():
            if parameter.grad is not None:
                total[name][sub_slices(full[name].shape, parameter.shape)] += parameter.grad
    return total


@pytest.mark.parametrize("mode", ["truth+teacher", "teacher", "off"])
def test_gradients_are_the_sum_over_the_networks(mode: Distillation) -> None:
    torch.manual_seed(0)
    shared = SharedPoseNetwork(build, build(SPACE.largest())).train()
    with torch.no_grad():  # so that no attention is the identity and no output is flat
        for parameter in shared.parameters():
            parameter.normal_(0.05, max(1, parameter[0].numel()) ** -0.5)
    rng = Random(7)
    drawn = [SPACE.sample(rng) for _ in range(2)]
    losses = SandwichStep(SPACE, 2, mode)(shared, batch(), Random(7), update=print, progress=0.0)
    assert list(losses) == ["largest", "smallest", "random1", "random2"]
    oracle = expected(shared, [SPACE.smallest(), *drawn], mode)
    for name, parameter in shared.shared.holder.named_parameters():
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, oracle[name], rtol=1e-3, atol=1e-5)


def test_closed_dimensions_keep_the_largest_value_and_the_largest_is_not_taught() -> None:
    names = tuple(SPACE.dimensions())
    assert SandwichStep(SPACE, 2, "off", names)._others(Random(0)) == {}
    depths = tuple(name for name in names if name.endswith("depth"))
    others = SandwichStep(SPACE, 30, "off", depths)._others(Random(0))
    assert len(others) == 31
    assert all(genotype[name] == SPACE.largest()[name] for genotype in others.values() for name in depths)
    assert len({genotype["stage1.kernel"] for genotype in others.values()}) == 2


def test_phases_open_kernel_then_depth_then_the_rest() -> None:
    names = ("input.scale", "stem.width", "stage1.depth", "stage1.kernel", "stage1.attention")
    assert shrinking_phases(names) == (
        ("stem.width", "stage1.depth", "stage1.kernel", "stage1.attention"),
        ("stem.width", "stage1.depth", "stage1.attention"),
        ("stem.width", "stage1.attention"),
        (),
    )
    assert shrinking_phases(("stem.width", "stage1.depth")) == (
        ("stem.width", "stage1.depth"),
        ("stem.width",),
        (),
    )


@pytest.mark.parametrize(("epochs", "phases"), [(4, [1, 1, 1, 1]), (10, [2, 3, 2, 3])])
def test_the_epochs_are_divided_and_each_phase_begins_with_the_one_before(
    epochs: int, phases: list[int]
) -> None:
    trained: list[tuple[tuple[str, ...], int, object]] = []
    spans: list[Span] = []
    discarded: list[int] = []

    class Recorder:
        def train_shared(self, step: SandwichStep, *, epochs: int, init: object, span: Span) -> int:
            trained.append((step.closed, epochs, init))
            spans.append(span)
            return len(trained)

        def discard(self, weights: int) -> None:
            discarded.append(weights)

    Sandwich(epochs=epochs, shrinking=True)._train(Recorder(), SPACE)  # type: ignore[arg-type]
    assert [number for _, number, _ in trained] == phases
    assert [init for *_, init in trained] == [None, *range(1, len(phases))]
    assert [span.begin for span in spans] == [sum(phases[:index]) for index in range(len(phases))]
    assert {span.of for span in spans} == {epochs}
    assert discarded == list(range(1, len(phases)))
    assert trained[-1][0] == ()
    assert sum(phases) == epochs


def test_without_shrinking_it_is_one_training() -> None:
    asked: list[dict[str, object]] = []

    class Recorder:
        def train_shared(self, _step: SandwichStep, **options: object) -> int:
            asked.append(options)
            return 1

    Sandwich(epochs=5)._train(Recorder(), SPACE)  # type: ignore[arg-type]
    assert asked == [{"epochs": 5, "init": None, "span": None}]


@pytest.mark.parametrize(("derived", "init"), [("largest", "shared"), ("smallest", None)])
def test_another_network_that_the_space_derives_is_trained_anew(derived: str, init: str | None) -> None:
    inits: list[object] = []
    ends = {"largest": SPACE.largest(), "smallest": SPACE.smallest()}

    class Recorder:
        space = SPACE

        def train_shared(self, _step: SandwichStep, **_options: object) -> str:
            return "shared"

        def draw(self, *_arguments: object, **_options: object) -> list[Genotype]:
            return []

        def evaluate_many(self, *_arguments: object, **_options: object) -> list[Trial]:
            return []

        def best(self, _trials: object) -> Trial:
            return Trial(ends["largest"], "candidate", "ranking", {}, {})

        def derived(self, _genotype: Genotype) -> Genotype:
            return ends[derived]

        def train(self, genotype: Genotype, *, epochs: int, init: object) -> str:  # noqa: ARG002
            assert genotype == ends[derived]
            inits.append(init)
            return "own"

        def evaluate(self, genotype: Genotype, weights: str, *, stage: str) -> Trial:
            assert weights == "own"
            return Trial(genotype, stage, "val", {}, {})

    (trial,) = Sandwich().search(Recorder())  # type: ignore[arg-type]
    assert trial.genotype == ends[derived]
    assert inits == [init]
