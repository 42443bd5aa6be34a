"""The checks of each kind of component."""

from __future__ import annotations

from typing import Any

from posenas.kit.check import Check


def checks_for(kind: str, component: Any) -> tuple[Check, ...]:
    """Return the checks that apply to a component: those of its kind whose capability it has.

    A component that cannot work with the kit's toy has its methods checked alone; see `refusal_of`.

    Args:
        kind: the component's, such as `space`.
        component: an instance.
    """
    if refusal_of(kind, component):
        return (_methods_of(kind),)
    return tuple(check for check in _checks_of(kind) if isinstance(component, check.needs))


def refusal_of(kind: str, component: Any) -> str:
    """Return why a component cannot work with what the kit has for its kind; or nothing.

    Strategies search a toy space, and costs measure toy networks.
    """
    match kind:
        case "strategy":
            from posenas.kit.strategies import refusal_of_strategy

            return refusal_of_strategy(component)
        case "cost":
            from posenas.kit.costs import refusal_of_cost

            return refusal_of_cost(component)
        case _:
            return ""


def _methods_of(kind: str) -> Check:
    from posenas.kit.methods import method_check

    return method_check(kind)


def _checks_of(kind: str) -> tuple[Check, ...]:
    """Return all checks of a kind. Their modules load torch, so each is imported when it is asked for."""
    methods = _methods_of(kind)
    match kind:
        case "space":
            from posenas.kit.nesting import NESTING_CHECKS
            from posenas.kit.relaxing import RELAXING_CHECKS
            from posenas.kit.spaces import SPACE_CHECKS
            from posenas.kit.variation import VARIATION_CHECKS

            return (methods, *SPACE_CHECKS, *VARIATION_CHECKS, *NESTING_CHECKS, *RELAXING_CHECKS)
        case "head":
            from posenas.kit.heads import HEAD_CHECKS

            return (methods, *HEAD_CHECKS)
        case "evaluator":
            from posenas.kit.evaluators import EVALUATOR_CHECKS

            return (methods, *EVALUATOR_CHECKS)
        case "dataset":
            from posenas.kit.datasets import DATASET_CHECKS

            return (methods, *DATASET_CHECKS)
        case "strategy":
            from posenas.kit.strategies import STRATEGY_CHECKS

            return (methods, *STRATEGY_CHECKS)
        case "cost":
            from posenas.kit.costs import COST_CHECKS

            return (methods, *COST_CHECKS)
        case _:
            return (methods,)
