"""Scores: what an evaluator reads, and what it returns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.samples import Sample


@dataclass(frozen=True)
class Metric:
    """A named figure, its unit ("" for a share or an average precision), and which way is better.

    Attributes:
        part: the part of the body that it is of, with which the name begins: `face` of `face.AP`. Empty for
            the whole. The report shows the figures of parts in a table with a row for each part.
    """

    name: str
    unit: str = ""
    higher_is_better: bool = True
    part: str = ""

    def text(self, value: float) -> str:
        """Return a figure as it is shown: with three digits behind the point, and the unit."""
        return f"{value:.3f} {self.unit}".rstrip()


@dataclass(frozen=True)
class Predictions:
    """The P poses predicted over a whole split, as arrays.

    Attributes:
        image_ids: (P,) int64, ids of the samples.
        keypoints: (P, K, 2) float64, pixels of the original image.
        keypoint_scores: (P, K) float64.
        scores: (P,) float64, scores of the poses as wholes; only their order matters to `oks`.
        part_scores: (P,) float64 scores of the poses' parts, by the names of the regions in the keypoint set;
            a part without any has the pose's.
        tracks: (P,) int64, who each pose is through a video; None where nobody is followed.
    """

    image_ids: NDArray[np.int64]
    keypoints: NDArray[np.float64]
    keypoint_scores: NDArray[np.float64]
    scores: NDArray[np.float64]
    part_scores: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    tracks: NDArray[np.int64] | None = None

    def chosen(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Predictions:
        """Return the poses at these rows: (P,) bool, or indices in their order."""
        return Predictions(
            image_ids=self.image_ids[rows],
            keypoints=self.keypoints[rows],
            keypoint_scores=self.keypoint_scores[rows],
            scores=self.scores[rows],
            part_scores={name: scores[rows] for name, scores in self.part_scores.items()},
            tracks=None if self.tracks is None else self.tracks[rows],
        )


@dataclass(frozen=True)
class GroundTruth:
    """The samples of the evaluated split, and the keypoint set of their poses."""

    keypoints: KeypointSet
    samples: Sequence[Sample]


@dataclass(frozen=True)
class Evaluation:
    """The metrics by name, and a figure in [0, 1] for each keypoint that is labelled at least once."""

    metrics: Mapping[str, float]
    by_keypoint: Mapping[str, float] = field(default_factory=dict)
