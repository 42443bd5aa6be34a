"""Five components become one composition, or a reason why they cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from posenas.composing.building import compute_for, make, networks_of, qualified
from posenas.composing.checks.backbones import rehearse_backbone, rehearse_nesting, rehearse_small_network
from posenas.composing.checks.conformity import (
    check_choices,
    check_genotypes,
    check_methods,
    check_requirements,
    check_view,
    refuse,
)
from posenas.composing.checks.data_checks import check_evaluator, check_people
from posenas.composing.checks.datasets import check_splits
from posenas.composing.checks.evaluators import check_metrics
from posenas.composing.checks.fitting import check_head, check_strategy
from posenas.composing.checks.rehearsal import rehearse_head, rehearse_sharing
from posenas.composing.composition import Composition
from posenas.composing.goals.costs import bind_costs, named_costs
from posenas.composing.goals.installed_costs import installed_costs
from posenas.composing.goals.limit_texts import parse_limits, spelled_out
from posenas.composing.goals.objectives import choose_objectives
from posenas.composing.goals.reachable_limits import check_known_limits
from posenas.composing.initial_weights import check_final_weights, load_initial_weights, try_initial_weights
from posenas.composing.joined import (
    chosen_head,
    is_searched,
    join,
    join_by_name,
    own_space,
    reserved_name,
)
from posenas.composing.loading import check_installed
from posenas.composing.options import option_values
from posenas.composing.phases import check_phases, check_plan, phase_tables, planned
from posenas.composing.plugins import Owner
from posenas.composing.settings import make_augmentation, make_normalisation, make_settings, without_flips
from posenas.composing.tailoring import tailored
from posenas.contract.components import Dataset, Evaluator, Head, Propagating, SearchSpace, WeightSharing
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype
from posenas.contract.keypoints import KeypointSet
from posenas.contract.kinds import COMPONENT_KINDS
from posenas.contract.problem import Strategy
from posenas.contract.scores import Metric
from posenas.networks.collection import collection_paused
from posenas.networks.devices import choose_compute
from posenas.runs.recipe import LATENCY, ComponentChoice, Recipe


@collection_paused()
def compose(recipe: Recipe) -> Composition:
    """Load the five components and check them against each other, before anything is trained.

    Raises:
        PosenasError: one line that says what does not fit, and what would.
    """
    choose_compute(recipe.device, recipe.precision)  # refuses what is not there, before the rest is loaded
    check_installed((kind, getattr(recipe, kind).name) for kind in COMPONENT_KINDS)
    costs = installed_costs()
    recipe = _from_any_folder(recipe)
    warnings: list[str] = []
    own, of_space = _space(recipe, warnings)
    fitting = tailored(recipe, own)
    recipe = fitting.recipe
    settings = make_settings(recipe)
    compute = compute_for(recipe, own)
    head, of_head = _head(recipe, own, warnings)
    space, genotypes = join(own, head), join_by_name(of_space, of_head)
    settings["augmentation"], settings["phases"] = make_augmentation(recipe, head)
    check_phases(recipe, settings["training"], settings["phases"])
    strategy = _strategy(recipe, warnings)
    dataset, keypoints = _dataset(recipe, warnings)
    settings = without_flips(settings, keypoints)
    warnings += _rehearse(recipe, space, head, keypoints, genotypes)
    check_strategy(recipe, strategy, space, head, keypoints)
    check_final_weights(recipe, strategy)
    plan = planned(strategy, space, owner=Owner("strategy", recipe.strategy.name))
    if plan is not None:
        held_out = settings["evaluation"].held_out
        warnings += check_plan(plan, settings["training"], settings["phases"], held_out=held_out)
    evaluator, metrics = _evaluator(recipe, warnings)
    objectives = choose_objectives(metrics, costs, maximize=recipe.maximize, minimize=recipe.minimize)
    limits, metric_limits = parse_limits(recipe.limits, costs, metrics=metrics)
    recipe = replace(recipe, limits=spelled_out(recipe.limits, costs, metrics=metrics))
    weights = load_initial_weights(recipe.init) if recipe.init else None
    initial = (
        try_initial_weights(weights, space, head=head, strategy=strategy, keypoints=keypoints)
        if weights is not None
        else ""
    )
    normalisation = make_normalisation(recipe, head, weights.normalisation if weights else None)
    networks = networks_of(recipe, space, head=head, keypoints=keypoints, compute=compute)
    named = named_costs(limits, objectives)
    bound = bind_costs(
        recipe, costs, named, networks=networks, space=space, genotypes=genotypes, warnings=warnings
    )
    composition = Composition(
        recipe=recipe,
        space=space,
        strategy=strategy,
        head=head,
        dataset=dataset,
        evaluator=evaluator,
        keypoints=keypoints,
        training=settings["training"],
        augmentation=settings["augmentation"],
        phases=settings["phases"],
        evaluation=settings["evaluation"],
        limits=limits,
        metric_limits=metric_limits,
        objectives=objectives,
        compute=compute,
        costs=bound,
        normalisation=normalisation,
        initial=initial,
        made_for=fitting.made_for,
        taken=fitting.told,
        warnings=tuple(warnings),
    )
    _check_together(composition)
    return replace(composition, recipe=_completed(composition, settings))


def _from_any_folder(recipe: Recipe) -> Recipe:
    """Return the recipe with an absolute way to the run of the key frames.

    The journal knows a space by its options, so a run that goes on elsewhere must find the same.
    """
    key_run = recipe.space.options.get("key_run")
    if not isinstance(key_run, str) or not key_run:
        return recipe
    options = {**recipe.space.options, "key_run": str(Path(key_run).absolute())}
    return replace(recipe, space=ComponentChoice(recipe.space.name, options))


def _space(recipe: Recipe, warnings: list[str]) -> tuple[SearchSpace, Mapping[str, Genotype]]:
    """Return the space, and genotypes by the method that gave them."""
    space: SearchSpace = _conforming(recipe, "space", warnings)
    owner = Owner("space", recipe.space.name)
    genotypes = check_genotypes(space, owner=owner)
    refuse(owner, reserved_name(space))
    return space, genotypes


def _head(recipe: Recipe, space: SearchSpace, warnings: list[str]) -> tuple[Head, Mapping[str, Genotype]]:
    """Return the head, and genotypes of its own dimensions by the method that gave them.

    Args:
        recipe: chooses it.
        space: the one whose levels it reads.
        warnings: what looks like a mistake is added to them.
    """
    head: Head = _conforming(recipe, "head", warnings)
    owner = Owner("head", recipe.head.name)
    check_view(head, owner=owner)
    genotypes = check_choices(head, owner=owner)
    check_head(recipe, space, head)
    return head, genotypes


def _strategy(recipe: Recipe, warnings: list[str]) -> Strategy:
    strategy: Strategy = _conforming(recipe, "strategy", warnings)
    check_requirements(strategy, owner=Owner("strategy", recipe.strategy.name))
    return strategy


def _dataset(recipe: Recipe, warnings: list[str]) -> tuple[Dataset, KeypointSet]:
    dataset: Dataset = _conforming(recipe, "dataset", warnings)
    return dataset, check_splits(dataset, owner=Owner("dataset", recipe.dataset.name))


def _evaluator(recipe: Recipe, warnings: list[str]) -> tuple[Evaluator, Sequence[Metric]]:
    """Return the evaluator, and its metrics by their qualified names."""
    evaluator: Evaluator = _conforming(recipe, "evaluator", warnings)
    declared = check_metrics(evaluator, owner=Owner("evaluator", recipe.evaluator.name))
    return evaluator, [replace(metric, name=qualified(recipe, metric.name)) for metric in declared]


def _conforming(recipe: Recipe, kind: str, warnings: list[str]) -> Any:
    """Return the component of that kind, whose methods can be called as the contract says.

    Args:
        recipe: chooses it.
        kind: one of the five.
        warnings: what looks like a mistake is added to them.
    """
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
    """Run networks of the space without values, and the head really, and return warnings.

    Of a searched head each network's own one is tried.

    Args:
        recipe: names space and head.
        space: builds the backbones; joined with the head's dimensions where it has some.
        head: reads their levels.
        keypoints: what the head finds.
        genotypes: by the method that gave them.

    Raises:
        PosenasError: where a part does not keep the contract's word; it names the plugin.
    """
    networks = [genotypes[name] for name in ("largest", "smallest", "sample") if name in genotypes]
    owners = Owner("space", recipe.space.name), Owner("head", recipe.head.name)
    offered = [rehearse_backbone(space, each, head.view(), owner=owners[0]) for each in networks]
    rehearse_small_network(
        space, genotypes.get("smallest", genotypes["sample"]), head.view(), owner=owners[0]
    )
    if isinstance(space, WeightSharing):
        rehearse_nesting(space, networks, owner=owners[0])
    if not is_searched(head):
        return rehearse_head(head, offered[-1], keypoints, owner=owners[1])
    warnings = {
        warning
        for genotype, levels in zip(networks, offered, strict=True)
        for warning in rehearse_head(chosen_head(head, genotype), levels, keypoints, owner=owners[1])
    }
    if isinstance(space, WeightSharing) and not isinstance(own_space(space), Propagating):
        rehearse_sharing(space, networks, head=head, keypoints=keypoints, owner=owners[1])
    return sorted(warnings)


def _check_together(composition: Composition) -> None:
    """Raise PosenasError where no network keeps the limits, nobody is to be found, or nothing is scored."""
    check_known_limits(composition)
    _check_clips(composition)
    check_people(composition)
    check_evaluator(composition)


def _check_clips(composition: Composition) -> None:
    """Refuse what networks for videos cannot have.

    Raises:
        PosenasError: for a detector's boxes, and for weights that nothing would begin with.
    """
    space = own_space(composition.space)
    if not isinstance(space, Propagating):
        return
    if composition.evaluation.boxes:
        raise PosenasError(
            "evaluation.boxes: a detector's boxes do not follow people from frame to frame, as clips do; "
            "leave the boxes out"
        )
    if space.key_run and composition.recipe.init:
        raise PosenasError(
            f"--init {composition.recipe.init}: all networks begin with that of space.key_run; leave one out"
        )


def _components(composition: Composition) -> Mapping[str, Any]:
    """Return the components by kind, as plugins made them."""
    made = {kind: getattr(composition, kind) for kind in COMPONENT_KINDS}
    return made | {"space": own_space(composition.space)}


def _completed(composition: Composition, settings: Mapping[str, Any]) -> Recipe:
    """Return the recipe with every option and objective spelled out.

    The way to its initial weights is one from any folder.
    """
    recipe, objectives = composition.recipe, composition.objectives
    spelled_out: dict[str, Any] = {
        kind: ComponentChoice(getattr(recipe, kind).name, option_values(component))
        for kind, component in _components(composition).items()
    }
    spelled_out |= phase_tables(settings["training"], settings["augmentation"], settings["phases"])
    spelled_out |= {table: option_values(settings[table]) for table in ("evaluation", LATENCY)}
    fed = composition.normalisation
    spelled_out["normalisation"] = {} if fed is None else option_values(fed)
    costs = composition.costs.options
    spelled_out["cost"] = {name: options for name, options in costs.items() if name != LATENCY}
    spelled_out["maximize"] = tuple(objective.name for objective in objectives if objective.maximize)
    spelled_out["minimize"] = tuple(objective.name for objective in objectives if not objective.maximize)
    spelled_out["init"] = str(Path(recipe.init).absolute()) if recipe.init else ""
    return replace(recipe, **spelled_out)
