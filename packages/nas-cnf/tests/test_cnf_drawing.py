"""Pictures of fabrics: what is drawn against the fabric's rules, and that nothing in them is cut off."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import FancyBboxPatch, PathPatch
from nas_cnf.drawing import fabric_figure, heard_lines
from nas_cnf.layout import first_layers, last_layers
from nas_cnf.space import CnfSpace
from posenas import PosenasError, Reporting

OPERATIONS = ("zero", "skip", "sep3", "dil3")


def drawn_beta(cells: int, seed: int) -> list[list[float]]:
    """Rows of which about every third entry weighs exactly nothing, but never all three."""
    rng = Random(seed)
    rows = [[rng.gauss(0, 1) if rng.random() < 0.6 else -1000.0 for _ in range(3)] for _ in range(cells)]
    return [row if max(row) > -1000 else [0.0, -1000.0, -1000.0] for row in rows]


def expected_lines(
    beta: Sequence[Sequence[float]], incoming: int, layers: Sequence[int]
) -> dict[tuple[int, int, int], float]:
    """Shares by layer, scale and source, by following each output back; the rules as the documentation
    words them."""
    before = [incoming, *layers]
    lines: dict[tuple[int, int, int], float] = {}

    def follow(layer: int, scale: int) -> None:
        if layer == 0:
            return
        row = np.exp(np.array(beta[sum(layers[: layer - 1]) + scale], np.float32))
        own = scale if scale < before[layer - 1] else scale - 1
        finer = own if scale == 0 else scale - 1
        coarser = scale + 1 if scale + 1 < before[layer - 1] else own
        for source in {own, finer, coarser}:
            share = sum(
                part
                for part, each in zip(row / row.sum(), (own, finer, coarser), strict=True)
                if each == source
            )
            if share > 0:
                lines[layer, scale, source] = float(share)
                follow(layer - 1, source)

    for scale in range(layers[-1]):
        follow(len(layers), scale)
    return lines


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    ("incoming", "layers"), [(1, first_layers(5, 4)), (4, last_layers(3, 4)), (3, last_layers(6, 3))]
)
def test_lines_are_what_the_needed_cells_hear(incoming: int, layers: tuple[int, ...], seed: int) -> None:
    beta = drawn_beta(sum(layers), seed)
    lines = heard_lines(beta, incoming=incoming, layers=layers)
    found = {(line.layer, line.scale, line.source): line.share for line in lines}
    assert len(found) == len(lines)
    assert found == pytest.approx(expected_lines(beta, incoming, layers))


def figure_of(space: CnfSpace, genotype: Any, name: str = "part1") -> Any:
    return fabric_figure(
        name,
        genotype[f"{name}.alpha"],
        genotype[f"{name}.beta"],
        entrance="pyramid",
        incoming=4,
        layers=last_layers(space.layers, 4),
        operations=space.operations,
    )


def test_widths_are_in_proportion_to_shares_and_said_in_percent() -> None:
    space = CnfSpace(parts=1)
    genotype = space.sample(Random(0))
    axes = figure_of(space, genotype).axes[0]
    curves = [patch for patch in axes.patches if isinstance(patch, PathPatch)]
    lines = heard_lines(genotype["part1.beta"], incoming=4, layers=(3, 2, 1))
    assert len(curves) == len(lines)
    wide = [(curve, line) for curve, line in zip(curves, lines, strict=True) if line.share > 0.1]
    assert len({round(curve.get_linewidth() / line.share, 6) for curve, line in wide}) == 1
    texts = [text.get_text() for text in axes.texts if text.get_text()]
    assert texts == [f"{100 * line.share:.0f}" for line in lines]


def test_cells_that_nothing_depends_on_are_dashed_and_said_to_be() -> None:
    space = CnfSpace(parts=1)
    # of equal choices the first one is taken, a cell's own scale: then 1/4 hears 1/4 alone
    for genotype, dashed in ((space.ancestor(), 0), (space.discrete(space.ancestor()), 6)):
        axes = figure_of(space, genotype).axes[0]
        boxes = [patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
        assert len(boxes) == 4 + 6
        assert sum(box.get_linestyle() not in ("solid", "-") for box in boxes) == dashed
        words = [text.get_text() for text in axes.get_legend().get_texts()]
        assert ("nothing depends on it" in words) == bool(dashed)


def test_bars_are_the_operations_of_every_edge() -> None:
    space = CnfSpace(parts=1, hidden=3)
    genotype = space.sample(Random(1))
    axes = figure_of(space, genotype).axes[1]
    rows = np.exp(np.array(genotype["part1.alpha"]))
    shares = (rows / rows.sum(1, keepdims=True)).ravel()
    assert [bar.get_width() for bar in axes.patches] == pytest.approx(shares.tolist(), rel=1e-5)
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names[:3] == ["input → node 1", "input → node 2", "node 1 → node 2"]
    assert names[3:] == ["input → node 3", "node 1 → node 3", "node 2 → node 3"]


@pytest.mark.parametrize(
    "space",
    [CnfSpace(parts=1), CnfSpace(parts=1, layers=16, hidden=4)],
    ids=["three layers", "sixteen layers"],
)
def test_no_word_is_cut_off_or_written_over_another(space: CnfSpace) -> None:
    figure = figure_of(space, space.sample(Random(2)))
    renderer = FigureCanvasAgg(figure).get_renderer()
    figure.draw(renderer)
    words = [
        *figure.texts,
        figure._suptitle,
        *(
            word
            for axes in figure.axes
            for word in (
                *axes.texts,
                axes._left_title,
                axes.xaxis.label,
                axes.yaxis.label,
                *axes.get_xticklabels(),
                *axes.get_yticklabels(),
                *axes.get_legend().get_texts(),
            )
        ),
    ]
    boxes = [
        (word.get_text(), word.get_window_extent(renderer))
        for word in dict.fromkeys(words)
        if word.get_text()
    ]
    assert len(boxes) > 20
    page = figure.bbox
    for text, box in boxes:
        assert page.x0 <= box.x0 <= box.x1 <= page.x1, text
        assert page.y0 <= box.y0 <= box.y1 <= page.y1, text
    for index, (text, box) in enumerate(boxes):
        for other, beside in boxes[index + 1 :]:
            width = min(box.x1, beside.x1) - max(box.x0, beside.x0)
            height = min(box.y1, beside.y1) - max(box.y0, beside.y0)
            assert min(width, height) < 2, (text, other)


def test_one_picture_for_each_fabric_always_the_same() -> None:
    space = CnfSpace(backbone="fabric-1", parts=1)
    assert isinstance(space, Reporting)
    genotype = space.sample(Random(0))
    pictures = space.draw(genotype)
    assert list(pictures) == ["backbone", "part1"]
    assert pictures["part1"] == space.draw(genotype)["part1"]
    assert CnfSpace(parts=0).draw({}) == {}
    with pytest.raises(PosenasError, match=r"part1\.beta"):
        CnfSpace(parts=1).draw({"part1.alpha": [[0.0] * 4]})
