"""A space joined with a searchable head: one space, whose genotypes choose the backbone and the head.

The head's dimensions begin with `head.` in it. It has those capabilities of the space that the head's choices
leave to it, so strategies, limits and journals need not know of the head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Any, cast

from torch import Tensor

from posenas.contract.components import (
    Backbone,
    Conditional,
    Derivable,
    Evolvable,
    Head,
    Holding,
    Relaxed,
    SearchableHead,
    SearchSpace,
    WeightSharing,
)
from posenas.contract.genotype import HEAD_PREFIX, Dimension, Genotype, head_part


def join(space: SearchSpace, head: Head) -> SearchSpace:
    """Return the space with the head's dimensions in it; the space itself where the head has none."""
    own = own_space(space)
    if not is_searched(head):
        return own
    return _kind(tuple(_parts(own, head)))(own, head)


def own_space(space: SearchSpace) -> SearchSpace:
    """Return the space without a head's dimensions."""
    return space.space if isinstance(space, JoinedSpace) else space


def is_searched(head: Head) -> bool:
    """Tell whether the head has dimensions of its own."""
    return isinstance(head, SearchableHead) and bool(head.dimensions())


def chosen_head(head: Head, genotype: Genotype) -> Head:
    """Return the head that a joined genotype chooses; the head itself where it has no dimensions."""
    return cast(SearchableHead, head).chosen(head_part(genotype)) if is_searched(head) else head


def holding_backbone(space: WeightSharing) -> Backbone:
    """Return the backbone that holds the shared tensors of all genotypes' backbones, with fresh weights."""
    return space.holder() if isinstance(space, Holding) else space.build(space.largest())


def holding_head(head: Head) -> Head:
    """Return the head whose module holds the shared tensors of all choices."""
    return cast(SearchableHead, head).holder() if is_searched(head) else head


def joined_genotype(of_space: Genotype, of_head: Genotype) -> Genotype:
    """Return one genotype of both, in which the head's dimensions begin with `head.`."""
    return {**of_space, **{f"{HEAD_PREFIX}{name}": value for name, value in of_head.items()}}


def join_by_name(of_space: Mapping[str, Genotype], of_head: Mapping[str, Genotype]) -> Mapping[str, Genotype]:
    """Return joined genotypes by name, such as `largest`; `sample` stands for what one side does not have.

    Args:
        of_space: the space's by name.
        of_head: the head's by name; empty where the head has no dimensions.
    """
    if not of_head:
        return of_space
    return {
        name: joined_genotype(of_space.get(name, of_space["sample"]), of_head.get(name, of_head["sample"]))
        for name in dict.fromkeys((*of_space, *of_head))
    }


def reserved_name(space: SearchSpace) -> str:
    """Say which dimension of a space has a name that only a head's dimensions have; "" if none has."""
    taken = [name for name in space.dimensions() if name.startswith(HEAD_PREFIX)]
    return f"dimensions has {taken[0]!r}, and names with {HEAD_PREFIX!r} are those of heads" if taken else ""


def _of_space(genotype: Genotype) -> Genotype:
    return {name: value for name, value in genotype.items() if not name.startswith(HEAD_PREFIX)}


@dataclass(frozen=True)
class JoinedSpace:
    """A space whose genotypes are those of a space and of a searchable head in one.

    `build` gives the backbone alone: whoever builds a network asks `chosen_head` for the head beside it.
    """

    space: Any
    head: Any

    def dimensions(self) -> Mapping[str, Dimension]:
        """Return the space's dimensions, and the head's with the prefix."""
        return joined_genotype(self.space.dimensions(), self.head.dimensions())

    def sample(self, rng: Random) -> Genotype:
        """Return a random genotype."""
        return joined_genotype(self.space.sample(rng), self.head.sample(rng))

    def build(self, genotype: Genotype) -> Backbone:
        """Return the genotype's backbone."""
        return cast(Backbone, self.space.build(_of_space(genotype)))


class _Sharing(JoinedSpace):
    """Weights are shared in a joined space where they are in its space: every head's choices nest."""

    def largest(self) -> Genotype:
        return joined_genotype(self.space.largest(), self.head.largest())

    def smallest(self) -> Genotype:
        return joined_genotype(self.space.smallest(), self.head.smallest())

    def holder(self) -> Backbone:
        """Return the backbone of the network that holds the shared weights."""
        return holding_backbone(self.space)


class _Conditional(JoinedSpace):
    def possible(self, genotype: Genotype) -> Mapping[str, Sequence[Any]]:
        own, heads = (
            part.possible(choice) if isinstance(part, Conditional) else {}
            for part, choice in ((self.space, _of_space(genotype)), (self.head, head_part(genotype)))
        )
        return joined_genotype(own, heads)


class _Evolvable(JoinedSpace):
    def ancestor(self) -> Genotype:
        return joined_genotype(self.space.ancestor(), self.head.ancestor())

    def mutate(self, genotype: Genotype, rng: Random) -> Genotype:
        """Return another genotype; space and head change as often as they have dimensions."""
        own, heads = _of_space(genotype), head_part(genotype)
        if rng.randrange(len(genotype)) < len(own):
            return joined_genotype(self.space.mutate(own, rng), heads)
        return joined_genotype(own, self.head.mutate(heads, rng))


class _Relaxed(JoinedSpace):
    def relax(self, backbone: Any) -> Mapping[str, Tensor]:
        return cast(Mapping[str, Tensor], self.space.relax(backbone))

    def set_values(self, backbone: Any, genotype: Genotype) -> None:
        self.space.set_values(backbone, _of_space(genotype))


class _Derivable(JoinedSpace):
    def derived(self, genotype: Genotype) -> Genotype:
        return joined_genotype(self.space.derived(_of_space(genotype)), head_part(genotype))


def _parts(space: SearchSpace, head: Head) -> Sequence[type[JoinedSpace]]:
    """Return the classes with the capabilities that a space and a head have together."""
    has = {
        _Sharing: isinstance(space, WeightSharing),
        _Conditional: isinstance(space, Conditional) or isinstance(head, Conditional),
        _Evolvable: isinstance(space, Evolvable) and isinstance(head, Evolvable),
        _Relaxed: isinstance(space, Relaxed),
        _Derivable: isinstance(space, Derivable),
    }
    return [part for part, there in has.items() if there] or [JoinedSpace]


@lru_cache
def _kind(parts: tuple[type[JoinedSpace], ...]) -> type[JoinedSpace]:
    """Return one class of several parts: protocols look for methods in the class, of each capability or none.

    It has the name of `JoinedSpace`, by which a journal knows it.
    """
    return type(JoinedSpace.__name__, parts, {})
