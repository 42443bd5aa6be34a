"""Steps of the real space by real optimisers: what stays untouched, and what the cells' gradients are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any, cast

import pytest
import torch
from nas_autopose.choices import undecided
from nas_autopose.gumbel_softmax import perturbed, straight_through
from nas_autopose.gumbel_step import Annealing, Estimator, GumbelStep, Networks
from nas_autopose.mixture import NOTHING
from nas_autopose.operations import OPERATIONS
from nas_autopose.space import AutoPoseSpace
from posenas import Batch, Genotype
from posenas.learning.architecture import Architecture
from posenas.learning.optimizers import make_optimizers
from posenas.learning.settings import TrainingSettings
from posenas.learning.updates import Updates
from posenas.training import PoseNetwork, SharedPoseNetwork, relax
from torch import Tensor, nn

SPACE = AutoPoseSpace(channels=1, scales=2, stages=1)
GATES = ("stage1.branch1", "stage1.branch2")
HOT = Annealing(1.0, 1.0)
PEOPLE = 4


class MeanHead(nn.Module):
    """The mean of every map, and a squared error."""

    def forward(self, features: Mapping[str, Tensor], targets: object = None) -> Tensor:  # noqa: ARG002
        return torch.cat([each.square().mean((2, 3)) for each in features.values()], 1).cumsum(1)

    def targets(self, batch: Batch) -> Tensor:
        return batch.labelled

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        return (outputs.sin() - targets[:, :1]).square().mean()


def build(genotype: Genotype) -> PoseNetwork:
    return PoseNetwork(cast(nn.Module, SPACE.build(genotype)), MeanHead()).double().train()


def alone() -> PoseNetwork:
    """The network of all branches, with random alphas that learn."""
    torch.manual_seed(3)
    network = build(undecided(SPACE))
    with torch.no_grad():
        for value in relax(SPACE, network).values():
            value.normal_()
    return network


def together() -> SharedPoseNetwork:
    torch.manual_seed(3)
    return SharedPoseNetwork(
        build,
        build(undecided(SPACE)),
        relax=lambda network: relax(SPACE, network),
        restore=lambda network, genotype: SPACE.set_values(network.backbone, genotype),
    )


def batch() -> Batch:
    generator = torch.Generator().manual_seed(4)
    images = torch.randn(PEOPLE, 3, 32, 32, generator=generator, dtype=torch.float64)
    labelled = torch.randn(PEOPLE, 3, generator=generator, dtype=torch.float64)
    return Batch(images, torch.zeros(PEOPLE, 3, 2, dtype=torch.float64), labelled)


Optimizers = Mapping[str, torch.optim.Optimizer]


def adam(network: nn.Module, values: Sequence[nn.Parameter]) -> Optimizers:
    settings = TrainingSettings(optimizer="adam", weight_decay=0.1, learning_rate=0.01)
    return make_optimizers(network, settings, Architecture(values, 0.03, 0.1))


def descent(network: nn.Module, values: Sequence[nn.Parameter]) -> Optimizers:
    own = {id(value) for value in values}
    weights = [each for each in network.parameters() if id(each) not in own]
    groups = {"weights": weights, "architecture": list(values)}
    return {
        name: torch.optim.SGD(each, lr=0.01, momentum=0.9, weight_decay=0.1) for name, each in groups.items()
    }


KINDS: Mapping[str, Callable[[nn.Module, Sequence[nn.Parameter]], Optimizers]] = {
    "adam": adam,
    "descent": descent,
}


def train(updates: Updates, step: GumbelStep, network: Any, rng: Random) -> None:
    updates.begin(PEOPLE)
    step(network, batch(), rng, update=updates.update, progress=0.5)
    updates.end(due=True)


def state_of(optimizers: Optimizers, parameter: nn.Parameter) -> dict[str, Any]:
    """What the optimisers remember of a parameter, as copies."""
    return {
        name: value.clone() if isinstance(value, Tensor) else value
        for each in optimizers.values()
        for name, value in each.state.get(parameter, {}).items()
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("estimator", ["soft", "single"])
def test_a_branch_that_is_off_and_what_is_remembered_of_it_stay_to_the_bit(
    kind: str, estimator: Estimator
) -> None:
    network = together()
    holder = network.shared.holder
    optimizers = KINDS[kind](network, list(relax(SPACE, holder).values()))
    updates = Updates(network, optimizers, clip_norm=0.0)
    rest = tuple((name, value) for name, value in undecided(SPACE).items() if name not in GATES)

    def step(*gates: bool) -> GumbelStep:
        return GumbelStep(SPACE, estimator, HOT, Networks(rest, GATES, (gates,)))

    train(updates, step(True, True), network, Random(0))
    branches = {
        place: [each for name, each in holder.named_parameters() if f"stages.1.0.branches.{place}." in name]
        for place in (0, 1)
    }
    before = [(each.detach().clone(), state_of(optimizers, each)) for each in branches[1]]
    kept = [each.detach().clone() for each in branches[0]]
    assert any(state for _, state in before)
    for seed in (1, 2):
        train(updates, step(True, False), network, Random(seed))
    for parameter, (value, state) in zip(branches[1], before, strict=True):
        assert torch.equal(parameter, value)
        assert parameter.grad is None
        torch.testing.assert_close(state_of(optimizers, parameter), state, rtol=0, atol=0)
    assert any(not torch.equal(one, other) for one, other in zip(branches[0], kept, strict=True))


@contextmanager
def calls(network: nn.Module) -> Iterator[Counter[tuple[str, str]]]:
    """Count how often each convolution of an edge is computed, by the edge's name and its own."""
    counted: Counter[tuple[str, str]] = Counter()
    hooks = []
    for name, module in network.named_modules():
        if ".edges." in name and name.rpartition(".")[2].startswith("conv"):
            edge, _, operation = name.rpartition(".")
            hooks.append(
                module.register_forward_hook(lambda *_, key=(edge, operation): counted.update([key]))
            )
    yield counted
    for hook in hooks:
        hook.remove()


def test_a_single_path_computes_and_remembers_what_was_drawn_alone() -> None:
    """Only a draw of a first half moves weights, so others have no state and keep their bits."""
    network = alone()
    values = relax(SPACE, network)
    optimizers = adam(network, list(values.values()))
    updates = Updates(network, optimizers, clip_norm=0.0)
    before = {name: each.detach().clone() for name, each in network.named_parameters()}
    convolutions = {
        (edge, operation): parameter
        for name, parameter in network.named_parameters()
        if ".edges." in name
        for edge, _, operation in [name.removesuffix(".0.weight").rpartition(".")]
    }
    moved: set[tuple[str, str]] = set()
    for seed in (1, 2):
        replayed = Random(seed)
        halves = [
            {
                name: straight_through(perturbed(value, replayed, temperature=1.0))
                for name, value in values.items()
            }
            for _ in range(2)
        ]
        drawn = [{key for key in convolutions if _is_drawn(half, *key)} for half in halves]
        with calls(network) as counted:
            train(updates, GumbelStep(SPACE, "single", HOT), network, Random(seed))
        assert counted == Counter([*drawn[0], *drawn[1]])
        moved |= drawn[0]
    remembered = {key for key, parameter in convolutions.items() if parameter in optimizers["weights"].state}
    assert remembered == moved
    assert len(moved) < len(convolutions) / 2
    for (edge, operation), parameter in convolutions.items():
        assert parameter.grad is None
        same = torch.equal(parameter, before[f"{edge}.{operation}.0.weight"])
        assert same == ((edge, operation) not in moved)


def _is_drawn(half: Mapping[str, Tensor], edge: str, operation: str) -> bool:
    kind = "individual" if ".individual." in edge else "aggregation"
    row = half[f"{kind}.alpha"][int(edge.rpartition(".")[2])]
    return OPERATIONS[int(row.argmax())] == operation


def test_the_cells_gradient_is_that_of_finite_differences() -> None:
    """With the same noise, by the loss of the second half."""
    network = alone()
    values = relax(SPACE, network)
    step = GumbelStep(SPACE, "soft", HOT)
    slopes: dict[str, Tensor] = {}

    def keep(group: str) -> None:
        if group == "architecture":
            slopes.update({name: cast(Tensor, value.grad).clone() for name, value in values.items()})

    def validation() -> float:
        losses = step(network, batch(), Random(6), update=lambda _group: None, progress=0.0)
        return float(losses["validation"])

    step(network, batch(), Random(6), update=keep, progress=0.0)
    generator = torch.Generator().manual_seed(0)
    for name, value in values.items():
        direction = torch.randn(value.shape, generator=generator, dtype=torch.float64)
        small = 1e-6
        value.data += small * direction
        above = validation()
        value.data -= 2 * small * direction
        below = validation()
        value.data += small * direction
        expected = float(above - below) / (2 * small)
        assert float((slopes[name] * direction).sum()) == pytest.approx(expected, rel=1e-5)
        assert abs(expected) > 1e-4


def test_one_drawn_operation_is_a_mixture_of_one() -> None:
    """The outputs are the same to the bit, and so are the gradients; what is not drawn has none or zeros."""
    found = []
    rng = Random(2)
    weights = {
        name: straight_through(perturbed(value, rng, temperature=1.0))
        for name, value in relax(SPACE, alone()).items()
    }
    for single in (True, False):
        network = alone()
        if single:
            SPACE.weigh(network.backbone, weights)
        else:
            with torch.no_grad():
                for name, value in relax(SPACE, network).items():
                    value.copy_((1 - weights[name]) * NOTHING)
        head: Any = network.head
        outputs = network(batch().images)
        head.loss(outputs, head.targets(batch())).backward()
        found.append((outputs, {name: each.grad for name, each in network.named_parameters()}))
    (outputs, gradients), (expected, mixed) = found
    assert torch.equal(outputs, expected)
    undrawn = 0
    for name, gradient in gradients.items():
        if "alpha" in name:
            continue
        if gradient is None:
            undrawn += 1
            assert not cast(Tensor, mixed[name]).any()
        else:
            torch.testing.assert_close(gradient, mixed[name], rtol=1e-12, atol=1e-15)
    assert undrawn > 10
