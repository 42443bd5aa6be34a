"""Predictions as a COCO keypoint results file, which every tool of the field reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posenas.data.identity import IdIndex
from posenas.errors import PosenasError
from posenas.files import write_atomically
from posenas.scores import Predictions
from posenas.strict_json import parse_json

if TYPE_CHECKING:
    from posenas.data.identity import FileId
    from posenas.samples import Sample


def save_predictions(
    path: Path, predictions: Predictions, *, category: FileId = 1, samples: Sequence[Sample] = ()
) -> None:
    """Rounded to a thousandth of a pixel, which no metric sees.

    Args:
        category: the people's `category_id`.
        samples: those that have an id of their own in their file, which is written then.
    """
    results = as_results(predictions, category=category, samples=samples)
    write_atomically(path, json.dumps(results).encode())


def as_results(
    predictions: Predictions, *, category: FileId = 1, samples: Sequence[Sample] = ()
) -> list[dict[str, Any]]:
    """An entry of the file for each pose. Arguments as `save_predictions`."""
    written = {sample.id: sample.written_id for sample in samples}
    rows = np.concatenate([predictions.keypoints, predictions.keypoint_scores[:, :, None]], axis=2).round(3)
    return [
        {"image_id": written.get(image, image), "category_id": category, "keypoints": row, "score": score}
        for image, row, score in zip(
            predictions.image_ids.tolist(),
            rows.reshape(len(rows), rows.shape[1] * 3).tolist(),
            predictions.scores.tolist(),
            strict=True,
        )
    ]


def load_predictions(path: Path, *, keypoints: int, samples: Sequence[Sample] = ()) -> Predictions:
    """
    Args:
        keypoints: how many a pose has, where nobody was predicted and the file does not say so.
        samples: of the predicted split, for ids that are no 64-bit numbers.

    Raises:
        PosenasError: where the file is missing or not a COCO keypoint results file.
    """
    try:
        results = parse_json(path.read_bytes())
        poses = [result["keypoints"] for result in results]
        count = len(poses[0]) // 3 if poses else keypoints
        rows = np.array(poses, dtype=np.float64).reshape(len(results), count, 3)
        return Predictions(
            image_ids=np.array(_sample_ids(results, samples), dtype=np.int64),
            keypoints=rows[:, :, :2],
            keypoint_scores=rows[:, :, 2],
            scores=np.array([result["score"] for result in results], dtype=np.float64),
        )
    except (OSError, ValueError, LookupError, TypeError, OverflowError) as error:
        raise PosenasError(f"{path}: not a COCO keypoint results file ({error!s:.100})") from error


def _sample_ids(results: Sequence[Mapping[str, Any]], samples: Sequence[Sample]) -> list[Any]:
    """The ids of the samples that the results name, or what they name where there is no such sample."""
    index = IdIndex([sample.written_id for sample in samples])
    found = [(result["image_id"], index.find(result["image_id"])) for result in results]
    return [image if position is None else samples[position].id for image, position in found]
