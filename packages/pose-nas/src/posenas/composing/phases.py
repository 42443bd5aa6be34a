"""The settings of a search's phases: what `[training]` and `[augmentation]` say, and what differs in one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from posenas.composing.checks.conformity import blamed, refuse
from posenas.composing.options import make_component, option_values
from posenas.composing.plugins import Owner
from posenas.contract.components import SearchSpace
from posenas.contract.errors import PosenasError
from posenas.contract.phases import PHASES, Phase, PlannedTraining
from posenas.contract.problem import Planned, Strategy
from posenas.data.augment import Augmentation
from posenas.data.mosaic import ImageAugmentation
from posenas.learning.settings import WHOLE_RUN, TrainingSettings, check_lengths
from posenas.runs.recipe import PHASED_TABLES, Recipe, check_phase

_WARM_UPS = ("warm_up", "warm_up_steps")


@dataclass(frozen=True)
class PhaseSettings:
    """How the trainings of one phase go."""

    training: TrainingSettings
    augmentation: Augmentation | ImageAugmentation


def check_phase_names(recipe: Recipe) -> None:
    """Refuse tables of phases that there are not, such as `[training.finale]`."""
    for table in PHASED_TABLES:
        for name, value in getattr(recipe, table).items():
            if isinstance(value, Mapping):
                check_phase(name, f"table [{table}.{name}]")


def own_options(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a table of settings that hold for all phases."""
    return {name: value for name, value in table.items() if name not in PHASES}


def training_options(table: Mapping[str, Any], phase: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return options of `TrainingSettings`. Of two ways to say a warm-up the nearer one counts.

    Args:
        table: the table `[training]`.
        phase: what differs in one phase; None for no phase.
    """
    options: dict[str, Any] = {}
    for layer in (own_options(table), phase or {}):
        given = [name for name in _WARM_UPS if layer.get(name)]
        options |= dict.fromkeys(_WARM_UPS, 0) if given else {}
        options |= layer
    return options


def make_phases(
    recipe: Recipe, changes: type[Any], *, where: Mapping[str, str]
) -> dict[Phase, PhaseSettings]:
    """Return the settings of the phases that have a table of their own.

    Args:
        recipe: has the tables.
        changes: the class of `[augmentation]`, which depends on the head.
        where: names the two tables in errors.

    Raises:
        PosenasError: where an option is unknown, or is the whole run's.
    """
    made: dict[Phase, PhaseSettings] = {}
    for phase in PHASES:
        own = {table: getattr(recipe, table).get(phase, {}) for table in PHASED_TABLES}
        if not any(own.values()):
            continue
        fixed = [name for name in WHOLE_RUN if name in own["training"]]
        if fixed:
            raise PosenasError(
                f"training.{phase}.{fixed[0]}: this holds for a whole run; give training.{fixed[0]}"
            )
        names = {table: where[table].replace(f"[{table}]", f"[{table}.{phase}]") for table in PHASED_TABLES}
        training = make_component(
            TrainingSettings, training_options(recipe.training, own["training"]), where=names["training"]
        )
        augmentation = make_component(
            changes, own_options(recipe.augmentation) | own["augmentation"], where=names["augmentation"]
        )
        made[phase] = PhaseSettings(training, augmentation)
    return made


def check_phases(recipe: Recipe, training: TrainingSettings, phases: Mapping[Phase, PhaseSettings]) -> None:
    """Refuse settings that were changed and have no effect beside the others.

    Args:
        recipe: what was written in it.
        training: the settings of `[training]`.
        phases: those of phases that differ.
    """
    if recipe.training.get("shared", {}).get("compile"):
        _refuse("training.shared.compile", "super-networks are not compiled")
    for phase, settings in phases.items():
        for name in recipe.training.get(phase, {}):
            _refuse(f"training.{phase}.{name}", settings.training.idle().get(name))
    all_settings = [training, *(settings.training for settings in phases.values())]
    for name, reason in training.idle().items():
        if all(name in settings.idle() for settings in all_settings):
            _refuse(f"training.{name}", reason)


def planned(strategy: Strategy, space: SearchSpace, *, owner: Owner) -> tuple[PlannedTraining, ...] | None:
    """Return the trainings that a strategy is going to ask for; None where it does not tell.

    Raises:
        PosenasError: where it gives something else; it names the strategy's plugin.
    """
    if not isinstance(strategy, Planned):
        return None
    with blamed(owner, "trainings"):
        plan = tuple(strategy.trainings(space))
    wrong = [type(each).__name__ for each in plan if not isinstance(each, PlannedTraining)]
    refuse(owner, f"trainings gives {wrong[0]}, expected PlannedTraining" if wrong else "")
    return plan


def check_plan(
    plan: tuple[PlannedTraining, ...],
    training: TrainingSettings,
    phases: Mapping[Phase, PhaseSettings],
    *,
    held_out: float,
) -> Iterator[str]:
    """Refuse lengths that do not fit into the planned trainings, and yield in words what has no effect.

    Args:
        plan: the trainings of the strategy.
        training: the settings of `[training]`.
        phases: those of phases that differ.
        held_out: share of the training images that candidates are ranked on.
    """
    for each in plan:
        settings = phases[each.phase].training if each.phase in phases else training
        where = f"table [training.{each.phase}]" if each.phase in phases else "table [training]"
        check_lengths(settings, each.epochs, where=f"{where}, phase {each.phase}")
        check_kept(settings, each.phase, held_out=held_out)
    yield from _check_compiled(plan, compiled_phases(training, phases))
    trained = sorted({each.phase for each in plan}, key=PHASES.index)
    for phase in phases:
        if phase not in trained:
            yield (
                f"the settings of phase {phase} have no effect: this strategy has no such training, only "
                f"{' and '.join(trained)}"
            )


def compiled_phases(training: TrainingSettings, phases: Mapping[Phase, PhaseSettings]) -> list[Phase]:
    """Return the phases whose networks are compiled: they are trained alone.

    Args:
        training: the settings of `[training]`.
        phases: those of phases that differ.
    """
    alone = [phase for phase in PHASES if phase != "shared"]
    return [each for each in alone if (phases[each].training if each in phases else training).compile]


def _check_compiled(plan: tuple[PlannedTraining, ...], compiled: list[Phase]) -> Iterator[str]:
    """Refuse to compile where no such training is planned, and yield in words what may take long."""
    found = [each for each in plan if each.phase in compiled and each.epochs]
    if compiled and not found:
        _refuse("training.compile", "no network is trained alone, and super-networks are not compiled")
    for each in found:
        if each.number > 1:
            yield (
                f"training.compile: up to {each.number:,} networks are compiled one by one, which may take "
                f"longer than their trainings; training.{each.phase}.compile=false leaves them out"
            )


def check_kept(settings: TrainingSettings, phase: Phase, *, held_out: float) -> None:
    """Refuse to keep the best epoch where nobody can tell which it is.

    Args:
        settings: of the phase.
        phase: whose training it is.
        held_out: share of the training images that candidates are ranked on.

    Raises:
        PosenasError: for super-networks, which have no score, and where the ranking people are trained on.
    """
    if settings.keep == "last":
        return
    if phase == "shared":
        raise PosenasError(
            "training.keep=best: a super-network has no score of its own; give training.candidate.keep or "
            "training.final.keep"
        )
    if phase == "final" and held_out:
        raise PosenasError(
            "training.keep=best: the last training learns from the ranking people too, and no decision may "
            "depend on val; keep the last epoch, or decide on val as the papers do, with "
            "evaluation.held_out=0"
        )


def phase_tables(
    training: TrainingSettings,
    augmentation: Augmentation | ImageAugmentation,
    phases: Mapping[Phase, PhaseSettings],
) -> dict[str, dict[str, Any]]:
    """Return the recipe's tables of these settings, each with a table for every phase that differs.

    Args:
        training: the settings of `[training]`.
        augmentation: those of `[augmentation]`.
        phases: those of phases that differ.
    """
    whole = {"training": training, "augmentation": augmentation}
    tables = {table: option_values(settings) for table, settings in whole.items()}
    completed = {table: dict(options) for table, options in tables.items()}
    for phase, settings in phases.items():
        for table, options in tables.items():
            own = option_values(getattr(settings, table))
            differing = {name: value for name, value in own.items() if value != options[name]}
            if differing:
                completed[table][phase] = differing
    return completed


def _refuse(option: str, reason: str | None) -> None:
    if reason:
        raise PosenasError(f"{option} has no effect: {reason}; leave it out")
