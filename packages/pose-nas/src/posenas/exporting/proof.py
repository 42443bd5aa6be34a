"""The proof of an exported file: the same people looked at by torch and by onnxruntime."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from posenas.contract.batches import Batch, Poses
from posenas.contract.components import Evaluator, HeadModule
from posenas.contract.errors import PosenasError
from posenas.contract.scores import Metric
from posenas.data.normalising import normalisation_of, normalise
from posenas.data.views import EvaluatedViews
from posenas.exporting.people import Crowd
from posenas.exporting.runtime import POSES, Arrays, ExportedNetwork, fed_by, poses_of
from posenas.networks.output_change import tensors_in
from posenas.prediction.trained import TrainedNetwork

FEW = 0.001
"""The share of the keypoints that may lie elsewhere: two pixels of a map can be equally high."""

MAPS_TOLERANCE = 1e-3
"""The largest difference of maps that is taken for rounding, as a share of their largest value."""


@dataclass(frozen=True)
class Proof:
    """How far a file's poses are from torch's for the same views.

    Attributes:
        source: where the people are from.
        views: how many were looked at: people, or whole images.
        metric: name of the metric.
        torch: its value by torch; None where the people have other labels than the network.
        onnx: its value by the file.
        lost: how much worse the file is by the metric; None where nothing could be scored.
        maps_difference: the largest difference of the head's outputs, as a share of the largest value.
        largest_drift: pixels of the view between a keypoint by torch and by the file.
        mean_drift: the mean over all keypoints.
        moved: keypoints that lie further away than the tolerance, or that one of the two does not find.
        keypoints: all of them.
        tolerance: pixels of the view.
    """

    source: str
    views: int
    metric: str
    torch: float | None
    onnx: float | None
    lost: float | None
    maps_difference: float
    largest_drift: float
    mean_drift: float
    moved: int
    keypoints: int
    tolerance: float

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        return asdict(self)

    def check(self) -> None:
        """Raise PosenasError if the file gives other maps or poses than torch."""
        if self.maps_difference > MAPS_TOLERANCE:
            raise PosenasError(
                f"the file's maps differ from torch's by {self.maps_difference:.2g} of their largest value, "
                f"above {MAPS_TOLERANCE:g}; another --opset may do"
            )
        if self.moved > FEW * self.keypoints:
            raise PosenasError(
                f"{self.moved} of {self.keypoints} keypoints of the file lie more than {self.tolerance:g} "
                f"pixels from torch's, the farthest by {self.largest_drift:.3g}; another --opset or a larger "
                "--tolerance may do"
            )


def prove(
    trained: TrainedNetwork,
    exported: ExportedNetwork,
    crowd: Crowd,
    *,
    views: EvaluatedViews,
    evaluator: Evaluator,
    metric: str,
    tolerance: float,
) -> Proof:
    """Return how far the file's poses are from torch's.

    Args:
        trained: the network, on the CPU and in float32.
        exported: its file.
        crowd: the people.
        views: those of the crowd.
        evaluator: scores the poses by its first metric.
        metric: that metric's name with the evaluator's.
        tolerance: pixels of the view.
    """
    looks = list(_looks(trained, exported, views))
    drifts = np.concatenate([look.drifts for look in looks] or [np.empty(0)])
    found = np.isfinite(drifts)
    by_torch, by_file = ([getattr(look, side) for look in looks] for side in ("torch", "onnx"))
    own, other = (crowd.score(evaluator, views.locate(poses)) for poses in (by_torch, by_file))
    return Proof(
        source=crowd.source,
        views=len(views),
        metric=metric,
        torch=own,
        onnx=other,
        lost=_lost(own, other, evaluator.metrics()[0]),
        maps_difference=_largest_share(looks),
        largest_drift=float(drifts[found].max(initial=0.0)),
        mean_drift=float(drifts[found].mean()) if found.any() else 0.0,
        moved=int((drifts > tolerance).sum()),
        keypoints=len(drifts),
        tolerance=tolerance,
    )


@dataclass(frozen=True)
class _Look:
    """One batch by torch and by the file.

    Attributes:
        differences: the largest one of each of the head's outputs.
        magnitudes: the largest value of each of the head's outputs.
        drifts: pixels of the view; infinite where one of the two finds nobody.
    """

    torch: Poses
    onnx: Poses
    differences: NDArray[np.float64]
    magnitudes: NDArray[np.float64]
    drifts: NDArray[np.float64]


@torch.no_grad()
def _looks(trained: TrainedNetwork, exported: ExportedNetwork, views: EvaluatedViews) -> Iterator[_Look]:
    rule = normalisation_of(trained.view)
    head = cast(HeadModule, trained.network.head)
    for batch in views.batches(trained.settings.batch_size, device=torch.device("cpu")):
        outputs = trained.network(normalise(batch.images, rule))
        poses = head.decode(outputs, batch)
        of_file = exported(*fed_by(batch))
        found = poses_of(of_file)
        yield _Look(poses, found, *_differences(outputs, of_file), drifts=_drifts(poses, found, batch))


def _differences(outputs: object, of_file: Arrays) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the largest difference and the largest value of each of the head's outputs."""
    others = [values for name, values in of_file.items() if name not in POSES]
    own = [each.float().numpy() for each in tensors_in(outputs)]
    differences = [np.abs(mine - other).max() for mine, other in zip(own, others, strict=True)]
    return np.array(differences), np.array([np.abs(mine).max() for mine in own])


def _largest_share(looks: Sequence[_Look]) -> float:
    """Return the largest difference of any of the head's outputs, as a share of its largest value."""
    differences, magnitudes = (
        np.max([getattr(look, name) for look in looks], axis=0) for name in ("differences", "magnitudes")
    )
    return float((differences / np.maximum(magnitudes, np.finfo(np.float32).tiny)).max())


def _lost(by_torch: float | None, by_file: float | None, metric: Metric) -> float | None:
    if by_torch is None or by_file is None:
        return None
    return by_torch - by_file if metric.higher_is_better else by_file - by_torch


def _drifts(poses: Poses, found: Poses, batch: Batch) -> NDArray[np.float64]:
    if poses.views is None or found.views is None:
        return _distances(poses.keypoints, found.keypoints)
    parts = [
        _paired(poses.keypoints[poses.views == view], found.keypoints[found.views == view])
        for view in range(len(batch.images))
    ]
    return np.concatenate(parts)


def _paired(mine: torch.Tensor, others: torch.Tensor) -> NDArray[np.float64]:
    """Return the drifts of the people of one view, each with the nearest one who is still free."""
    apart = torch.cdist(mine.flatten(1).double(), others.flatten(1).double())
    people, keypoints = len(mine), mine.shape[1]
    drifts = [np.full(abs(people - len(others)) * keypoints, np.inf)]
    for _ in range(min(people, len(others))):
        one, other = divmod(int(apart.argmin()), len(others))
        drifts.append(_distances(mine[one], others[other]))
        apart[one], apart[:, other] = torch.inf, torch.inf
    return np.concatenate(drifts)


def _distances(points: torch.Tensor, others: torch.Tensor) -> NDArray[np.float64]:
    distances: NDArray[np.float64] = (points.double() - others.double()).norm(dim=-1).flatten().numpy()
    return distances
