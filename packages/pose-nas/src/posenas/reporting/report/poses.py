"""The picture of predicted poses beside the true ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np

from posenas.contract.batches import View
from posenas.contract.samples import UnreadableImageError
from posenas.contract.scores import GroundTruth, Predictions
from posenas.data.affine import crop_matrix, transform, warp
from posenas.data.drawing import contact_sheet, draw_pose
from posenas.data.examples import Example, evenly_ranked, find_examples
from posenas.data.images.source import read_source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.keypoints import KeypointSet

SHOWN_PEOPLE = 12

_CROP = View("person", 256, 192)
_CROP_WITH_REGIONS = View("person", 512, 384)
_PAIRS_IN_A_ROW = 3
_SEAM = 3


def draw_poses(
    predictions: Predictions | None, truth: GroundTruth | None
) -> tuple[Mapping[str, bytes], Sequence[str]]:
    """Return the picture by its file name, and what it could not show; none where there is nothing to show.

    Args:
        predictions: of the shown trial.
        truth: the people that they are of.
    """
    if predictions is None or truth is None:
        return {}, []
    examples = find_examples(predictions, truth)
    readable, problems = [], []
    for example in evenly_ranked(examples, SHOWN_PEOPLE):
        try:
            readable.append((example, read_source(example.sample.source)))
        except UnreadableImageError as error:
            problems.append(f"Image {example.sample.written_id} cannot be shown: {error}")
    return {"poses.png": poses_picture(readable, truth.keypoints)} if readable else {}, problems


def poses_picture(examples: Sequence[tuple[Example, NDArray[np.uint8]]], keypoints: KeypointSet) -> bytes:
    """Return a PNG file: each person twice, with the true pose and with the predicted one.

    Args:
        examples: each with its whole image, (H, W, 3) RGB.
        keypoints: what is drawn.
    """
    sheet = contact_sheet(
        [_pair(example, image, keypoints) for example, image in examples],
        columns=_PAIRS_IN_A_ROW,
        captions=[_caption(example) for example, _ in examples],
        title="left the truth, right the prediction",
    )
    return bytes(cv2.imencode(".png", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))[1])


def _pair(example: Example, image: NDArray[np.uint8], keypoints: KeypointSet) -> NDArray[np.uint8]:
    view = _CROP_WITH_REGIONS if keypoints.regions else _CROP
    matrix = crop_matrix(example.person.box, view)
    crop = warp(image, matrix, view)
    truth = example.person.keypoints
    left = draw_pose(crop, transform(matrix, truth[:, :2]), visible=truth[:, 2], keypoint_set=keypoints)
    right = crop
    if example.predicted is not None:
        finite = np.isfinite(example.predicted)
        places = transform(matrix, np.where(finite, example.predicted, 0.0))
        right = draw_pose(crop, places, visible=2 * finite.all(axis=1), keypoint_set=keypoints)
    seam = np.full((view.height, _SEAM, 3), 255, np.uint8)
    return np.concatenate([left, seam, right], axis=1)


def _caption(example: Example) -> str:
    found = f"OKS {example.similarity:.3f}" if example.predicted is not None else "no pose predicted"
    return f"{found}, image {example.sample.written_id}"
