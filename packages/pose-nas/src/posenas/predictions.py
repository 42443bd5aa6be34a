"""Predictions as a COCO keypoint results file, which every tool of the field reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from posenas.errors import PosenasError
from posenas.files import write_atomically
from posenas.scores import Predictions


def save_predictions(path: Path, predictions: Predictions) -> None:
    """Rounded to a thousandth of a pixel, which no metric sees."""
    write_atomically(path, json.dumps(as_results(predictions)).encode())


def as_results(predictions: Predictions) -> list[dict[str, Any]]:
    """An entry of the file for each pose."""
    rows = np.concatenate([predictions.keypoints, predictions.keypoint_scores[:, :, None]], axis=2).round(3)
    return [
        {"image_id": image, "category_id": 1, "keypoints": row, "score": score}
        for image, row, score in zip(
            predictions.image_ids.tolist(),
            rows.reshape(len(rows), rows.shape[1] * 3).tolist(),
            predictions.scores.tolist(),
            strict=True,
        )
    ]


def load_predictions(path: Path, *, keypoints: int) -> Predictions:
    """
    Args:
        keypoints: how many a pose has, where nobody was predicted and the file does not say so.

    Raises:
        PosenasError: where the file is missing or not a COCO keypoint results file.
    """
    try:
        results = json.loads(path.read_text())
        poses = [result["keypoints"] for result in results]
        count = len(poses[0]) // 3 if poses else keypoints
        rows = np.array(poses, dtype=np.float64).reshape(len(results), count, 3)
        return Predictions(
            image_ids=np.array([result["image_id"] for result in results], dtype=np.int64),
            keypoints=rows[:, :, :2],
            keypoint_scores=rows[:, :, 2],
            scores=np.array([result["score"] for result in results], dtype=np.float64),
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise PosenasError(f"{path}: not a COCO keypoint results file ({error})") from error
