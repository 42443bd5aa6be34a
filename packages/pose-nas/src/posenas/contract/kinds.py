"""The five kinds of component, each with the protocol that it keeps."""

from __future__ import annotations

from collections.abc import Mapping

from posenas.contract.components import Dataset, Evaluator, Head, SearchSpace
from posenas.contract.problem import Strategy

PROTOCOLS: Mapping[str, type] = {
    "space": SearchSpace,
    "strategy": Strategy,
    "head": Head,
    "dataset": Dataset,
    "evaluator": Evaluator,
}

COMPONENT_KINDS = tuple(PROTOCOLS)
