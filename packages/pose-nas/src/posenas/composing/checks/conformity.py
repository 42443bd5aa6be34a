"""Checks that components keep the contract's word, as far as can be told before anything is trained.

Each refusal is one line that names the plugin and its version. What only looks like a mistake is a warning.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import numpy as np

from posenas.composing.checks.signatures import misfit, near_misses
from posenas.composing.plugins import Owner
from posenas.contract.batches import View
from posenas.contract.components import (
    Ablatable,
    Averaging,
    Conditional,
    Dataset,
    Derivable,
    Distillable,
    Evaluator,
    Evolvable,
    FlipTest,
    Foreseeing,
    Head,
    HeadModule,
    Holding,
    Noticing,
    Relaxed,
    Reporting,
    ScaleTest,
    SearchableHead,
    SearchSpace,
    Timed,
    WeightSharing,
)
from posenas.contract.costs import Conditioned, Divisible, Explained, Meter
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Choice, Genotype, Real, canonical_json, check_genotype, genotype_id
from posenas.contract.keypoints import KeypointSet
from posenas.contract.kinds import PROTOCOLS
from posenas.contract.problem import Demanding, Step, Strategy
from posenas.contract.samples import Sample, UnreadableImageError
from posenas.contract.scores import Evaluation, GroundTruth, Metric, Predictions
from posenas.data.images.file_image import FileImage

if TYPE_CHECKING:
    from torch import nn

_CAPABILITIES: Mapping[str, tuple[type[Any], ...]] = {
    "space": (WeightSharing, Holding, Conditional, Evolvable, Relaxed, Derivable, Reporting),
    "strategy": (Demanding, Reporting),
    "head": (SearchableHead, Conditional, Evolvable, Foreseeing, Reporting),
    "dataset": (Noticing, Reporting),
    "evaluator": (Reporting,),
    "cost": (Explained,),
}
_OF_METERS = (Divisible, Conditioned)
_OF_HEAD_MODULES = (Distillable, Averaging, FlipTest, ScaleTest, Ablatable, Timed)
_SPLITS = ("train", "val")
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
        raise _blame(owner, what, error) from error


def _blame(owner: Owner, what: str, error: Exception) -> PosenasError:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return PosenasError(f"{owner}: {what} failed: {reason:.{_LONGEST}}; tell its authors")


def refuse(owner: Owner, problem: str) -> None:
    """Raise PosenasError if there is a problem.

    Args:
        owner: the plugin whose fault it is.
        problem: the problem in words, or empty.
    """
    if problem:
        raise PosenasError(f"{owner}: {problem}; tell its authors")


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
    return _check_capabilities(component, _CAPABILITIES[kind], owner=owner)


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
        refuse(owner, _not_json(name, genotype))
    first = [genotype for name, genotype in given if name == "sample"]
    if _ids(_samples(space, owner=owner)) != _ids(first):
        refuse(owner, "sample draws another genotype from a generator of the same seed")
    return dict(reversed(given))  # of each name the first


def _not_json(name: str, genotype: Genotype) -> str:
    if json.loads(canonical_json(dict(genotype))) == dict(genotype):
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
    with blamed(owner, "view"):
        view = head.view()
    if not isinstance(view, View) or view.kind not in ("person", "image"):
        refuse(owner, f"view gives {view!r:.80}, expected a View of kind person or image")


def check_requirements(strategy: Strategy, *, owner: Owner) -> None:
    """Raise PosenasError if the strategy requires anything else than capabilities."""
    with blamed(owner, "requires"):
        needs = tuple(strategy.requires())
    for need in needs:
        if not (isinstance(need, type) and getattr(need, "_is_runtime_protocol", False)):
            refuse(owner, f"requires names {need!r:.80}, expected protocols of capabilities")


def check_splits(dataset: Dataset, *, owner: Owner) -> KeypointSet:
    """Return the dataset's keypoints, and check that there are the splits `train` and `val`.

    Raises:
        PosenasError: if there are no keypoints, or a split is missing.
    """
    with blamed(owner, "keypoints"):
        keypoints = dataset.keypoints()
    if not isinstance(keypoints, KeypointSet):
        refuse(owner, f"keypoints gives {type(keypoints).__name__}, expected KeypointSet")
    with blamed(owner, "splits"):
        splits = tuple(dataset.splits())
    missing = [split for split in _SPLITS if split not in splits]
    if missing:
        refuse(
            owner, f"splits gives {', '.join(map(repr, splits)) or 'none'} and lacks {' and '.join(missing)}"
        )
    return keypoints


def check_samples(dataset: Dataset, split: str, keypoints: KeypointSet, *, owner: Owner) -> Sequence[Sample]:
    """Return the samples of a split, whose people have every keypoint of the set.

    Args:
        dataset: the one that has the split.
        split: its name.
        keypoints: the set.
        owner: the dataset's plugin.

    Raises:
        PosenasError: if the people of the first image that has some do not, that image is no RGB picture
            of the size that it is said to have, or two samples have one id.
    """
    with blamed(owner, f"split({split!r})"):
        samples = dataset.split(split)
        first = next((each for each in samples if not isinstance(each, Sample) or each.people), None)
    if first is not None and not isinstance(first, Sample):
        refuse(owner, f"split({split!r}) holds {type(first).__name__}, expected Sample")
    for shape in {np.shape(person.keypoints) for person in first.people} if first else ():
        if shape != (len(keypoints), 3):
            refuse(owner, f"split({split!r}): keypoints have shape {shape}, expected {(len(keypoints), 3)}")
    refuse(owner, ids_problem(samples, split))
    if first is not None:
        with blamed(owner, f"the source of {first.source}"):
            refuse(owner, _picture_problem(first))
    return samples


def ids_problem(samples: Sequence[Sample], split: str) -> str:
    """Say why a split's ids are not 64-bit numbers, each of its own; "" if they are."""
    ids = [sample.id for sample in samples]
    wrong = next((each for each in ids if not isinstance(each, int) or not -(2**63) <= each < 2**63), None)
    if wrong is not None:
        return f"split({split!r}) has the id {wrong!r:.40}, which is no 64-bit number"
    if len(set(ids)) == len(ids):
        return ""
    twice = next(each for each, count in Counter(ids).items() if count > 1)
    return f"split({split!r}) has {len(ids)} samples and {len(set(ids))} ids, such as {twice} more than once"


def _picture_problem(sample: Sample) -> str:
    """Say why a sample's source gives no RGB picture of its size; "" if it does, or cannot be read.

    A picture that cannot be read is left out and told in training.
    """
    if isinstance(sample.source, FileImage):
        return ""  # the core's own, whose sizes are told as those of all images are
    try:
        image = sample.source.read()
    except UnreadableImageError:
        return ""
    found = f"{getattr(image, 'dtype', type(image).__name__)} {np.shape(image)}"
    expected = f"uint8 {(sample.height, sample.width, 3)}"
    return "" if found == expected else f"{sample.source} reads as {found}, and its sample says {expected}"


def check_metrics(evaluator: Evaluator, *, owner: Owner) -> Sequence[Metric]:
    """Return the metrics that the evaluator declares.

    Raises:
        PosenasError: if there is none, or one twice.
    """
    with blamed(owner, "metrics"):
        metrics = tuple(evaluator.metrics())
    names = [getattr(metric, "name", metric) for metric in metrics]
    if (
        not metrics
        or not all(isinstance(metric, Metric) for metric in metrics)
        or len(set(names)) < len(names)
    ):
        refuse(owner, f"metrics gives {names}, expected one or more Metric, each of a name of its own")
    return metrics


def check_scores(
    evaluator: Evaluator, truth: GroundTruth, predictions: Sequence[Predictions], *, owner: Owner
) -> None:
    """Check that the evaluator scores predictions with every metric that it declares, and no other.

    Args:
        evaluator: the one that is tried.
        truth: the people that predictions are compared with.
        predictions: each of them is scored.
        owner: the evaluator's plugin.

    Raises:
        PosenasError: if it does not. If the evaluator cannot read the dataset, the reason is in its own
            words.
    """
    declared = {metric.name for metric in check_metrics(evaluator, owner=owner)}
    for each in predictions:
        try:
            evaluation = evaluator.evaluate(each, truth)
        except PosenasError as error:
            raise PosenasError(f"evaluator {owner.name!r} does not fit this dataset: {error}") from error
        except Exception as error:
            raise _blame(owner, f"evaluate of {len(each.scores)} predictions", error) from error
        if not isinstance(evaluation, Evaluation):
            refuse(owner, f"evaluate gives {type(evaluation).__name__}, expected Evaluation")
        refuse(owner, _metrics_problem(evaluation.metrics, declared))
        strange = sorted(set(evaluation.by_keypoint) - set(truth.keypoints.names))
        if strange:
            refuse(
                owner,
                f"evaluate has figures of {', '.join(strange[:3])}, which are no keypoints of the dataset",
            )


def _metrics_problem(metrics: Mapping[str, float], declared: set[str]) -> str:
    if set(metrics) != declared:
        found, wanted = (", ".join(sorted(names)) or "none" for names in (metrics, declared))
        return f"evaluate gives metrics {found}, and metrics declares {wanted}"
    for name, value in metrics.items():
        if not isinstance(value, float | int | np.number):
            return f"evaluate gives {name} as {type(value).__name__}, expected a number"
        if np.isinf(value):  # NaN is the figure of what is not there, such as hands
            return f"evaluate gives {name} as {value}, expected a finite number"
    return ""
