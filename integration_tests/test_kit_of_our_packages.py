"""Everything that our own packages offer passes the kit."""

from __future__ import annotations

import pytest
from posenas.composing.plugins import find_plugins
from posenas.kit.results import results_of

KINDS = ("space", "head", "dataset", "evaluator", "strategy", "cost")
OURS = [f"{plugin.kind}:{plugin.name}" for plugin in find_plugins(KINDS)]
NOT_RUN = {
    "strategy:bilevel": "needs Relaxed, which the kit's toy space lacks",
    "strategy:first-order": "needs Relaxed, which the kit's toy space lacks",
    "strategy:gumbel": "needs Relaxed, which the kit's toy space lacks",
    "strategy:second-order": "needs Relaxed, which the kit's toy space lacks",
    "strategy:single": "refuses the kit's toy space: strategy.genotype is empty",
    "strategy:synchronous": "needs Relaxed, which the kit's toy space lacks",
}
"""Our strategies that cannot search the kit's toy space, with the beginning of why."""
QUICK = (
    "cost:counted",
    "dataset:coco",
    "evaluator:oks",
    "evaluator:pck",
    "evaluator:wholebody",
    "strategy:evolution",
    "strategy:neuroevolution",
    "strategy:random",
    "strategy:sandwich",
    *NOT_RUN,
)


@pytest.mark.parametrize(
    "component",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in OURS],
)
def test_no_check_fails(component: str) -> None:
    results = list(results_of(component, {}))
    assert [result.words for result in results if result.status == "FAILED"] == []
    not_run = [result.words for result in results if result.status == "not run"]
    needs_files = component.startswith("dataset:") and component != "dataset:synthetic"
    assert bool(not_run) == (needs_files or component in NOT_RUN), not_run
    assert needs_files or all(words.startswith(NOT_RUN[component]) for words in not_run)
