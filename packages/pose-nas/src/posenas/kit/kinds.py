"""The checks of each kind of component."""

from __future__ import annotations

from typing import Any

from posenas.kit.check import Check


def checks_for(kind: str, component: Any) -> tuple[Check, ...]:
    """Return the checks that apply to a component: those of its kind whose capability it has.

    Args:
        kind: the component's, such as `space`.
        component: an instance.
    """
    return tuple(check for check in _checks_of(kind) if isinstance(component, check.needs))


def _checks_of(kind: str) -> tuple[Check, ...]:
    """Return all checks of a kind. Their modules load torch, so each is imported when it is asked for."""
    from posenas.kit.methods import method_check

    match kind:
        case "space":
            from posenas.kit.nesting import NESTING_CHECKS
            from posenas.kit.relaxing import RELAXING_CHECKS
            from posenas.kit.spaces import SPACE_CHECKS
            from posenas.kit.variation import VARIATION_CHECKS

            return (method_check(kind), *SPACE_CHECKS, *VARIATION_CHECKS, *NESTING_CHECKS, *RELAXING_CHECKS)
        case "head":
            from posenas.kit.heads import HEAD_CHECKS

            return (method_check(kind), *HEAD_CHECKS)
        case "evaluator":
            from posenas.kit.evaluators import EVALUATOR_CHECKS

            return (method_check(kind), *EVALUATOR_CHECKS)
        case "dataset":
            from posenas.kit.datasets import DATASET_CHECKS

            return (method_check(kind), *DATASET_CHECKS)
        case _:
            return (method_check(kind),)
