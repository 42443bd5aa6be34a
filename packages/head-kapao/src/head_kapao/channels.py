"""The meaning of an anchor's outputs, channel by channel.

Source: KAPAO (McNally, thesis, 2022), section 4.2.1; the confidences are its section 5's future work.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Channels:
    """The places of an anchor's outputs among its channels.

    In order: box (x, y, width, height), objectness, K + 1 classes, K keypoints (x1, y1, x2, ...),
    confidences. Class 0 is a person; class k is keypoint k, counted from 1.

    Attributes:
        keypoints: K.
        confidence: whether K confidences of the pose's keypoints come last.
    """

    keypoints: int
    confidence: bool = False

    @property
    def count(self) -> int:
        """The number of one anchor's channels, C: 3 K + 6, or 4 K + 6 with confidences."""
        return 6 + (4 if self.confidence else 3) * self.keypoints

    @property
    def box(self) -> slice:
        """The places of the box: x, y, width, height."""
        return slice(0, 4)

    @property
    def objectness(self) -> int:
        """The place of the objectness."""
        return 4

    @property
    def classes(self) -> slice:
        """The places of the K + 1 classes."""
        return slice(5, 6 + self.keypoints)

    @property
    def offsets(self) -> slice:
        """The places of the keypoints: x1, y1, x2, ..."""
        return slice(6 + self.keypoints, 6 + 3 * self.keypoints)

    @property
    def confidences(self) -> slice:
        """The places of the confidences; empty without them."""
        return slice(6 + 3 * self.keypoints, self.count)
