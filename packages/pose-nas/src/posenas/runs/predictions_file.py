"""Files of predictions in COCO's keypoint results format, which every tool of the field reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posenas.contract.errors import PosenasError
from posenas.contract.file_ids import IdIndex
from posenas.contract.scores import Predictions
from posenas.runs.files import content_name, write_atomically
from posenas.runs.strict_json import parse_json
from posenas.runs.whole_body_results import in_parts, is_whole_body, part_scores_of, pose_of

if TYPE_CHECKING:
    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.samples import Sample


def save_predictions(
    path: Path, predictions: Predictions, *, keypoints: KeypointSet, samples: Sequence[Sample] = ()
) -> None:
    """Write predictions, rounded to a thousandth of a pixel, which no metric sees.

    Args:
        path: the file.
        predictions: P poses.
        keypoints: the keypoint set of the poses; its first category is theirs.
        samples: those that have an id of their own in their file, which is written then.
    """
    write_atomically(path, _content(predictions, keypoints=keypoints, samples=samples))


def keep_predictions(
    folder: Path, predictions: Predictions, *, keypoints: KeypointSet, samples: Sequence[Sample] = ()
) -> str:
    """Write predictions as `save_predictions`; return the file's name, which is a hash of its content.

    Args:
        folder: where the file is written.
        predictions: P poses.
        keypoints: the keypoint set of the poses; its first category is theirs.
        samples: those that have an id of their own in their file, which is written then.
    """
    content = _content(predictions, keypoints=keypoints, samples=samples)
    name = f"{content_name(content)}.json"
    write_atomically(folder / name, content)
    return name


def are_kept(path: Path) -> bool:
    """Return whether a file holds what `keep_predictions` wrote there."""
    return path.is_file() and content_name(path.read_bytes()) == path.stem


def _content(predictions: Predictions, *, keypoints: KeypointSet, samples: Sequence[Sample]) -> bytes:
    return json.dumps(as_results(predictions, keypoints=keypoints, samples=samples)).encode()


def as_results(
    predictions: Predictions, *, keypoints: KeypointSet, samples: Sequence[Sample] = ()
) -> list[dict[str, Any]]:
    """Return an entry of a results file for each pose; whole bodies are in COCO-WholeBody's form.

    Args:
        predictions: P poses; their places and keypoint scores are rounded to a thousandth.
        keypoints: the keypoint set of the poses; its first category is theirs.
        samples: those that have an id of their own in their file, which is written then.
    """
    written = {sample.id: sample.written_id for sample in samples}
    rows = np.concatenate([predictions.keypoints, predictions.keypoint_scores[:, :, None]], axis=2).round(3)
    category = keypoints.categories[0]
    results = [
        {"image_id": written.get(image, image), "category_id": category, "keypoints": row, "score": score}
        for image, row, score in zip(
            predictions.image_ids.tolist(),
            rows.reshape(len(rows), rows.shape[1] * 3).tolist(),
            predictions.scores.tolist(),
            strict=True,
        )
    ]
    if predictions.tracks is not None:
        for result, track in zip(results, predictions.tracks.tolist(), strict=True):
            result["track_id"] = track
    return in_parts(results, predictions.part_scores) if is_whole_body(keypoints) else results


def load_predictions(path: Path, *, keypoints: int, samples: Sequence[Sample] = ()) -> Predictions:
    """Return what a results file holds.

    Args:
        path: the file.
        keypoints: how many a pose has, if nobody was predicted and the file does not say so.
        samples: of the predicted split, for ids that are no 64-bit numbers.

    Raises:
        PosenasError: if the file cannot be read, or is not a COCO keypoint results file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PosenasError(f"{path}: not a COCO keypoint results file ({error})") from error
    return predictions_from(content, path, keypoints=keypoints, samples=samples)


def predictions_from(
    content: bytes, path: Path, *, keypoints: int, samples: Sequence[Sample] = ()
) -> Predictions:
    """Return what the content of a results file says.

    Args:
        content: the file's bytes.
        path: names the file in messages.
        keypoints: how many a pose has, if nobody was predicted and the file does not say so.
        samples: of the predicted split, for ids that are no 64-bit numbers.

    Raises:
        PosenasError: if the file is not a COCO keypoint results file.
    """
    try:
        results = parse_json(content)
        poses = [pose_of(result) for result in results]
        count = len(poses[0]) // 3 if poses else keypoints
        rows = np.array(poses, dtype=np.float64).reshape(len(results), count, 3)
        return Predictions(
            image_ids=np.array(_sample_ids(results, samples), dtype=np.int64),
            keypoints=rows[:, :, :2],
            keypoint_scores=rows[:, :, 2],
            scores=np.array([result["score"] for result in results], dtype=np.float64),
            part_scores=part_scores_of(results),
        )
    except (ValueError, LookupError, TypeError, OverflowError) as error:
        raise PosenasError(f"{path}: not a COCO keypoint results file ({error!s:.100})") from error


def _sample_ids(results: Sequence[Mapping[str, Any]], samples: Sequence[Sample]) -> list[Any]:
    """Return the ids of the samples that the results name, or the named ids if there are no such samples."""
    index = IdIndex([sample.written_id for sample in samples])
    found = [(result["image_id"], index.find(result["image_id"])) for result in results]
    return [image if position is None else samples[position].id for image, position in found]
