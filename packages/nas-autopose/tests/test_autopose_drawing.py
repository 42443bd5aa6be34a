"""The pictures of a network: what is drawn against the genotype, and that all of it can be read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from random import Random
from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from nas_autopose.mixture import NOTHING, shares
from nas_autopose.operations import OPERATIONS
from nas_autopose.report.branches import branches_figure
from nas_autopose.report.cell_layout import cell_layout
from nas_autopose.report.cells import cell_figure
from nas_autopose.space import AutoPoseSpace
from posenas import Genotype, Reporting, Results, Trial
from posenas.charts import BLUE, RED

ACTIVE = ((0, 2), (), (1,))
"""Three stages of three scales."""


def results_of(genotype: Genotype | None, *, learnt: Genotype | None = None) -> Results:
    trial = None if genotype is None else Trial(genotype, stage="final", split="val", metrics={}, costs={})
    courses = () if learnt is None else ((learnt,),)
    return Results((), (), (trial,) if trial else (), finished=True, shown=trial, courses=courses)


def words_of(figure: Figure) -> list[tuple[str, Any]]:
    """The words of a figure with the places where they are drawn."""
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    (axes,) = figure.axes
    words = [*axes.texts]
    if axes.axison:
        words += [*axes.get_xticklabels(), *axes.get_yticklabels()]
    words += [text for legend in figure.legends for text in legend.get_texts()]
    return [(word.get_text(), word.get_window_extent(renderer)) for word in words]


def branches_of(active: Sequence[Sequence[int]], *, scales: int, aggregation: bool = True) -> Figure:
    channels = [64 << scale for scale in range(scales)]
    return branches_figure(active, channels=channels, modules=2, aggregation=aggregation)


def test_branches_that_are_on_are_boxes_and_others_dashed() -> None:
    (axes,) = branches_of(ACTIVE, scales=3).axes
    boxes = [patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    middles = {
        (round(box.get_x() + 0.4), round(box.get_y() + 0.22)): box.get_linestyle()
        for box in boxes
        if box.get_height() < 1
    }
    assert len(boxes) == len(middles) + 2
    assert set(middles) == {(stage, scale) for stage in (1, 2, 3) for scale in range(3)}
    solid = {place for place, style in middles.items() if style in ("-", "solid")}
    assert solid == {(1, 0), (1, 2), (3, 1)}


def test_an_aggregation_cell_hears_all_other_scales_also_those_that_are_off() -> None:
    (axes,) = branches_of(ACTIVE, scales=3).axes
    heard = Counter()
    for line in axes.lines:
        if len(line.get_xdata()) == 2 and line.get_ydata()[0] != line.get_ydata()[1]:
            heard[round(line.get_xdata()[1]), *line.get_ydata(), to_hex(line.get_color())] += 1
    finer, coarser = BLUE, RED
    assert heard == Counter(
        [
            (1, 1, 0, coarser), (1, 2, 0, coarser), (1, 0, 2, finer), (1, 1, 2, finer),
            (3, 0, 1, finer), (3, 2, 1, coarser),
        ]
    )  # fmt: skip
    circles = [line for line in axes.lines if line.get_marker() == "o"]
    assert len(circles) == 3
    (without,) = branches_of(ACTIVE, scales=3, aggregation=False).axes
    assert not any(line.get_ydata()[0] != line.get_ydata()[-1] for line in without.lines)
    assert not any(line.get_marker() == "o" for line in without.lines)


@pytest.mark.parametrize(
    ("active", "aggregation", "expected"),
    [
        (ACTIVE, True, ["on", "off", "aggregation cell", "hears a finer scale", "hears a coarser scale"]),
        (((2,),), True, ["on", "off", "aggregation cell", "hears a finer scale"]),
        (((0, 1, 2),), False, ["on"]),
        (((), ()), True, ["off"]),
    ],
)
def test_the_legend_has_what_is_in_the_picture(
    active: Sequence[Sequence[int]], aggregation: bool, expected: Sequence[str]
) -> None:
    (legend,) = branches_of(active, scales=3, aggregation=aggregation).legends
    assert [text.get_text().partition(":")[0] for text in legend.get_texts()] == expected


def test_an_edge_says_its_heaviest_operation_and_is_as_wide_as_its_share() -> None:
    rows = shares(AutoPoseSpace().sample(Random(0))["individual.alpha"])
    (axes,) = cell_figure(rows, inputs=["input"], nodes=4).axes
    lines = [patch for patch in axes.patches if isinstance(patch, PathPatch)]
    assert len(lines) == 10
    assert (
        len({round(line.get_linewidth() / max(row), 6) for line, row in zip(lines, rows, strict=True)}) == 1
    )
    labels = [f"{OPERATIONS[row.index(max(row))]} {100 * max(row):.0f} %" for row in rows]
    texts = [text.get_text() for text in axes.texts]
    assert texts == [*labels, "input", "1", "2", "3", "4", "joined,\n1x1 convolution"]


@pytest.mark.parametrize(("inputs", "nodes"), [(1, 4), (1, 2), (2, 2), (3, 2), (4, 2)])
def test_lines_lead_from_where_an_edge_begins_to_where_it_ends(inputs: int, nodes: int) -> None:
    layout = cell_layout(inputs, nodes)
    found = [
        (layout.places.index(line.curve[0]), layout.places.index(line.curve[-1])) for line in layout.lines
    ]
    expected = [(begin, end) for end in range(inputs, inputs + nodes) for begin in range(end)]
    assert found == expected
    assert len(set(layout.places)) == inputs + nodes
    assert all(layout.places[begin][0] < layout.places[end][0] for begin, end in found)


FIGURES = {
    "two stages of one scale": lambda: branches_of(((0,), ()), scales=1),
    "eight stages of four": lambda: branches_of([(0, 3), ()] * 4, scales=4),
    "individual cell": lambda: cell_of(1, 4),
    "aggregation cell of two": lambda: cell_of(2, 2),
    "aggregation cell of four": lambda: cell_of(4, 2),
}


def cell_of(inputs: int, nodes: int) -> Figure:
    rows = [[0.0, 1 / 3, 2 / 3, 0.0, 0.0, 0.0]] * len(cell_layout(inputs, nodes).lines)
    names = ["input"] if nodes == 4 else [f"1/{4 << scale}" for scale in range(inputs)]
    return cell_figure(rows, inputs=names, nodes=nodes)


@pytest.mark.parametrize("name", FIGURES)
def test_no_word_is_cut_off_or_written_over_another(name: str) -> None:
    figure = FIGURES[name]()
    words = words_of(figure)
    page = figure.bbox
    for text, box in words:
        assert page.x0 <= box.x0 <= box.x1 <= page.x1, text
        assert page.y0 <= box.y0 <= box.y1 <= page.y1, text
    for index, (text, box) in enumerate(words):
        for other, beside in words[index + 1 :]:
            width = min(box.x1, beside.x1) - max(box.x0, beside.x0)
            height = min(box.y1, beside.y1) - max(box.y0, beside.y0)
            assert min(width, height) < 1, (text, other)


def test_the_report_shows_the_branches_and_both_cells_of_the_shown_network() -> None:
    space = AutoPoseSpace(stages=2, scales=2)
    assert isinstance(space, Reporting)
    assert space.sections(results_of(None)) == []
    searched = space.sample(Random(3)) | {f"stage1.branch{branch}": branch == 2 for branch in (1, 2)}
    searched |= {f"stage2.branch{branch}": False for branch in (1, 2)}
    (section,) = space.sections(results_of(searched))
    assert list(section.pictures) == ["branches.png", "individual-cell.png", "aggregation-cell.png"]
    assert "Branches by stage. Stage 1: 1/8 on. Stage 2: all off." in section.html
    assert section.html.count("weighted sum of operations") == 2
    row = shares(searched["aggregation.alpha"])[3]
    assert f"1/8 to node 2 {OPERATIONS[row.index(max(row))]} {100 * max(row):.0f} %" in section.html


def test_the_answer_shows_how_much_its_operations_weighed_when_the_search_ended() -> None:
    space = AutoPoseSpace(stages=1, scales=1, branches="all", aggregation=False)
    learnt = space.sample(Random(0))
    answer = space.derived(learnt)
    (section,) = space.sections(results_of(answer, learnt=learnt))
    row = shares(learnt["individual.alpha"])[0]
    edge = f"input to node 1 {OPERATIONS[row.index(max(row))]}"
    assert f"{edge} {100 * max(row):.0f} %;" in section.html
    assert "its share of all six in what the search learnt last" in section.html
    other = {
        **learnt,
        "individual.alpha": [[-number for number in row] for row in learnt["individual.alpha"]],
    }
    (section,) = space.sections(results_of(answer, learnt=other))
    assert f"{edge};" in section.html
    assert "Each edge computes one operation." in section.html
    assert list(section.pictures) == ["branches.png", "individual-cell.png"]
    assert space.sections(results_of(answer)) == [section]


@pytest.mark.parametrize(
    ("options", "genotype"),
    [({"branches": "one"}, {"stage1.branch": 0}), ({}, {"stage1.branch1": False})],
)
def test_a_network_without_branches_has_no_picture_of_cells(
    options: Mapping[str, Any], genotype: Genotype
) -> None:
    space = AutoPoseSpace(stages=1, scales=1, **options)
    rows = [[0.0] + [NOTHING] * 5]
    full = {"individual.alpha": rows * 10, "aggregation.alpha": rows * 3, "width": 2, **genotype}
    (section,) = space.sections(results_of(full))
    assert list(section.pictures) == ["branches.png"]
    assert "No branch is on, so the network has no cells." in section.html
