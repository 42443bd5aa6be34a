"""Exported networks: loaded from their file, called on an image."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pose_run.cpu import lacks_fast_int8
from pose_run.errors import PoseRunError, message
from pose_run.manifest import Manifest, no_manifest, read_manifest
from pose_run.poses import Poses, judged
from pose_run.signature import misfit
from pose_run.threads import check_threads
from pose_run.views import crop, crop_matrices, invert, letterbox, shown_areas, transform

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray
    from onnxruntime import InferenceSession  # type: ignore[import-untyped]

_AT_ONCE = 8
"""The most crops in one run of the network: more take longer each, since their values leave the caches."""


@dataclass(frozen=True)
class Model:
    """An exported network, ready to find poses.

    Attributes:
        manifest: what its poses consist of, and how it looks at images.
    """

    manifest: Manifest
    _session: InferenceSession = field(repr=False)

    @property
    def finds_people(self) -> bool:
        """Whether it looks at whole images, so that it needs no boxes."""
        return self.manifest.view.kind == "image"

    def __call__(self, image: NDArray[np.uint8], *, boxes: ArrayLike | None = None) -> Poses:
        """Return the poses in an image.

        Args:
            image: (H, W, 3) red, green, blue.
            boxes: (P, 5) x, y, width, height in pixels and the score of each person that a detector found;
                None for one box, which is the whole image.

        Raises:
            PoseRunError: if the image or the boxes have another form, or the network needs no boxes.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise PoseRunError(
                f"an image has shape (H, W, 3) and type uint8, not {image.shape} {image.dtype}"
            )
        pixels = np.ascontiguousarray(image)
        if self.finds_people:
            if boxes is not None:
                raise PoseRunError("this network finds people by itself; leave the boxes out")
            return self._in_whole(pixels)
        if boxes is None:
            return self._in_boxes(pixels, np.array([[0.0, 0.0, *image.shape[1::-1]]]), np.ones(1))
        return self._in_detected(pixels, _checked(boxes))

    def _in_detected(self, image: NDArray[np.uint8], boxes: NDArray[np.float64]) -> Poses:
        rules, view = self.manifest.rules, self.manifest.view
        assert rules is not None
        boxes = boxes[boxes[:, 4] >= rules.box_threshold]
        poses = self._in_boxes(image, boxes[:, :4], boxes[:, 4])
        areas = shown_areas(invert(crop_matrices(boxes[:, :4], view)), view)
        sigmas = np.array(self.manifest.keypoints.sigmas)
        return judged(poses, boxes[:, 4], areas=areas, rules=rules, sigmas=sigmas)

    def _in_boxes(
        self, image: NDArray[np.uint8], boxes: NDArray[np.float64], box_scores: NDArray[np.float64]
    ) -> Poses:
        """Return a pose for each box, which scores the mean of its keypoints' times the box's score."""
        matrices = crop_matrices(boxes, self.manifest.view)
        count = len(self.manifest.keypoints)
        found: tuple[list[NDArray[Any]], list[NDArray[Any]]]
        found = [np.empty((0, count, 2))], [np.empty((0, count))]
        for start in range(0, len(boxes), _AT_ONCE):
            part = matrices[start : start + _AT_ONCE]
            crops = np.stack([crop(image, matrix, self.manifest.view) for matrix in part])
            for parts, output in zip(found, self._run(images=crops), strict=True):
                parts.append(output.astype(np.float64))
        in_view, scores = (np.concatenate(parts) for parts in found)
        regions = self.manifest.keypoints.regions
        return Poses(
            keypoints=transform(invert(matrices), in_view),
            keypoint_scores=scores,
            scores=scores.mean(axis=1) * box_scores,
            boxes=boxes,
            part_scores={
                name: scores[:, list(indices)].mean(axis=1) * box_scores for name, indices in regions.items()
            },
        )

    def _in_whole(self, image: NDArray[np.uint8]) -> Poses:
        picture, matrix = letterbox(image, self.manifest.view)
        pitch = np.array([1 / matrix[0, 0]], np.float32)
        outputs = self._run(images=picture[None], pitch=pitch)
        keypoints, keypoint_scores, scores, boxes = (each.astype(np.float64) for each in outputs)
        inverse = invert(matrix)
        corners = transform(inverse, boxes.reshape(-1, 2, 2))
        return Poses(
            keypoints=transform(inverse, keypoints),
            keypoint_scores=keypoint_scores,
            scores=scores,
            boxes=np.concatenate([corners[:, 0], corners[:, 1] - corners[:, 0]], axis=1),
        )

    def _run(self, **inputs: NDArray[Any]) -> list[NDArray[Any]]:
        outputs: list[NDArray[Any]] = self._session.run(list(self.manifest.outputs), inputs)
        return outputs


def load(path: str | Path, *, threads: int = 1, warn: Callable[[str], None] | None = None) -> Model:
    """Return the network in a file that `posenas export` wrote; its manifest lies beside it.

    Args:
        path: the ONNX file.
        threads: of the CPU, at most 1024; 0 takes one for each core.
        warn: told in one line if the file suits this CPU badly; None tells nobody.

    Raises:
        PoseRunError: if a file is missing, the manifest does not fit, this CPU cannot run the network, or
            there are too many threads.
    """
    check_threads(threads)
    file = Path(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise PoseRunError(f"{file}: {error.strerror}; give a file that `posenas export` wrote") from None
    manifest = read_manifest(file, content)
    if warn is not None and manifest.precision == "int8" and lacks_fast_int8():
        warn(
            f"{file}: of precision int8, and this CPU has no instructions for it; poses may be worse and "
            "take longer than with float32: export that for this machine"
        )
    session = _session(content, file, precision=manifest.precision, threads=threads)
    wrong = misfit(session, manifest)
    if wrong:
        raise no_manifest(file.with_suffix(".json"), wrong)
    return Model(manifest, session)


def _session(content: bytes, file: Path, *, precision: str, threads: int) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own errors share no type but this one
        raise PoseRunError(
            f"{file}: onnxruntime {onnxruntime.__version__} cannot run this network of precision {precision} "
            f"on this CPU ({message(str(error)):.200}); install a newer onnxruntime, or export with "
            "--opset 18 or as float32"
        ) from None


def _checked(boxes: ArrayLike) -> NDArray[np.float64]:
    try:
        found = np.asarray(boxes, np.float64)
    except ValueError as error:
        raise PoseRunError(f"boxes are rows of x, y, width, height and score ({error!s:.100})") from None
    found = found.reshape(-1, 5) if found.size == 0 else found
    if found.ndim != 2 or found.shape[1] != 5 or not np.isfinite(found).all():
        raise PoseRunError(
            f"boxes are finite rows of x, y, width, height and score, (P, 5), not {found.shape}"
        )
    return found
