"""Checks that components keep the contract's word, as far as can be told before anything is trained.

Each refusal is one line that names the plugin and its version. What only looks like a mistake is a warning.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any

from posenas.composing.checks.signatures import misfit, near_misses
from posenas.composing.culprit import plugin_in
from posenas.composing.plugins import Owner
from posenas.contract.batches import View
from posenas.contract.components import (
    Ablatable,
    Averaging,
    Conditional,
    Derivable,
    Distillable,
    Evolvable,
    Exportable,
    FlipTest,
    Foreseeing,
    Guiding,
    Head,
    HeadModule,
    Holding,
    Noticing,
    Propagating,
    Relaxed,
    Reporting,
    ScaleTest,
    SearchableHead,
    SearchSpace,
    Tailored,
    Timed,
    WeightSharing,
)
from posenas.contract.costs import Conditioned, Divisible, Explained, Meter
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Choice, Genotype, Real, canonical_json, check_genotype, genotype_id
from posenas.contract.kinds import PROTOCOLS
from posenas.contract.normalisation import Normalisation
from posenas.contract.problem import Demanding, Planned, Step, Strategy, Supporting

if TYPE_CHECKING:
    from torch import nn

_CAPABILITIES: Mapping[str, tuple[type[Any], ...]] = {
    "space": (
        WeightSharing,
        Holding,
        Propagating,
        Conditional,
        Evolvable,
        Relaxed,
        Derivable,
        Tailored,
        Reporting,
    ),
    "strategy": (Demanding, Planned, Supporting, Reporting),
    "head": (SearchableHead, Conditional, Evolvable, Foreseeing, Reporting),
    "dataset": (Noticing, Reporting),
    "evaluator": (Reporting,),
    "cost": (Explained,),
}
_OF_METERS = (Divisible, Conditioned)
_OF_HEAD_MODULES = (Distillable, Averaging, FlipTest, Guiding, ScaleTest, Ablatable, Timed, Exportable)
_LONGEST = 200
_DRAWS = 7
"""The genotypes that are drawn from a space, and mutated one after the other."""


@contextmanager
def blamed(owner: Owner, what: str) -> Iterator[None]:
    """Turn whatever a plugin raises within into an error of one line.

    Args:
        owner: the plugin, with its distribution and version.
        what: the method that is called.
    """
    try:
        yield
    except PosenasError:
        raise  # it says in words of its own what does not fit
    except Exception as error:  # a plugin is tried here, as it is loaded before
        raise failed(owner, what, error) from error


def failed(owner: Owner, what: str, error: Exception) -> PosenasError:
    """Return the error of one line for what a plugin raised.

    Args:
        owner: the plugin, with its distribution and version.
        what: the method that was called.
        error: what it raised.
    """
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    culprit = plugin_in(error.__traceback__)
    remedy = culprit.remedy if culprit else owner.remedy
    return PosenasError(f"{owner}: {what} failed: {reason:.{_LONGEST}}; {remedy}")


def refuse(owner: Owner, problem: str) -> None:
    """Raise PosenasError if there is a problem.

    Args:
        owner: the plugin whose fault it is.
        problem: the problem in words, or empty.
    """
    if problem:
        raise PosenasError(f"{owner}: {problem}; {owner.remedy}")


def check_methods(kind: str, component: object, *, owner: Owner) -> list[str]:
    """Check the methods of a component of any kind, and of the capabilities that it has.

    Args:
        kind: the component's, such as `space`.
        component: an instance.
        owner: the component's plugin.

    Returns:
        Warnings: names that nearly are one of a capability.

    Raises:
        PosenasError: if a method cannot be called as the contract says.
    """
    refuse(owner, misfit(component, PROTOCOLS[kind]))
    half = _half_of_sharing(component) if kind == "space" else ""
    warnings = [f"{owner} {half}"] if half else []
    return warnings + _check_capabilities(component, _CAPABILITIES[kind], owner=owner)


def _half_of_sharing(space: object) -> str:
    """Say which of two methods a space lacks to share weights; "" where it has both or none."""
    has, lacks = sorted(("largest", "smallest"), key=lambda name: not hasattr(space, name))
    if hasattr(space, lacks) or not hasattr(space, has):
        return ""
    return f"has {has!r} of WeightSharing and lacks {lacks!r}; its networks share no weights"


def check_module_methods(module: nn.Module, *, owner: Owner) -> list[str]:
    """Check the methods of the module that a head builds, as `check_methods` does a component's."""
    from torch import nn  # here, so that strategies are shown without torch

    refuse(owner, misfit(module, HeadModule))
    return _check_capabilities(module, _OF_HEAD_MODULES, owner=owner, without=nn.Module)


def check_meter_methods(meter: Meter, *, owner: Owner) -> list[str]:
    """Check the methods of a cost's meter, and return warnings, as `check_methods` does."""
    refuse(owner, misfit(meter, Meter))
    return _check_capabilities(meter, _OF_METERS, owner=owner)


def check_step(step: Step) -> None:
    """Check that a training can call a strategy's step as the contract says.

    Raises:
        PosenasError: where it cannot; in one line, before anything is trained by it.
    """
    problem = misfit(step, Step)
    if problem:
        kind = type(step)
        raise PosenasError(f"step {kind.__module__}.{kind.__qualname__}: {problem}; tell its authors")


def _check_capabilities(
    component: Any, capabilities: Sequence[type[Any]], *, owner: Owner, without: type[Any] = object
) -> list[str]:
    for capability in capabilities:
        if isinstance(component, capability):
            refuse(owner, misfit(component, capability))
    return [f"{owner} {words}" for words in near_misses(component, capabilities, without=without)]


def check_choices(head: Head, *, owner: Owner) -> dict[str, Genotype]:
    """Return genotypes of a searchable head by the method that gave them; none where it has no dimensions.

    Raises:
        PosenasError: if one of them is not one value of each dimension, or chooses no head of the same view.
    """
    if not isinstance(head, SearchableHead):
        return {}
    with blamed(owner, "dimensions"):
        if not head.dimensions():
            return {}
    genotypes = check_genotypes(head, owner=owner)
    with blamed(owner, "holder"):
        heads = {"holder": head.holder()}
    for name, genotype in genotypes.items():
        with blamed(owner, f"chosen of {name}"):
            heads[f"chosen of {name}"] = head.chosen(genotype)
    for what, chosen in heads.items():
        refuse(owner, misfit(chosen, Head) and f"{what} gives {type(chosen).__name__}, expected a head")
        refuse(owner, "" if chosen.view() == head.view() else f"{what} gives a head of another view")
    return genotypes


def check_genotypes(space: SearchSpace | SearchableHead, *, owner: Owner) -> dict[str, Genotype]:
    """Return genotypes of a space, or of a searchable head, by the method that gave them.

    Raises:
        PosenasError: if one of them is not one value of each dimension.
    """
    with blamed(owner, "dimensions"):
        dimensions = space.dimensions()
    if not isinstance(dimensions, Mapping) or not all(
        isinstance(dimension, Choice | Real) for dimension in dimensions.values()
    ):
        refuse(owner, "dimensions gives no mapping of names to Choice or Real")
    given = list(_genotypes(space, owner=owner))
    for name, genotype in given:
        try:
            with blamed(owner, name):
                check_genotype(genotype, dimensions)
        except PosenasError as error:
            refuse(owner, f"{name} gives no genotype of its {owner.kind}: {error}")
        refuse(owner, json_problem(name, genotype))
    first = [genotype for name, genotype in given if name == "sample"]
    if _ids(_samples(space, owner=owner)) != _ids(first):
        refuse(owner, "sample draws another genotype from a generator of the same seed")
    genotypes: dict[str, Genotype] = {}
    for name, genotype in given:
        genotypes.setdefault(name, genotype)
    return genotypes


def json_problem(name: str, genotype: Genotype) -> str:
    """Say why a genotype is no plain JSON data; "" if it is.

    Args:
        name: the method that gave it.
        genotype: values by the names of dimensions.
    """
    try:
        text = canonical_json(dict(genotype))
    except (TypeError, ValueError) as error:
        return f"{name} gives {genotype!r:.80}, which JSON cannot hold: {error}"
    if json.loads(text) == dict(genotype):
        return ""
    return f"{name} gives {genotype!r:.80}, which JSON reads back as something else"


def _genotypes(space: SearchSpace | SearchableHead, *, owner: Owner) -> Iterator[tuple[str, Genotype]]:
    for genotype in _samples(space, owner=owner):
        yield "sample", genotype
    if isinstance(space, WeightSharing | SearchableHead):
        with blamed(owner, "largest"):
            yield "largest", space.largest()
        with blamed(owner, "smallest"):
            yield "smallest", space.smallest()
    if isinstance(space, Evolvable):
        with blamed(owner, "ancestor"):
            ancestor = space.ancestor()
        yield "ancestor", ancestor
        with blamed(owner, "mutate"):
            mutations = _mutations(space, ancestor)
        for genotype in mutations:
            yield "mutate", genotype
    if isinstance(space, Derivable):
        with blamed(owner, "derived"):
            derived = space.derived(space.sample(Random(0)))
            again = space.derived(derived)
        yield "derived", derived
        if genotype_id(again) != genotype_id(derived):
            refuse(owner, "derived gives another genotype for one that it gave, expected the same one")


def _samples(space: SearchSpace | SearchableHead, *, owner: Owner) -> list[Genotype]:
    rng = Random(0)
    with blamed(owner, "sample"):
        return [space.sample(rng) for _ in range(_DRAWS)]


def _mutations(space: Evolvable, ancestor: Genotype) -> list[Genotype]:
    """Return a line of descent, each mutated from the one before."""
    line, rng = [ancestor], Random(0)
    for _ in range(_DRAWS):
        line.append(space.mutate(line[-1], rng))
    return line[1:]


def _ids(genotypes: Sequence[Genotype]) -> list[str]:
    return [canonical_json(dict(genotype)) for genotype in genotypes]


def check_view(head: Head, *, owner: Owner) -> None:
    """Raise PosenasError if the head gives no view that can be read."""
    from posenas.data.kinds_of_view import KINDS  # loads torch, which listing a component does not need

    with blamed(owner, "view"):
        view = head.view()
    if not isinstance(view, View) or view.kind not in tuple(KINDS):
        refuse(owner, f"view gives {view!r:.80}, expected a View of kind {' or '.join(KINDS)}")
    if not isinstance(view.normalisation, Normalisation | None):
        refuse(owner, f"view has normalisation {view.normalisation!r:.80}, expected a Normalisation or None")


def check_requirements(strategy: Strategy, *, owner: Owner) -> None:
    """Raise PosenasError if the strategy requires anything else than capabilities."""
    with blamed(owner, "requires"):
        needs = tuple(strategy.requires())
    for need in needs:
        if not (isinstance(need, type) and getattr(need, "_is_runtime_protocol", False)):
            refuse(owner, f"requires names {need!r:.80}, expected protocols of capabilities")
