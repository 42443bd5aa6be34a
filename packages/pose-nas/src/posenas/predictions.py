"""Predictions as a COCO keypoint results file, which every tool of the field reads."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from posenas.errors import PosenasError
from posenas.files import write_atomically
from posenas.scores import Predictions


def save_predictions(path: Path, predictions: Predictions) -> None:
    """Rounded to a thousandth of a pixel, which no metric sees."""
    rows = np.concatenate([predictions.keypoints, predictions.keypoint_scores[:, :, None]], axis=2).round(3)
    results = [
        {"image_id": image, "category_id": 1, "keypoints": row, "score": score}
        for image, row, score in zip(
            predictions.image_ids.tolist(),
            rows.reshape(len(rows), -1).tolist(),
            predictions.scores.tolist(),
            strict=True,
        )
    ]
    write_atomically(path, json.dumps(results).encode())


def load_predictions(path: Path) -> Predictions:
    """Raises PosenasError where the file is missing or not a COCO keypoint results file."""
    try:
        results = json.loads(path.read_text())
        keypoints = [result["keypoints"] for result in results]
        rows = np.array(keypoints, dtype=np.float64).reshape(len(results), len(keypoints[0]) // 3, 3)
        return Predictions(
            image_ids=np.array([result["image_id"] for result in results], dtype=np.int64),
            keypoints=rows[:, :, :2],
            keypoint_scores=rows[:, :, 2],
            scores=np.array([result["score"] for result in results], dtype=np.float64),
        )
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise PosenasError(f"{path}: not a COCO keypoint results file ({error})") from error
