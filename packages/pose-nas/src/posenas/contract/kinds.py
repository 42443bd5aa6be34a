"""The kinds of plugin that are classes with options, each with the protocol that it keeps."""

from __future__ import annotations

from collections.abc import Mapping

from posenas.contract.components import Dataset, Evaluator, Head, SearchSpace
from posenas.contract.costs import Cost
from posenas.contract.problem import Strategy

PROTOCOLS: Mapping[str, type] = {
    "space": SearchSpace,
    "strategy": Strategy,
    "head": Head,
    "dataset": Dataset,
    "evaluator": Evaluator,
    "cost": Cost,
}

CLASS_KINDS = tuple(PROTOCOLS)
COMPONENT_KINDS = tuple(kind for kind in PROTOCOLS if kind != "cost")
"""The five kinds of component: a recipe names one of each."""
