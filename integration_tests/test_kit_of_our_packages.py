"""Everything that our own packages offer passes the kit."""

from __future__ import annotations

import pytest
from posenas.composing.plugins import find_plugins
from posenas.kit.results import results_of

OURS = [f"{plugin.kind}:{plugin.name}" for plugin in find_plugins(("space", "head", "dataset", "evaluator"))]
QUICK = ("dataset:coco", "evaluator:oks", "evaluator:pck", "evaluator:wholebody")


@pytest.mark.parametrize(
    "component",
    [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in OURS],
)
def test_no_check_fails(component: str) -> None:
    results = list(results_of(component, {}))
    assert [result.words for result in results if result.status == "FAILED"] == []
    not_run = [result.words for result in results if result.status == "not run"]
    needs_files = component.startswith("dataset:") and component != "dataset:synthetic"
    assert bool(not_run) == needs_files, not_run
