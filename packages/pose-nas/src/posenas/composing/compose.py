"""Five components become one composition, or a reason why they cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, cast

import numpy as np
import torch

from posenas.composing.conformity import (
    blamed,
    check_genotypes,
    check_methods,
    check_metrics,
    check_requirements,
    check_samples,
    check_scores,
    check_splits,
    check_view,
)
from posenas.composing.limits import check_reachable, parse_limit
from posenas.composing.objectives import choose_objectives
from posenas.composing.options import make_component, option_values
from posenas.composing.plugins import Owner, find_plugins, load
from posenas.composing.rehearsal import rehearse_backbone, rehearse_head
from posenas.composing.settings import AUGMENTATIONS, SETTINGS_TABLES
from posenas.contract.batches import View
from posenas.contract.components import (
    Dataset,
    Evaluator,
    Foreseeing,
    Head,
    HeadModule,
    Relaxed,
    SearchSpace,
    WeightSharing,
)
from posenas.contract.errors import PosenasError
from posenas.contract.finding import Finding
from posenas.contract.genotype import Genotype, Real
from posenas.contract.goals import Limit, Objective
from posenas.contract.keypoints import KeypointSet
from posenas.contract.levels import Level
from posenas.contract.problem import Strategy
from posenas.contract.scores import GroundTruth, Predictions
from posenas.data.augment import Augmentation
from posenas.data.checking.findings import crowd_findings, find
from posenas.data.detections import detection_crops
from posenas.data.mosaic import ImageAugmentation
from posenas.data.person_crop import person_crops
from posenas.learning.inference import EvaluationSettings
from posenas.learning.settings import TrainingSettings
from posenas.networks.counting import Costs, KnownCalls, measure
from posenas.networks.devices import Compute, choose_compute
from posenas.networks.initial_weights import read_initial_weights
from posenas.networks.latency.cost import LATENCY, UPPER_LATENCY, LatencyCost, make_latency_cost
from posenas.networks.pose_network import PoseNetwork
from posenas.networks.reach import check_reached
from posenas.networks.skeletons import Skeletons
from posenas.runs.recipe import ComponentChoice, Recipe

_FORESEEN = 100
"""Training images that a head is asked about."""


@dataclass(frozen=True)
class Composition:
    """Components and settings that are known to work together.

    Attributes:
        warnings: what looks like a mistake in a plugin and may be none.
    """

    recipe: Recipe
    space: SearchSpace
    strategy: Strategy
    head: Head
    dataset: Dataset
    evaluator: Evaluator
    keypoints: KeypointSet
    training: TrainingSettings
    augmentation: Augmentation | ImageAugmentation
    evaluation: EvaluationSettings
    limits: tuple[Limit, ...]
    objectives: tuple[Objective, ...]
    compute: Compute
    latency: LatencyCost
    warnings: tuple[str, ...] = ()
    known_calls: KnownCalls = field(default_factory=dict, compare=False, repr=False)

    @property
    def view(self) -> View:
        return self.head.view()

    def build(self, genotype: Genotype) -> PoseNetwork:
        """The pose network with fresh weights, on torch's default device."""
        return build_network(
            self.space, genotype, head=self.head, keypoints=self.keypoints, compute=self.compute
        )

    def cost(self, genotype: Genotype) -> Costs:
        return network_costs(
            self.space, genotype, head=self.head, keypoints=self.keypoints, known=self.known_calls
        )

    def findings(self) -> tuple[Finding, ...]:
        """What the dataset's annotations show to be wrong or left out, to be told before training."""
        return find(self.dataset)

    @property
    def asks_latency(self) -> bool:
        """Whether a limit or an objective names it."""
        return LATENCY in {limit.cost for limit in self.limits} | {goal.name for goal in self.objectives}


def build_network(
    space: SearchSpace,
    genotype: Genotype,
    *,
    head: Head,
    keypoints: KeypointSet,
    compute: Compute | None = None,
) -> PoseNetwork:
    backbone = space.build(genotype)
    module = head.build(head.select(backbone.levels), keypoints)
    return PoseNetwork(cast(torch.nn.Module, backbone), cast(torch.nn.Module, module), compute)


def network_costs(
    space: SearchSpace,
    genotype: Genotype,
    *,
    head: Head,
    keypoints: KeypointSet,
    known: KnownCalls | None = None,
) -> Costs:
    """Of backbone and head at the head's input size; nothing is allocated or computed.

    Args:
        known: calls that were counted before, and will be for the next genotypes of the space.
    """
    with torch.device("meta"), Skeletons():
        network = build_network(space, genotype, head=head, keypoints=keypoints)
    return measure(network, (head.view().height, head.view().width), known=known)


def compose(recipe: Recipe) -> Composition:
    """Loads the five components and checks them against each other, before anything is trained.

    Returns:
        The composition, whose recipe spells out every option, so that it means the same to a later
        version with other defaults.

    Raises:
        PosenasError: one line that says what does not fit, and what would.
    """
    choose_compute(recipe.device, recipe.precision)  # refuses what is not there, before the rest is loaded
    limits = tuple(parse_limit(text) for text in recipe.limits)
    settings = {
        table: make_component(kind, getattr(recipe, table), where=f"table [{table}]")
        for table, kind in SETTINGS_TABLES.items()
        if table != "augmentation"  # which depends on the head
    }
    warnings: list[str] = []
    space: SearchSpace = _conforming(recipe, "space", warnings)
    genotypes = check_genotypes(space, owner=Owner("space", recipe.space.name))
    with blamed(Owner("space", recipe.space.name), "build"):
        compute = compute_for(recipe, space)
    head: Head = _conforming(recipe, "head", warnings)
    check_view(head, owner=Owner("head", recipe.head.name))
    _check_head(recipe, space, head)
    settings["augmentation"] = _augmentation(recipe, head)
    strategy: Strategy = _conforming(recipe, "strategy", warnings)
    check_requirements(strategy, owner=Owner("strategy", recipe.strategy.name))
    dataset: Dataset = _conforming(recipe, "dataset", warnings)
    keypoints = check_splits(dataset, owner=Owner("dataset", recipe.dataset.name))
    if keypoints.unpaired:  # exchanging nothing where left and right are exchanged would teach the wrong side
        settings["augmentation"] = replace(settings["augmentation"], flip=0.0)
        settings["evaluation"] = replace(settings["evaluation"], flip_test=False)
    warnings += _rehearse(recipe, space, head, keypoints, genotypes)
    _check_strategy(recipe, strategy, space, head, keypoints)
    evaluator: Evaluator = _conforming(recipe, "evaluator", warnings)
    components = {
        "space": space,
        "strategy": strategy,
        "head": head,
        "dataset": dataset,
        "evaluator": evaluator,
    }
    declared = check_metrics(evaluator, owner=Owner("evaluator", recipe.evaluator.name))
    metrics = [replace(metric, name=qualified(recipe, metric.name)) for metric in declared]
    objectives = choose_objectives(metrics, maximize=recipe.maximize, minimize=recipe.minimize)
    if recipe.init:
        read_initial_weights(Path(recipe.init))
    composition = Composition(
        recipe=_completed(recipe, components, settings, objectives),
        space=space,
        strategy=strategy,
        head=head,
        dataset=dataset,
        evaluator=evaluator,
        keypoints=keypoints,
        training=settings["training"],
        augmentation=settings["augmentation"],
        evaluation=settings["evaluation"],
        limits=limits,
        objectives=objectives,
        compute=compute,
        latency=make_latency_cost(
            settings["latency"],
            build=partial(build_network, space, head=head, keypoints=keypoints, compute=compute),
            compute=compute,
            input_size=(head.view().height, head.view().width),
            subject=latency_subject(recipe, space, head, keypoints),
        ),
        warnings=tuple(warnings),
    )
    known = composition.latency.table is not None
    _check_limits(composition, [limit for limit in limits if known or limit.cost != LATENCY])
    _check_people(composition)
    _check_evaluator(composition)
    return composition


def _conforming(recipe: Recipe, kind: str, warnings: list[str]) -> Any:
    """The component of that kind, whose methods can be called as the contract says; warnings are added."""
    choice: ComponentChoice = getattr(recipe, kind)
    component = make(kind, choice)
    warnings += check_methods(kind, component, owner=Owner(kind, choice.name))
    return component


def _rehearse(
    recipe: Recipe,
    space: SearchSpace,
    head: Head,
    keypoints: KeypointSet,
    genotypes: Mapping[str, Genotype],
) -> list[str]:
    """Runs networks of the space without values, and the head really. Returns warnings.

    Raises:
        PosenasError: where a part does not keep the contract's word; it names the plugin.
    """
    networks = {name: genotypes[name] for name in ("largest", "smallest", "sample") if name in genotypes}
    for genotype in networks.values():
        levels = rehearse_backbone(space, genotype, head.view(), owner=Owner("space", recipe.space.name))
    return rehearse_head(head, levels, keypoints, owner=Owner("head", recipe.head.name))


def _augmentation(recipe: Recipe, head: Head) -> Augmentation | ImageAugmentation:
    kind = head.view().kind
    where = "table [augmentation]"
    if kind == "image":
        where += f" (head {recipe.head.name} looks at whole images: `posenas show augmentation image`)"
        if recipe.evaluation.get("boxes"):
            raise PosenasError(
                f"evaluation.boxes: head {recipe.head.name!r} finds people by itself; leave the boxes out"
            )
    changes: Augmentation | ImageAugmentation = make_component(
        AUGMENTATIONS[kind], recipe.augmentation, where=where
    )
    return changes


def compute_for(recipe: Recipe, space: SearchSpace) -> Compute:
    """The recipe's device and precision; `auto` depends on whether the space's networks are depthwise."""
    rng = Random(0)
    depthwise = all(_is_depthwise(space, space.sample(rng)) for _ in range(4))
    return choose_compute(recipe.device, recipe.precision, depthwise=depthwise)


def _is_depthwise(space: SearchSpace, genotype: Genotype) -> bool:
    with torch.device("meta"):
        network = cast(torch.nn.Module, space.build(genotype))
    convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    return any(convolution.groups == convolution.in_channels > 1 for convolution in convolutions)


def check_measured_limits(composition: Composition) -> None:
    """Before a new run: measures whether some network is within a limit on latency. A run that has begun was
    checked, and another measurement might say otherwise.

    Raises:
        PosenasError: where none is; it names the cheapest found.
    """
    if composition.latency.table is None and composition.asks_latency:
        _check_limits(composition, composition.limits)


def foreseen(composition: Composition) -> list[str]:
    """What the head foresees that it will not learn of the training people, in 100 of their images."""
    head = composition.head
    if not isinstance(head, Foreseeing):
        return []
    samples = composition.dataset.split("train")
    shown = sorted({crop.sample for crop in person_crops(samples)})
    step = max(1.0, len(shown) / _FORESEEN)
    some = [shown[int(number * step)] for number in range(min(len(shown), _FORESEEN))]
    return list(head.foresee([samples[place] for place in some], composition.keypoints))


def without_limit(composition: Composition) -> str | None:
    """What a search finds that no limit and no objective keeps from the largest network of a nested space;
    None for any other search."""
    space = composition.space
    bounded = composition.limits or any(objective.is_cost for objective in composition.objectives)
    ranks = "candidates" in option_values(composition.strategy)
    if bounded or not ranks or not isinstance(space, WeightSharing):
        return None
    smallest, largest = (composition.cost(end).gmacs for end in (space.smallest(), space.largest()))
    return (
        f"without a limit or a cost to minimise, the largest networks mostly win: gmacs = {largest:.3g}, and "
        f'the smallest has {smallest:.3g}; --limit "gmacs<={(smallest + largest) / 2:.2g}" makes it choose'
    )


def _check_limits(composition: Composition, limits: Sequence[Limit]) -> None:
    def cost(genotype: Genotype, name: str) -> float:
        if name == LATENCY:
            return composition.latency.figures(genotype)[UPPER_LATENCY]
        return composition.cost(genotype).as_dict()[name]

    check_reachable(composition.space, limits, cost, rng=Random(composition.recipe.seed))


def latency_subject(recipe: Recipe, space: SearchSpace, head: Head, keypoints: KeypointSet) -> dict[str, Any]:
    """The networks that a latency table is of: as plain data, every option spelled out."""
    return {
        "space": {"name": recipe.space.name, **option_values(space)},
        "head": {"name": recipe.head.name, **option_values(head)},
        "keypoints": len(keypoints),
    }


def _completed(
    recipe: Recipe,
    components: Mapping[str, object],
    settings: Mapping[str, object],
    objectives: Sequence[Objective],
) -> Recipe:
    """The recipe with every option and objective spelled out, and the way to its initial weights from any
    folder."""
    spelled_out: dict[str, Any] = {
        kind: ComponentChoice(getattr(recipe, kind).name, option_values(component))
        for kind, component in components.items()
    }
    spelled_out |= {table: option_values(values) for table, values in settings.items()}
    spelled_out["maximize"] = tuple(objective.name for objective in objectives if objective.maximize)
    spelled_out["minimize"] = tuple(objective.name for objective in objectives if not objective.maximize)
    spelled_out["init"] = str(Path(recipe.init).absolute()) if recipe.init else ""
    return replace(recipe, **spelled_out)


def qualified(recipe: Recipe, metric: str) -> str:
    """A metric's name with its evaluator's, such as `oks.AP`."""
    return f"{recipe.evaluator.name}.{metric}"


def make(kind: str, choice: ComponentChoice) -> Any:
    """The component with its options."""
    return make_component(load(kind, choice.name), choice.options, where=f"{kind} {choice.name}")


def _check_strategy(
    recipe: Recipe, strategy: Strategy, space: SearchSpace, head: Head, keypoints: KeypointSet
) -> None:
    """Each capability that the strategy requires is the space's or the head module's."""
    missing = [need for need in strategy.requires() if not offers(need, space, head, keypoints)]
    if missing:
        words = " and ".join(capability.__name__ for capability in missing)
        fitting = partial(_fitting, keypoints=keypoints)
        raise PosenasError(
            f"strategy {recipe.strategy.name!r} needs {words}, which space {recipe.space.name!r} with head "
            f"{recipe.head.name!r} does not offer; spaces for it: {fitting('space', strategy, None, head)}; "
            f"heads for it: {fitting('head', strategy, space, None)}; "
            f"strategies for them: {fitting('strategy', None, space, head)}"
        )
    if Relaxed in strategy.requires():
        _check_learnable(recipe, space, head, keypoints)


def _check_learnable(recipe: Recipe, space: SearchSpace, head: Head, keypoints: KeypointSet) -> None:
    """There are real dimensions, and what the head puts out depends on each."""
    if not any(isinstance(dimension, Real) for dimension in space.dimensions().values()):
        raise PosenasError(
            f"strategy {recipe.strategy.name!r} learns real dimensions, and space {recipe.space.name!r} has "
            f"none with these options; see `posenas show space {recipe.space.name}`, or take another strategy"
        )
    with torch.device("meta"):
        network = build_network(space, space.sample(Random(0)), head=head, keypoints=keypoints)
        values = cast(Relaxed, space).relax(network.backbone)
    check_reached(network, values, (head.view().height, head.view().width))


def build_head(space: SearchSpace, head: Head, keypoints: KeypointSet) -> HeadModule:
    """The head's module without weights, for one of the space's networks."""
    with torch.device("meta"):
        return head.build(head.select(space.build(space.sample(Random(0))).levels), keypoints)


def offers(capability: type, space: SearchSpace, head: Head, keypoints: KeypointSet) -> bool:
    """Whether the space, or the module that the head builds, has the capability."""
    return isinstance(space, capability) or isinstance(build_head(space, head, keypoints), capability)


def _fitting(
    kind: str,
    strategy: Strategy | None,
    space: SearchSpace | None,
    head: Head | None,
    *,
    keypoints: KeypointSet,
) -> str:
    """Names of the installed components of this kind that the other two (those not None) work with."""
    names = []
    for plugin in find_plugins((kind,)):
        try:
            component = make(kind, ComponentChoice(plugin.name))
            trio = (strategy or component, space or component, head or component)
            if all(offers(need, trio[1], trio[2], keypoints) for need in trio[0].requires()):
                names.append(plugin.name)
        except PosenasError:
            continue  # what does not load, or does not fit otherwise, is no suggestion
    return ", ".join(names) or "none installed"


def _check_head(recipe: Recipe, space: SearchSpace, head: Head) -> None:
    with torch.device("meta"):
        backbone = space.build(space.sample(Random(0)))
    try:
        head.select(backbone.levels)
    except PosenasError as error:
        raise PosenasError(
            f"head {recipe.head.name!r} does not fit space {recipe.space.name!r}: {error}; "
            f"heads that fit it: {', '.join(_fitting_heads(backbone.levels)) or 'none installed'}"
        ) from error


def _fitting_heads(levels: Sequence[Level]) -> list[str]:
    fitting = []
    for plugin in find_plugins(("head",)):
        try:
            make("head", ComponentChoice(plugin.name)).select(levels)
            fitting.append(plugin.name)
        except PosenasError:
            continue  # what does not load or fit is no suggestion
    return fitting


def _check_people(composition: Composition) -> None:
    """Somebody to train on, to rank with and to score on; and a detector's boxes, where they are given."""
    held_out = bool(composition.evaluation.held_out)
    for split, least in (("train", 1 + held_out), ("val", 1)):
        samples = check_samples(
            composition.dataset,
            split,
            composition.keypoints,
            owner=Owner("dataset", composition.recipe.dataset.name),
        )
        images = len({crop.sample for crop in person_crops(samples)})
        if images < least:
            hint = "; set evaluation.held_out=0 to rank candidates on `val`" if images else ""
            left_out = crowd_findings(split, composition.dataset.split(split))
            crowds = "".join(f"; {each.count} {each.what}" for each in left_out)
            raise PosenasError(
                f"dataset {composition.recipe.dataset.name!r}: {images} images of `{split}` show somebody "
                f"with a labelled keypoint, and {least} are needed{hint}{crowds}"
            )
    if composition.evaluation.boxes:
        detection_crops(
            Path(composition.evaluation.boxes),
            composition.dataset.split("val"),
            keypoints=composition.keypoints,
            threshold=composition.evaluation.box_threshold,
        )


def _check_evaluator(composition: Composition) -> None:
    """The truth of a few people is scored against itself, and nobody against it: an evaluator that cannot
    read this keypoint set says so now and not after the training."""
    samples = [sample for sample in composition.dataset.split("val") if sample.people][:4]
    people = [(sample.id, person) for sample in samples for person in sample.people]
    keypoints = np.array([person.keypoints for _, person in people], dtype=np.float64)
    everybody = Predictions(
        image_ids=np.array([image for image, _ in people], dtype=np.int64),
        keypoints=keypoints[:, :, :2],
        keypoint_scores=np.ones(keypoints.shape[:2]),
        scores=np.ones(len(people)),
    )
    nobody = Predictions(
        everybody.image_ids[:0], everybody.keypoints[:0], everybody.keypoint_scores[:0], everybody.scores[:0]
    )
    check_scores(
        composition.evaluator,
        GroundTruth(composition.keypoints, samples),
        (everybody, nobody),
        owner=Owner("evaluator", composition.recipe.evaluator.name),
    )
