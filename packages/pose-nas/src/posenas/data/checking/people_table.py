"""The people of a split as arrays, so that hundreds of thousands are judged in a second."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from posenas.contract.finding import Finding, first_cases

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from posenas.contract.samples import Person, Sample

_FARTHEST = 1e7
_EXAMPLES = 3


@dataclass(frozen=True)
class PeopleTable:
    """The T people of a split who are no crowd.

    Attributes:
        split: its name.
        samples: its images.
        images: (T,) the position of each person's image in `samples`.
        people: T people.
        boxes: (T, 4) x, y, width, height in pixels, at most 1e7.
        points: (T, K, 2) pixels, at most 1e7.
        visibility: (T, K), as annotated.
        areas: (T,) square pixels.
        sizes: (T, 2) annotated width and height of each person's image.
        lowest: (T, 2) least x and y of the labelled keypoints; infinite without any.
        highest: (T, 2) greatest x and y of the labelled keypoints; minus infinity without any.
    """

    split: str
    samples: Sequence[Sample]
    images: NDArray[np.int64]
    people: Sequence[Person]
    boxes: NDArray[np.float64]
    points: NDArray[np.float64]
    visibility: NDArray[np.float64]
    areas: NDArray[np.float64]
    sizes: NDArray[np.float64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.people)

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """The (T, K) keypoints that are labelled, as booleans."""
        return self.visibility > 0

    def finding(self, what: str, chosen: NDArray[np.bool_]) -> list[Finding]:
        """Return the finding on the chosen people, (T,), or on their chosen keypoints, (T, K)."""
        first = np.argwhere(chosen)[:_EXAMPLES].tolist()
        cases = [self._name(*place) for place in first]
        return first_cases(what, int(np.count_nonzero(chosen)), cases, split=self.split)

    def _name(self, person: int, keypoint: int | None = None) -> str:
        name = f"{self.samples[self.images[person]].source}, person {self.people[person].id}"
        if keypoint is None:
            return name
        x, y = self.points[person, keypoint]
        return f"{name}, keypoint {keypoint + 1} ({x:.6g}, {y:.6g}, {self.visibility[person, keypoint]:.3g})"

    def only(self, chosen: NDArray[np.bool_]) -> PeopleTable:
        """Return the table of the chosen people, (T,)."""
        return replace(
            self,
            images=self.images[chosen],
            people=[person for person, kept in zip(self.people, chosen, strict=True) if kept],
            boxes=self.boxes[chosen],
            points=self.points[chosen],
            visibility=self.visibility[chosen],
            areas=self.areas[chosen],
            sizes=self.sizes[chosen],
            lowest=self.lowest[chosen],
            highest=self.highest[chosen],
        )

    def with_sizes_exchanged(self, images: NDArray[np.int64]) -> PeopleTable:
        """Return the table as if width and height of these images were exchanged."""
        theirs = np.isin(self.images, images)
        return replace(self, sizes=np.where(theirs[:, None], self.sizes[:, ::-1], self.sizes))


def people_table(samples: Sequence[Sample], keypoints: int, *, split: str) -> PeopleTable:
    """Return the table of everybody in a split but crowds.

    Args:
        samples: the images of the split.
        keypoints: K, which no person tells if there is nobody.
        split: the split's name.
    """
    found = [
        (index, person)
        for index, sample in enumerate(samples)
        for person in sample.people
        if not person.crowd
    ]
    people = [person for _, person in found]
    images = np.array([index for index, _ in found], np.int64)
    poses = np.array([person.keypoints for person in people], np.float64).reshape(-1, keypoints, 3)
    sizes = np.array([(sample.width, sample.height) for sample in samples], np.float64).reshape(-1, 2)
    boxes = np.array([person.box for person in people], np.float64).reshape(-1, 4)
    points, labelled = poses[..., :2].clip(-_FARTHEST, _FARTHEST), poses[..., 2:] > 0
    return PeopleTable(
        split=split,
        samples=samples,
        images=images,
        people=people,
        boxes=boxes.clip(-_FARTHEST, _FARTHEST),
        points=points,
        visibility=poses[..., 2],
        areas=np.array([person.area for person in people], np.float64),
        sizes=sizes[images],
        lowest=points.min(axis=1, where=labelled, initial=np.inf),
        highest=points.max(axis=1, where=labelled, initial=-np.inf),
    )
