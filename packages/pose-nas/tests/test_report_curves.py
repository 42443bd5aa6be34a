"""Curves that a strategy noted, as a section of the report."""

from __future__ import annotations

import cv2
import numpy as np
from posenas.reporting.report.curves import curve_sections

SERIES = {
    "controller <a>": {epoch: {"reward": 0.1 * epoch, "entropy": 1.0 / epoch} for epoch in range(1, 30)},
    "temperature": {2: {"tau": 5.0}},
}


def test_nothing_noted_is_no_section() -> None:
    assert curve_sections({}) == ()


def test_each_series_is_a_picture_with_a_panel_for_each_figure() -> None:
    (section,) = curve_sections(SERIES)
    assert section.title == "Curves"
    assert list(section.pictures) == ["curves-1.png", "curves-2.png"]
    assert "controller &lt;a&gt;" in section.html
    assert section.html.count("<figure>") == 2
    pixels = cv2.imdecode(np.frombuffer(section.pictures["curves-1.png"], np.uint8), cv2.IMREAD_COLOR)
    thirds = np.array_split(pixels, 3, axis=1)
    blue = [int(((third[..., 0].astype(int) - third[..., 2]) > 60).sum()) for third in thirds]
    assert blue[0] > 200
    assert blue[1] > 200
    assert blue[2] == 0, "there are two figures, so the third panel is empty"


def test_the_same_notes_give_the_same_bytes() -> None:
    assert curve_sections(SERIES)[0].pictures == curve_sections(SERIES)[0].pictures
    assert curve_sections(SERIES)[0].pictures != curve_sections({"temperature": {}} | SERIES)[0].pictures
