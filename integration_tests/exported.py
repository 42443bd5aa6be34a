"""What the exports of labelling tools have in common: the pictures that they label, and the truth."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

import cv2
import numpy as np

SHARED = Path(os.environ.get("POSENAS_TEST_DATA", Path(__file__).parents[2] / "shared" / "data")).parent
EXPORTS, DRAWN = SHARED / "exports", SHARED / "faults" / "make_inputs.py"
LACKING = "no exports of tools beside POSENAS_TEST_DATA"


def are_there() -> bool:
    """Whether the exports and what draws their pictures lie beside the test data."""
    return EXPORTS.is_dir() and DRAWN.is_file()


def draw(root: Path) -> Path:
    """Draws folders train, val and numbered, which has the pictures of train as 1.jpg to 12.jpg."""
    spec = importlib.util.spec_from_file_location("make_inputs", DRAWN)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for split, number, first, seed in (("train", 12, 1, 0), ("val", 6, 101, 1)):
        (root / split).mkdir()
        for name, picture in module.base(number, first, seed)[1].items():
            cv2.imwrite(str(root / split / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 80])
    (root / "numbered").mkdir()
    for file in (root / "train").iterdir():
        (root / "numbered" / f"{int(file.stem)}.jpg").hardlink_to(file)
    return root


def truth(split: str) -> dict[int, np.ndarray]:
    """The labelled poses by the number of the picture."""
    content = json.loads((EXPORTS / "source" / f"{split}.json").read_text())
    return {each["image_id"]: np.reshape(each["keypoints"], (17, 3)) for each in content["annotations"]}
