"""The step in which weights and cells learn in turn, against the same steps done by hand in float64."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, cast

import pytest
import torch
from nas_autopose.choices import undecided
from nas_autopose.gumbel_softmax import perturbed, straight_through
from nas_autopose.gumbel_step import Annealing, Estimator, GumbelStep, Networks
from nas_autopose.space import AutoPoseSpace
from posenas import Batch, Genotype, Level
from posenas.training import PoseNetwork, SharedPoseNetwork, part, relax
from torch import Tensor, nn

SPACE = AutoPoseSpace(channels=2, scales=2, stages=2)
ALPHAS = ("individual.alpha", "aggregation.alpha")
RATE = 0.05
HALFWAY = 1.0  # the temperature of ANNEALING there
ANNEALING = Annealing(4.0, 0.25)


class StubHead(nn.Module):
    """A 1x1 convolution of every level and a squared error, in the type that it is given."""

    def __init__(self, levels: Sequence[Level]) -> None:
        super().__init__()
        self.convolutions = nn.ModuleDict(
            {level.name.replace(".", "_"): nn.Conv2d(level.channels, 3, 1) for level in levels}
        )

    def forward(self, features: Mapping[str, Tensor], targets: object = None) -> Tensor:  # noqa: ARG002
        read = [self.convolutions[name.replace(".", "_")](one) for name, one in features.items()]
        return torch.stack([one.mean((2, 3)) for one in read]).sum(0)

    def targets(self, batch: Batch) -> Tensor:
        return batch.labelled

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return ((outputs - targets) ** 2).mean()


def build(genotype: Genotype) -> PoseNetwork:
    backbone = SPACE.build(genotype)
    return PoseNetwork(cast(nn.Module, backbone), StubHead(backbone.levels)).double().train()


def make_network() -> PoseNetwork:
    torch.manual_seed(3)
    network = build(undecided(SPACE))
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for value in relax(SPACE, network).values():
            value.copy_(torch.randn(value.shape, generator=generator, dtype=torch.float64))
    return network


def make_batch(people: int = 8) -> Batch:
    generator = torch.Generator().manual_seed(4)
    images = torch.randn(people, 3, 32, 32, generator=generator, dtype=torch.float64)
    labelled = torch.randn(people, 3, generator=generator, dtype=torch.float64)
    return Batch(images, torch.zeros(people, 3, 2, dtype=torch.float64), labelled)


def loss_of(network: PoseNetwork, batch: Batch) -> Tensor:
    head: Any = network.head
    return head.loss(network(batch.images), head.targets(batch))  # type: ignore[no-any-return]


class Descent:
    """Moves a group by plain descent, as a training's `update` would, and keeps what the gradients were."""

    def __init__(self, network: nn.Module, values: Mapping[str, nn.Parameter]) -> None:
        own = {id(value) for value in values.values()}
        self._groups = {
            "weights": {name: one for name, one in network.named_parameters() if id(one) not in own},
            "architecture": {name: one for name, one in network.named_parameters() if id(one) in own},
        }
        self.gradients: dict[str, dict[str, Tensor | None]] = {}
        self.other: dict[str, list[str]] = {}

    def __call__(self, group: str) -> None:
        self.gradients[group] = {
            name: None if one.grad is None else one.grad.clone() for name, one in self._groups[group].items()
        }
        rest = next(name for name in self._groups if name != group)
        self.other[group] = [name for name, one in self._groups[rest].items() if one.grad is not None]
        for one in self._groups[group].values():
            if one.grad is not None:
                one.data -= RATE * one.grad
                one.grad = None


def by_hand(
    network: PoseNetwork, batch: Batch, estimator: Estimator
) -> tuple[dict[str, Tensor], list[Tensor]]:
    """The gradients of the weights, and of alpha at the weights after their step; the network is moved."""
    rng = Random(9)
    values = relax(SPACE, network)
    kept = {name: value.detach().clone() for name, value in values.items()}

    def loss_at(half: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """A forward pass whose alphas are the samples; for the single estimator in extreme values."""
        logits = {name: perturbed(kept[name], rng, temperature=HALFWAY) for name in values}
        for name, value in values.items():
            one = logits[name]
            value.data = (straight_through(one) - 1) * 1000 if estimator == "single" else one.clone()
        return loss_of(network, half), logits

    loss, _ = loss_at(part(batch, 0, 4))
    weights = {name: one for name, one in network.named_parameters() if name.rpartition(".")[2] != "alpha"}
    found = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
    gradients = {name: one for name, one in zip(weights, found, strict=True) if one is not None}
    for name, gradient in gradients.items():
        weights[name].data -= RATE * gradient
    loss, _ = loss_at(part(batch, 4, 8))
    slopes = torch.autograd.grad(loss, list(values.values()))
    return gradients, [slope / HALFWAY for slope in slopes]


def test_soft_weights_then_cells_learn_as_by_hand() -> None:
    network, batch = make_network(), make_batch()
    update = Descent(network, relax(SPACE, network))
    step = GumbelStep(SPACE, "soft", ANNEALING)
    losses = step(network, batch, Random(9), update=update, progress=0.5)
    weights, slopes = by_hand(make_network(), batch, "soft")
    assert set(losses) == {"loss", "validation"}
    assert update.gradients["weights"].keys() == weights.keys()
    for name, gradient in weights.items():
        torch.testing.assert_close(update.gradients["weights"][name], gradient)
    found = {name.removeprefix("backbone."): one for name, one in update.gradients["architecture"].items()}
    for name, slope in zip(relax(SPACE, network), slopes, strict=True):
        torch.testing.assert_close(found[name], slope)
        assert float(slope.abs().max()) > 1e-6
    # Neither group has gradients of the other's half.
    assert update.other == {"weights": [], "architecture": []}


def test_a_single_path_moves_only_what_was_drawn() -> None:
    """The weights' gradients are those of a network with the drawn operations alone."""
    network, batch = make_network(), make_batch()
    update = Descent(network, relax(SPACE, network))
    GumbelStep(SPACE, "single", ANNEALING)(network, batch, Random(9), update=update, progress=0.5)
    weights, _ = by_hand(make_network(), batch, "single")
    untouched = 0
    for name, gradient in update.gradients["weights"].items():
        if gradient is None:
            untouched += 1
            assert float(weights[name].abs().max()) == 0
        else:
            torch.testing.assert_close(gradient, weights[name])
    assert untouched > len(weights) / 3
    assert all(one is not None for one in update.gradients["architecture"].values())


def test_a_network_weighs_by_its_values_again_after_the_step() -> None:
    network, batch = make_network(), make_batch()
    before = loss_of(network, batch)
    for estimator in ("soft", "single"):
        step = GumbelStep(SPACE, cast(Estimator, estimator), ANNEALING)
        step(network, batch, Random(9), update=lambda _group: None, progress=0.5)
    assert torch.equal(loss_of(network, batch), before)


def test_the_temperature_is_that_of_the_whole_training() -> None:
    """At a high temperature all operations weigh near alike, whatever the values and the noise are."""
    batch = make_batch()

    def loss_at(progress: float, seed: int) -> float:
        step = GumbelStep(SPACE, "soft", Annealing(1e4, 0.1))
        update: Any = lambda _group: None  # noqa: E731
        return float(step(make_network(), batch, Random(seed), update=update, progress=progress)["loss"])

    assert loss_at(0.0, 1) == pytest.approx(loss_at(0.0, 2), rel=1e-2)
    assert loss_at(0.999, 1) != pytest.approx(loss_at(0.999, 2), rel=1e-2)


def shared_network() -> SharedPoseNetwork:
    torch.manual_seed(3)
    return SharedPoseNetwork(
        build,
        build(undecided(SPACE)),
        relax=lambda network: relax(SPACE, network),
        restore=lambda network, genotype: SPACE.set_values(network.backbone, genotype),
    )


GATES = tuple(name for name in SPACE.dimensions() if name.startswith("stage"))


def networks_of(*vectors: tuple[bool, ...]) -> Networks:
    rest = {name: value for name, value in undecided(SPACE).items() if name not in GATES}
    return Networks(names=GATES, values=vectors, rest=tuple(rest.items()))


@pytest.mark.parametrize("estimator", ["soft", "single"])
def test_a_super_networks_values_learn_and_what_is_off_has_no_gradient(estimator: Estimator) -> None:
    network, batch = shared_network(), make_batch()
    holder = network.shared.holder
    update = Descent(holder, relax(SPACE, holder))
    vector = tuple(name != "stage1.branch2" for name in GATES)
    step = GumbelStep(SPACE, estimator, ANNEALING, networks_of(vector))
    step(network, batch, Random(1), update=update, progress=0.5)
    off = {name: gradient for name, gradient in update.gradients["weights"].items() if _is_of(name, 1, 2)}
    assert off
    assert all(gradient is None for gradient in off.values())
    on = [name for name, gradient in update.gradients["weights"].items() if gradient is not None]
    assert any(_is_of(name, 1, 1) for name in on)
    assert all(one is not None for one in update.gradients["architecture"].values())


def _is_of(name: str, stage: int, branch: int) -> bool:
    return f"stages.{stage}." in name and f".branches.{branch - 1}." in name


def test_a_network_without_any_branch_leaves_the_cells_as_they_are() -> None:
    network, batch = shared_network(), make_batch()
    holder = network.shared.holder
    update = Descent(holder, relax(SPACE, holder))
    step = GumbelStep(SPACE, "soft", ANNEALING, networks_of((False,) * len(GATES)))
    step(network, batch, Random(1), update=update, progress=0.5)
    assert all(one is None for one in update.gradients["architecture"].values())
    assert any(one is not None for one in update.gradients["weights"].values())


def test_every_batch_draws_one_of_the_networks() -> None:
    vectors = ((True,) * len(GATES), (False,) * len(GATES))
    networks, rng = networks_of(*vectors), Random(0)
    drawn = [networks.drawn(rng) for _ in range(20)]
    assert {tuple(genotype[name] for name in GATES) for genotype in drawn} == set(vectors)
    assert all(set(genotype) == set(SPACE.dimensions()) for genotype in drawn)
