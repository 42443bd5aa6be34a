"""The matrix says what composing says: what works together, why not, and with which option."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from installed_matrix import installed_matrix
from posenas.composing.checks.fitting import check_strategy
from posenas.composing.loading import load
from posenas.composing.matrix import examined as examining, matrix as finding
from posenas.composing.matrix.matrix import Cell
from posenas.composing.matrix.patience import within
from posenas.composing.plugins import find_plugins
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.standard.heads.heatmap import HeatmapHead, HeatmapModule
from running import Answer, refusal
from test_every_pair import NOT_FOR, POSSIBLE, REFUSED, ZOOMING

Posenas = Callable[..., Answer]
Install = Callable[..., None]

DOCUMENTED = Path(__file__).parents[1] / "docs" / "matrix.md"
KEYPOINTS = {"cocowholebody": "coco-wholebody-133", "synthetic": "coco-17"}


@pytest.fixture(autouse=True)
def found_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command finds the matrix of our packages once for all tests that install nothing."""
    if "install" not in request.fixturenames:
        result = installed_matrix()
        monkeypatch.setattr(finding, "find_matrix", lambda: result)


def by_names() -> Mapping[tuple[str, ...], Cell]:
    return {(cell.space, cell.strategy, cell.head, cell.keypoints): cell for cell in installed_matrix().cells}


def test_the_page_shows_what_the_command_prints(posenas: Posenas) -> None:
    answer = posenas("matrix")
    assert answer.status == 0, answer.err
    _, shown, _ = DOCUMENTED.read_text().split("```")
    assert answer.out.split("\n") == shown.removeprefix("text\n").split("\n")


def test_json_has_every_combination(posenas: Posenas) -> None:
    answer = posenas("matrix", "--json").json
    assert len(answer["cells"]) == 7 * 12 * 4 * 2
    keys = ("space", "strategy", "head", "keypoints")
    cells = {tuple(cell[key] for key in keys): cell for cell in answer["cells"]}
    zoomed = cells["cnf", "reinforce", "zoom", "coco-wholebody-133"]
    assert zoomed | {"space": "", "strategy": "", "head": "", "keypoints": ""} == {
        "space": "", "strategy": "", "head": "", "keypoints": "",
        "view": "person", "works": True, "options": ["head.stages=0"], "reason": "",
    }  # fmt: skip
    refused = cells["evo", "gumbel", "kapao", "coco-17"]
    assert (refused["works"], refused["reason"], refused["view"]) == (False, "needs Relaxed", "image")
    assert answer["datasets"]["synthetic"] == {
        "coco-17": "", "coco-wholebody-133": "dataset.points=133"
    }  # fmt: skip


def test_the_matrix_is_the_table_of_what_composing_refuses() -> None:
    """The table was written by hand, and composing agrees with it in `test_every_pair`."""
    cells, compared = by_names(), 0
    for space, strategy, head, dataset, evaluator in POSSIBLE:
        if evaluator in NOT_FOR.get(dataset, ()):
            continue  # the matrix has no evaluators
        points = KEYPOINTS.get(dataset, "coco-17")
        if dataset == "synthetic" and head in ZOOMING:
            points = "coco-wholebody-133"
        cell = cells[space, strategy, head, points]
        expected = REFUSED.get(f"{space} {strategy} {head} {dataset} {evaluator}")
        assert cell.works is (expected is None), (cell, expected)
        if expected is not None:
            (reason,) = {note.reason for note in cell.refusals}
            said = (reason, f"strategy {strategy!r} {reason}", f"space {space!r}: {reason}")
            assert any(expected in words for words in said), (expected, reason)
        compared += 1
    assert compared > 5000


def option_of(space: str, strategy: str, head: str) -> list[str]:
    """Return the options of the note on drawn people, as the command takes them."""
    cell = by_names()[space, strategy, head, "coco-wholebody-133"]
    return [word for note in cell.notes if note.option for word in ("-o", note.option.assignment)]


SINGLES = [(space, "single", "heatmap") for space in ("autopose", "cnf", "evo", "fixed", "ofa")]
ADVISED = [
    pytest.param("cnf", "random", "zoom", marks=pytest.mark.slow),
    ("ofa", "single", "heatmap"),
    *(pytest.param(*each, marks=pytest.mark.slow) for each in SINGLES if each[0] != "ofa"),
    pytest.param("yolo", "single", "kapao", marks=pytest.mark.slow),
    pytest.param("ofa", "single", "zoom", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("space", "strategy", "head"), ADVISED)
def test_what_a_note_advises_composes(posenas: Posenas, space: str, strategy: str, head: str) -> None:
    words = (
        "compose", "--dry-run", "--space", space, "--strategy", strategy, "--head", head,
        "-o", "dataset.points=133", "-o", "dataset.train_images=8", "-o", "dataset.val_images=4",
        "-o", "head.input_size=64,64",
    )  # fmt: skip
    options = option_of(space, strategy, head)
    assert options
    line = refusal(posenas(*words))
    if head == "zoom" and space == "cnf":
        assert "; set head.stages=0; heads that fit it: " in line
    else:
        assert "strategy.genotype is empty" in line
        assert "; set strategy.genotype=GENOTYPE" in line
    assert posenas(*words, *options).status == 0


def test_every_option_of_a_note_is_among_those_that_are_composed() -> None:
    advised = {
        (cell.space, cell.strategy if option.startswith("strategy") else "random", option)
        for cell in installed_matrix().cells
        for note in cell.notes
        if note.option
        for option in [str(note.option)]
    }
    spaces = ("autopose", "cnf", "evo", "fixed", "ofa", "yolo")
    expected = {(space, "single", "strategy.genotype=GENOTYPE") for space in spaces}
    assert advised == expected | {("cnf", "random", "head.stages=0")}


@dataclass(frozen=True)
class Untaught:
    """A heat-map head whose module cannot be taught by a larger network."""

    def view(self) -> Any:
        return HeatmapHead().view()

    def select(self, levels: Any) -> Any:
        return HeatmapHead().select(levels)

    def build(self, levels: Any, keypoints: Any) -> Any:
        module = HeatmapHead().build(levels, keypoints)
        module.__class__ = type("Module", (HeatmapModule,), {"distillation_loss": None})
        return module


def test_distillation_is_named_where_a_head_cannot_be_taught() -> None:
    recipe = Recipe(
        space=ComponentChoice("ofa"), strategy=ComponentChoice("sandwich"), head=ComponentChoice("untaught")
    )
    space, strategy = load("space", "ofa")(), load("strategy", "sandwich")
    with pytest.raises(PosenasError, match=r"needs Distillable, which .*; set strategy.distillation=off;"):
        check_strategy(recipe, strategy(), space, Untaught(), COCO_17)
    check_strategy(recipe, strategy(distillation="off"), space, Untaught(), COCO_17)


STRANGERS = """
from dataclasses import dataclass
from threading import Event
from posenas.standard.strategies.random_search import RandomSearch

@dataclass(frozen=True)
class Raises(RandomSearch):
    def check_space(self, space):
        raise ZeroDivisionError("no luck")

@dataclass(frozen=True)
class Hangs(RandomSearch):
    def requires(self):
        Event().wait()
"""


def install_strangers(install: Install) -> None:
    points = {"raises": "strange:Raises", "hangs": "strange:Hangs"}
    install("strange", STRANGERS, entry_points={"posenas.strategy": points})
    install("lost", "raise RuntimeError('moved')", entry_points={"posenas.strategy": {"lost": "lost:Lost"}})


def only(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(
        examining, "find_plugins", lambda kinds: [each for each in find_plugins(kinds) if each.name in names]
    )


def test_a_plugin_that_raises_is_refused_with_its_reason(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_strangers(install)
    only(monkeypatch, "ofa", "heatmap", "synthetic", "random", "raises", "lost")
    cells = finding.find_matrix(patience=60.0).cells
    assert {cell.strategy: cell.works for cell in cells} == {"random": True, "raises": False, "lost": False}
    reasons = {cell.strategy: [note.reason for note in cell.refusals] for cell in cells}
    (raised,), (lost,) = reasons["raises"], reasons["lost"]
    assert raised.startswith("strategy raises of strange 1.0: check_space failed: ZeroDivisionError: no luck")
    assert "the import ends in: raise RuntimeError('moved')" in lost


def test_a_plugin_that_hangs_is_refused_in_time(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    install_strangers(install)
    only(monkeypatch, "hangs")
    answer = examining.examined("strategy", patience=1.0)["hangs"]
    assert str(answer) == "no answer within 1 s; tell its authors"


@pytest.mark.slow
def test_the_command_names_strangers_and_answers_for_all_others(posenas: Posenas, install: Install) -> None:
    install_strangers(install)
    answer = posenas("matrix")
    assert answer.status == 0, answer.err
    assert "strategy hangs of strange 1.0: no answer within 15 s; tell its authors" in answer.out
    assert "strategy raises of strange 1.0: check_space failed: ZeroDivisionError: no luck" in answer.out
    assert "the import ends in: raise RuntimeError('moved')" in answer.out
    working = sum(cell.works for cell in installed_matrix().cells)
    assert f"\n{6 * 15 * 4 * 2} combinations: {working} work, " in answer.out


def test_a_plugin_that_hangs_is_left_behind() -> None:
    with pytest.raises(PosenasError, match=r"no answer within 0\.05 s"):
        within(0.05, Event().wait)
    assert within(5.0, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        within(5.0, lambda: 1 // 0)
