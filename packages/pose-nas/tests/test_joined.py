"""A space and a searchable head as one space: its capabilities, its networks and its searches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from posenas.composing.building import build_holder, build_network, network_costs, outline_network
from posenas.composing.checks.conformity import check_choices, check_methods
from posenas.composing.checks.rehearsal import rehearse_sharing
from posenas.composing.goals.narrowed import narrowed
from posenas.composing.joined import join, own_space, reserved_name
from posenas.composing.plugins import Owner
from posenas.contract.batches import Batch
from posenas.contract.components import (
    Conditional,
    Derivable,
    Evolvable,
    Holding,
    Relaxed,
    SearchSpace,
    WeightSharing,
)
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Choice, Genotype, check_genotype, genotype_id
from posenas.contract.problem import Span
from posenas.learning.optimizers import make_optimizers
from posenas.learning.sandwich_step import SandwichStep
from posenas.learning.settings import TrainingSettings
from posenas.learning.training import SupervisedStep
from posenas.learning.updates import Updates
from posenas.networks.counting import measure_parts
from posenas.networks.pose_network import PoseNetwork, SharedPoseNetwork
from posenas.runs.checkpoint import load_checkpoint, save_checkpoint
from posenas.searching.identity import identity
from torch import nn
from toy_heads import SIZE, ChosenHead, ToySearchableHead
from toy_search import (
    KEYPOINTS,
    UNDECIDED,
    ArgMaxSpace,
    MixedSpace,
    ToyHead,
    ToySpace,
    problem_in,
)

HEAD = ToySearchableHead()
OWNER = Owner("head", "toy")
IMAGES = torch.rand(3, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
CAPABILITIES = (WeightSharing, Holding, Conditional, Evolvable, Relaxed, Derivable)


@dataclass(frozen=True)
class Plain:
    """A space that shares no weights."""

    def dimensions(self) -> Any:
        return {"width": Choice((2, 3, 4))}

    def sample(self, rng: Random) -> Genotype:
        return {"width": rng.choice((2, 3, 4))}

    def build(self, genotype: Genotype) -> Any:
        return ToySpace().build(genotype)


@dataclass(frozen=True)
class Evolving(Plain):
    def ancestor(self) -> Genotype:
        return {"width": 2}

    def mutate(self, genotype: Genotype, rng: Random) -> Genotype:  # noqa: ARG002
        return {"width": 2 + (genotype["width"] - 1) % 3}


@dataclass(frozen=True)
class EvolvingHead(ToySearchableHead):
    def ancestor(self) -> Genotype:
        return {"hidden": 2, "last": "square"}

    def mutate(self, genotype: Genotype, rng: Random) -> Genotype:  # noqa: ARG002
        return {**genotype, "hidden": 8 if genotype["hidden"] == 2 else 2}


@dataclass(frozen=True)
class ConditionalHead(ToySearchableHead):
    def possible(self, genotype: Genotype) -> Mapping[str, Sequence[Any]]:
        return {"hidden": (2, 4) if genotype["last"] == "square" else (8,)}


@pytest.mark.parametrize(
    ("space", "head", "expected"),
    [
        (Plain(), HEAD, set()),
        (ToySpace(), HEAD, {WeightSharing, Holding}),
        (MixedSpace(), HEAD, {WeightSharing, Holding, Relaxed}),
        (ArgMaxSpace(), HEAD, {WeightSharing, Holding, Derivable}),
        (Evolving(), HEAD, set()),
        (Plain(), EvolvingHead(), set()),
        (Evolving(), EvolvingHead(), {Evolvable}),
        (Plain(), ConditionalHead(), {Conditional}),
        (ToySpace(), ConditionalHead(), {WeightSharing, Holding, Conditional}),
    ],
)
def test_it_has_those_capabilities_that_space_and_head_have_together(
    space: Any, head: Any, expected: set[type]
) -> None:
    joined = join(space, head)
    assert isinstance(joined, SearchSpace)
    assert {each for each in CAPABILITIES if isinstance(joined, each)} == expected
    assert own_space(joined) is space
    assert check_methods("space", joined, owner=Owner("space", "toy")) == []


def test_a_head_without_dimensions_leaves_the_space_as_it_is() -> None:
    space = ToySpace()
    assert join(space, ToyHead()) is space
    assert join(space, ToySearchableHead(searched=False)) is space
    assert join(join(space, HEAD), ToyHead()) is space


def test_genotypes_are_flat_and_of_both() -> None:
    joined: Any = join(ToySpace(), HEAD)
    assert list(joined.dimensions()) == ["width", "head.hidden", "head.last"]
    assert joined.largest() == {"width": 4, "head.hidden": 8, "head.last": "plain"}
    assert joined.smallest() == {"width": 2, "head.hidden": 2, "head.last": "plain"}
    rng = Random(0)
    drawn = [joined.sample(rng) for _ in range(200)]
    for genotype in drawn:
        check_genotype(genotype, joined.dimensions())
    assert len({genotype_id(genotype) for genotype in drawn}) == 3 * 3 * 2


def test_a_space_with_a_name_of_a_heads_is_refused() -> None:
    @dataclass(frozen=True)
    class Taking(Plain):
        def dimensions(self) -> Any:
            return {"width": Choice((2,)), "head.hidden": Choice((1,))}

    assert "'head.hidden'" in reserved_name(Taking())
    assert reserved_name(ToySpace()) == ""


def test_possible_values_are_those_of_both() -> None:
    joined: Any = narrowed(join(ToySpace(), ConditionalHead()), {"width": 3})
    assert joined.possible({**joined.smallest(), "head.last": "square"}) == {
        "head.hidden": (2, 4),
        "width": (3,),
    }


def test_mutations_choose_a_side_by_the_number_of_its_dimensions() -> None:
    joined: Any = join(Evolving(), EvolvingHead())
    rng, genotype = Random(0), joined.ancestor()
    assert genotype == {"width": 2, "head.hidden": 2, "head.last": "square"}
    changed: Counter[str] = Counter()
    for _ in range(900):
        after = joined.mutate(genotype, rng)
        (name,) = (name for name in genotype if after[name] != genotype[name])
        changed[name] += 1
    assert 240 < changed["width"] < 360
    assert changed["width"] + changed["head.hidden"] == 900


def test_real_values_and_derivation_are_the_spaces() -> None:
    relaxed: Any = join(MixedSpace(), HEAD)
    genotype = {**relaxed.largest(), "alpha": [[1.0, 2.0]]}
    backbone = relaxed.build(genotype)
    assert set(relaxed.relax(backbone)) == {"alpha"}
    relaxed.set_values(backbone, {**genotype, "alpha": [[3.0, 4.0]]})
    assert backbone.alpha.tolist() == [[3.0, 4.0]]
    derivable: Any = join(ArgMaxSpace(), HEAD)
    part = {"head.hidden": 4, "head.last": "square"}
    assert derivable.derived({**UNDECIDED, **part}) == {**ArgMaxSpace().derived(UNDECIDED), **part}


def test_a_journal_knows_a_step_by_space_and_head() -> None:
    spelt = identity(SandwichStep(join(ToySpace(), HEAD), 1, "off"), role="step")  # type: ignore[arg-type]
    assert spelt == identity(SandwichStep(join(ToySpace(), HEAD), 1, "off"), role="step")  # type: ignore[arg-type]
    assert "JoinedSpace(space=ToySpace(), head=ToySearchableHead(" in spelt
    assert join(ToySpace(), HEAD) == join(ToySpace(), ToySearchableHead())
    assert join(ToySpace(), HEAD) != join(ToySpace(), ToySearchableHead((32, 32)))


def shared_network() -> tuple[Any, SharedPoseNetwork]:
    torch.manual_seed(1)
    joined = join(ToySpace(), HEAD)
    holder = build_holder(joined, head=HEAD, keypoints=KEYPOINTS)
    return joined, SharedPoseNetwork(
        lambda genotype: build_network(joined, genotype, head=HEAD, keypoints=KEYPOINTS), holder
    )


def test_the_holder_has_the_tensors_of_all_choices_in_their_largest_size() -> None:
    _, shared = shared_network()
    shapes = {name: list(each.shape) for name, each in shared.shared.holder.head.named_parameters()}
    assert shapes["entry.weight"] == [8, 4]
    assert shapes["last.plain.weight"] == shapes["last.square.weight"] == [4, 8]


def test_what_is_cut_out_equals_what_is_active_and_every_parameter_gets_a_gradient() -> None:
    joined, shared = shared_network()
    rng = Random(0)
    for _ in range(20):
        genotype = joined.sample(rng)
        active, cut = shared.activate(genotype), shared.derive(genotype)
        outputs = active(IMAGES)
        torch.testing.assert_close(outputs, cut(IMAGES), rtol=0, atol=0)
        outputs.square().sum().backward()
        assert list(active.head.last) == [genotype["head.last"]]
    for name, parameter in shared.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_a_space_with_a_holder_of_its_own_holds_the_backbone() -> None:
    @dataclass(frozen=True)
    class Wider(ToySpace):
        def holder(self) -> Any:
            return ToySpace().build({"width": 7})

    joined = join(Wider(), HEAD)
    holder = build_holder(joined, head=HEAD, keypoints=KEYPOINTS)
    assert holder.backbone.get_parameter("convolution.weight").shape[0] == 7
    assert holder.head.get_parameter("entry.weight").shape[1] == 7


def test_costs_are_the_sum_of_backbone_and_head() -> None:
    joined, rng = join(ToySpace(), HEAD), Random(3)
    for _ in range(20):
        genotype = joined.sample(rng)
        whole = network_costs(joined, genotype, head=HEAD, keypoints=KEYPOINTS)
        outline = outline_network(joined, genotype, head=HEAD, keypoints=KEYPOINTS)
        parts = measure_parts(outline, (SIZE, SIZE))
        assert whole.macs == parts["backbone"].macs + parts["head"].macs
        width, hidden = genotype["width"], genotype["head.hidden"]
        assert parts["head"].macs == width * hidden + hidden * 4


class Greedy(ToySearchableHead):
    """Its holder lacks a layer that some choice has."""

    def holder(self) -> ChosenHead:
        return ChosenHead(self.input_size, 8)


def test_choices_that_are_not_in_the_holder_are_refused() -> None:
    head = Greedy()
    joined = join(ToySpace(), head)
    genotype = {"width": 2, "head.hidden": 2, "head.last": "square"}
    with pytest.raises(PosenasError, match=r"do not nest: .*last\.square\.weight is not in the network"):
        rehearse_sharing(joined, [genotype], head=head, keypoints=KEYPOINTS, owner=OWNER)
    joined = join(ToySpace(), HEAD)
    rehearse_sharing(joined, [genotype], head=HEAD, keypoints=KEYPOINTS, owner=OWNER)


@dataclass(frozen=True)
class OtherView(ToySearchableHead):
    def chosen(self, genotype: Genotype) -> ChosenHead:
        return replace(ToySearchableHead.chosen(self, genotype), input_size=(8, 8))


@dataclass(frozen=True)
class NoHead(ToySearchableHead):
    def chosen(self, genotype: Genotype) -> Any:
        return genotype


@dataclass(frozen=True)
class Unknown(ToySearchableHead):
    def smallest(self) -> Genotype:
        return {"hidden": 1, "last": "plain"}


@pytest.mark.parametrize(
    ("head", "words"),
    [
        (OtherView(), "chosen of sample gives a head of another view"),
        (NoHead(), "chosen of sample gives dict, expected a head"),
        (Unknown(), "smallest gives no genotype of its head: .*hidden = 1"),
    ],
)
def test_a_head_that_breaks_its_word_is_refused(head: Any, words: str) -> None:
    with pytest.raises(PosenasError, match=f"head toy: {words}"):
        check_choices(head, owner=OWNER)


def test_a_head_that_lacks_one_method_is_told() -> None:
    class Short:
        view, select, build = ToyHead.view, ToyHead.select, ToyHead.build
        dimensions, sample = ToySearchableHead.dimensions, ToySearchableHead.sample
        largest, smallest = ToySearchableHead.largest, ToySearchableHead.smallest
        chosen = ToySearchableHead.chosen

    (told,) = check_methods("head", Short(), owner=OWNER)
    assert "has 'dimensions' of SearchableHead and lacks 'holder'" in told


@dataclass(frozen=True)
class Drawing:
    """A step of one drawn network, in which some parameters of the holder have no part."""

    space: Any

    def __call__(self, network: Any, batch: Any, rng: Random, *, update: Any, progress: float) -> Any:
        active = network.activate(self.space.sample(rng))
        return SupervisedStep()(active, batch, rng, update=update, progress=progress)


def test_a_training_in_which_alternatives_take_turns_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    space = join(ToySpace(), HEAD)

    def trained(folder: Path, *slices: int) -> bytes:
        problem = problem_in(folder, space=space, head=HEAD)
        weights, begin = None, 0
        for epochs in slices:
            span = Span(begin, sum(slices))
            weights = problem.train_shared(Drawing(space), epochs=epochs, init=weights, span=span)
            begin += epochs
        assert weights is not None
        return problem.read_weights(weights.file)

    assert trained(tmp_path / "sliced", 1, 1, 1, 1) == trained(tmp_path / "whole", 4)


def test_parameters_that_no_step_touches_stay_as_they_are(tmp_path: Path) -> None:
    _, shared = shared_network()
    before = {name: tensor.clone() for name, tensor in shared.state_dict().items()}
    optimizers = make_optimizers(shared, TrainingSettings(weight_decay=0.1))
    updates = Updates(shared, optimizers, clip_norm=1.0)
    for _ in range(2):
        updates.begin(len(IMAGES))
        shared.activate(join(ToySpace(), HEAD).largest())(IMAGES).square().sum().backward()  # type: ignore[attr-defined]
        updates.end(due=True)
    changed = {name for name, tensor in shared.state_dict().items() if not torch.equal(tensor, before[name])}
    assert {name for name in before if ".square." in name}.isdisjoint(changed)
    assert "shared.largest.head.last.plain.weight" in changed
    save_checkpoint(tmp_path / "state", network=shared, optimizers=optimizers, epoch=1, seed=0)
    _, other = shared_network()
    fresh = make_optimizers(other, TrainingSettings(weight_decay=0.1))
    assert load_checkpoint(tmp_path / "state", network=other, optimizers=fresh).epoch == 1
    names = {name: each for name, each in other.named_parameters() if each not in fresh["weights"].state}
    assert names.keys() == {name for name in dict(shared.named_parameters()) if ".square." in name}
    assert all(each.grad is None for each in names.values())


class CountingHead(nn.Module):
    """Encodes targets of its own size, and learns from no others."""

    def __init__(self, size: int, encoded: list[int]) -> None:
        super().__init__()
        self.size, self.encoded = size, encoded
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, features: Any, targets: Any = None) -> Any:
        assert targets == self.size
        return self.scale * features["features"].mean()

    def targets(self, batch: Batch) -> int:  # noqa: ARG002
        self.encoded.append(self.size)
        return self.size

    def loss(self, outputs: Any, targets: int) -> Any:
        assert targets == self.size
        return outputs

    def decode(self, outputs: Any, batch: Batch) -> Any: ...


def test_a_sandwich_encodes_targets_anew_for_heads_of_another_choice_alone() -> None:
    encoded: list[int] = []
    joined: Any = join(ToySpace(), HEAD)

    def build(genotype: Genotype) -> PoseNetwork:
        return PoseNetwork(joined.build(genotype), CountingHead(genotype["head.hidden"], encoded))

    shared = SharedPoseNetwork(build, build(joined.largest()))
    batch = Batch(IMAGES, torch.zeros(3, 2, 2), torch.ones(3, 2))
    SandwichStep(joined, 0, "off")(shared, batch, Random(0), update=print, progress=0.0)
    assert encoded == [8, 2]
    encoded.clear()
    closed = SandwichStep(joined, 0, "off", closed=("head.hidden",))
    closed(shared, batch, Random(0), update=print, progress=0.0)
    assert encoded == [8]
