"""A warning before the training: regions whose boxes nobody tells."""

from __future__ import annotations

from collections.abc import Sequence

from posenas import KeypointSet, Person, Sample


def box_warning(samples: Sequence[Sample], keypoints: KeypointSet) -> str | None:
    """Return a warning if some region has no known box in any of the samples; it is not learnt then.

    A box is known where it is annotated, or where all keypoints of the region are labelled.

    Args:
        samples: training images with their people.
        keypoints: the keypoint set of the people, which names the regions.
    """
    people = [person for sample in samples for person in sample.people if not person.crowd]
    unknown = [
        name
        for name, indices in keypoints.regions.items()
        if not any(_knows(person, name, indices) for person in people)
    ]
    if not people or not unknown:
        return None
    return (
        f"none of {len(people)} people has a box of {' or '.join(unknown)}, so it cannot be learnt where "
        "to look closely; annotate boxes, or label all keypoints of such a region"
    )


def _knows(person: Person, region: str, indices: Sequence[int]) -> bool:
    return region in person.regions or bool((person.keypoints[list(indices), 2] > 0).all())
