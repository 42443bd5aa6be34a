"""Each check of spaces finds the one space that is wrong in what it asks, and no other check does."""

# ruff: noqa: ARG002, ARG004 (broken components ignore what they are given)

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
import torch
from posenas.contract.genotype import Genotype
from posenas.contract.levels import Level
from posenas.contract.made_for import MadeFor
from posenas.testing import checks_for
from torch import Tensor, nn
from toy_kit import SoundNetwork, SoundSpace, failures


class NearlyNamed(SoundSpace):
    def section(self, results: object) -> Sequence[Any]:
        return ()


class WithTuples(SoundSpace):
    def sample(self, rng: Random) -> Genotype:
        drawn = super().sample(rng)
        return {**drawn, "weights": tuple(drawn["weights"])}


class WithMore(SoundSpace):
    def sample(self, rng: Random) -> Genotype:
        return {**super().sample(rng), "depth": 1}


class Careless(SoundSpace):
    def sample(self, rng: Random) -> Genotype:
        return {**super().sample(rng), "width": random.choice((4, 8))}


class StaysAtTheAncestor(SoundSpace):
    def mutate(self, genotype: Genotype, rng: Random) -> Genotype:
        return self.ancestor()


class LeavesTheSpace(SoundSpace):
    def mutate(self, genotype: Genotype, rng: Random) -> Genotype:
        return {**genotype, "width": 2 * genotype["width"]}


class MutatesInPlace(SoundSpace):
    def mutate(self, genotype: Any, rng: Random) -> Genotype:
        genotype["width"] = rng.choice((4, 8))
        return genotype  # type: ignore[no-any-return]


class MutatesByChance(SoundSpace):
    def mutate(self, genotype: Genotype, rng: Random) -> Genotype:
        return {**genotype, "weights": [random.random(), 0.0]}


class LeavesNothing(SoundSpace):
    def possible(self, genotype: Genotype) -> Mapping[str, Sequence[Any]]:
        return {"kernel": ()}


class DerivesForEver(SoundSpace):
    def derived(self, genotype: Genotype) -> Genotype:
        return {**genotype, "width": 12 - genotype["width"]}


class Untrue(SoundNetwork):
    """Its stride is true for 64 x 64 and not for others."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        maps = super().forward(images)
        size = images.shape[2] // 8 if images.shape[2] <= 64 else 8
        return {**maps, "coarse": nn.functional.adaptive_avg_pool2d(maps["coarse"], size)}


class Ungenerated(SoundNetwork):
    def __init__(self, width: int, kernel: int, weights: Any) -> None:
        super().__init__(width, kernel, weights)
        with torch.no_grad():
            self.first.bias.add_(random.random())  # type: ignore[union-attr]


class Unused(SoundNetwork):
    def __init__(self, width: int, kernel: int, weights: Any) -> None:
        super().__init__(width, kernel, weights)
        self.third = nn.Conv2d(width, width, 1)


class Turned(torch.autograd.Function):
    """The identity, with gradients of the other sign."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        return values.clone()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return -gradient


class Unlearning(SoundNetwork):
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {name: Turned.apply(maps) for name, maps in super().forward(images).items()}


class Unnested(SoundNetwork):
    """A wide network has no layer of the narrow one's name."""

    def __init__(self, width: int, kernel: int, weights: Any) -> None:
        super().__init__(width, kernel, weights)
        self.add_module(f"last{width}", nn.Conv2d(width, width, 1))
        self.width = width

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        maps = super().forward(images)
        return {**maps, "coarse": getattr(self, f"last{self.width}")(maps["coarse"])}


class NestsOnlyAtItsEnds(SoundSpace):
    """The smallest network nests; others have a layer that the largest one lacks."""

    def build(self, genotype: Genotype) -> Any:
        middle = genotype["width"] == 4 and genotype["kernel"] == 3
        return (Unnested if middle else SoundNetwork)(*genotype.values())


class Forgetful(SoundNetwork):
    """It computes with a number that no state dict has."""

    def __init__(self, width: int, kernel: int, weights: Any) -> None:
        super().__init__(width, kernel, weights)
        self.factor = 1.0 + float(torch.rand(1, device="cpu"))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {name: self.factor * maps for name, maps in super().forward(images).items()}


class Unmoved(SoundNetwork):
    def forward(self, images: Tensor) -> dict[str, Tensor]:
        fine = self.norm(self.stem(images)).relu()
        first, second = self.weights.detach().softmax(-1)
        return {"fine": fine, "coarse": first * self.first(fine) + second * self.second(fine)}


class MadeForNoSigma(SoundSpace):
    def made_for(self) -> MadeFor | None:
        return MadeFor(head={"name": "heatmap", "sigma": 0.0})


class KeepsValues(SoundSpace):
    def set_values(self, backbone: Any, genotype: Genotype) -> None:
        pass


BROKEN: dict[str, Any] = {
    "methods_are_the_contracts": NearlyNamed(),
    "genotypes_are_json": WithTuples(),
    "samples_lie_inside": WithMore(),
    "samples_depend_on_the_rng_alone": Careless(),
    "levels_are_true": SoundSpace(Untrue),
    "what_it_is_made_for_can_be_taken": MadeForNoSigma(),
    "weights_come_from_torchs_generator": SoundSpace(Ungenerated),
    "every_parameter_gets_a_gradient": SoundSpace(Unused),
    "the_loss_falls_on_eight_pictures": SoundSpace(Unlearning),
    "mutations_stay_inside": LeavesTheSpace(),
    "mutations_depend_on_the_rng_alone": MutatesByChance(),
    "possible_values_are_of_dimensions": LeavesNothing(),
    "derived_genotypes_settle": DerivesForEver(),
    "networks_nest": NestsOnlyAtItsEnds(),
    "cut_out_equals_active": SoundSpace(Forgetful),
    "relaxed_values_move": SoundSpace(Unmoved),
    "values_are_put_in": KeepsValues(),
}


def test_a_sound_space_passes() -> None:
    assert failures("space", SoundSpace()) == {}


def test_every_check_has_its_broken_space() -> None:
    assert {check.name for check in checks_for("space", SoundSpace())} == set(BROKEN)


@pytest.mark.parametrize("name", BROKEN)
def test_one_check_alone_finds_what_is_wrong(name: str) -> None:
    assert list(failures("space", BROKEN[name])) == [name]


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (StaysAtTheAncestor(), "32 mutations in a row change nothing; let mutate return"),
        (MutatesInPlace(), "mutate changes the genotype that it is given"),
    ],
)
def test_mutations_that_do_nothing_or_too_much(space: Any, words: str) -> None:
    assert words in failures("space", space)["mutations_stay_inside"]


def test_a_failure_tells_what_is_wrong_and_the_remedy() -> None:
    assert failures("space", SoundSpace(Unused)) == {
        "every_parameter_gets_a_gradient": "2 of 10 parameters get no gradient, such as third.weight, "
        "third.bias; leave out modules that forward does not use, and detach nothing"
    }


def test_a_space_without_a_capability_is_not_asked_for_it() -> None:
    @dataclass(frozen=True)
    class Plain:
        def dimensions(self) -> Any:
            return SoundSpace().dimensions()

        def sample(self, rng: Random) -> Genotype:
            return SoundSpace().sample(rng)

        def build(self, genotype: Genotype) -> Any:
            return SoundSpace().build(genotype)

    names = {check.name for check in checks_for("space", Plain())}
    assert "levels_are_true" in names
    assert not names & {"networks_nest", "mutations_stay_inside", "relaxed_values_move"}


def test_checks_leave_generators_as_they_were() -> None:
    random.seed(5)
    torch.manual_seed(5)
    expected = random.random(), float(torch.rand(1))
    random.seed(5)
    torch.manual_seed(5)
    assert failures("space", SoundSpace()) == {}
    assert (random.random(), float(torch.rand(1))) == expected


def test_the_level_is_named() -> None:
    class Misnamed(SoundNetwork):
        def __init__(self, width: int, kernel: int, weights: Any) -> None:
            super().__init__(width, kernel, weights)
            self.levels = (Level("fine", 4, width), Level("coarse", 16, width))

    assert "level 'coarse' of stride 16" in failures("space", SoundSpace(Misnamed))["levels_are_true"]


def test_half_of_weight_sharing_is_told() -> None:
    @dataclass(frozen=True)
    class Half:
        def dimensions(self) -> Any: ...
        def sample(self, rng: Random) -> Any: ...
        def build(self, genotype: Genotype) -> Any: ...
        def smallest(self) -> Any: ...

    words = failures("space", Half())["methods_are_the_contracts"]
    assert "has 'smallest' of WeightSharing and lacks 'largest'; its networks share no weights" in words
