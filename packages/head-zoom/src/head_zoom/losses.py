"""Losses of maps in boxes: against the truth, and against a teacher's maps in boxes of its own."""

from __future__ import annotations

from posenas.heatmaps import (
    HeatmapTargets,
    counted,
    divergence,
    log_probabilities,
    mean_squared_error,
)
from posenas.training import constant
from torch import Tensor

from head_zoom.maps import MapsInBoxes
from head_zoom.moving import move_distributions, move_values
from head_zoom.targets import Coding


def part_loss(outputs: MapsInBoxes, targets: HeatmapTargets, *, distributions: bool) -> tuple[Tensor, Tensor]:
    """Return a part's loss, and the number of what it is the mean of: of points, or of people.

    Args:
        outputs: maps of N people and R regions.
        targets: the Gaussians of the N x R maps.
        distributions: whether maps are distributions over pixels, or images of values.
    """
    maps = outputs.maps.flatten(0, 1)
    if distributions:
        return divergence(maps, targets), counted(targets)
    return mean_squared_error(maps, targets), constant(len(outputs.maps), maps)


def teaching_loss(outputs: MapsInBoxes, teacher: MapsInBoxes, *, coding: Coding) -> Tensor:
    """Return how far maps are from a teacher's, which are looked at in the boxes of the learner.

    It is the cross-entropy or the squared difference, as a mean. What lies outside the teacher's box is not
    known: values there do not count, and a distribution counts by its share inside.

    Args:
        outputs: maps to be taught.
        teacher: maps of the same points, in boxes of their own; no gradient flows into them.
        coding: how points and maps belong together.
    """
    teacher = MapsInBoxes(teacher.maps.detach().float(), teacher.boxes)
    if coding.distributions:
        expected = move_distributions(teacher, outputs.boxes, outputs.size)
        logs = log_probabilities(outputs.maps.flatten(0, 1)).view_as(outputs.maps)
        return -(expected * logs).sum((3, 4)).mean()
    values, covered = move_values(teacher, outputs.boxes, outputs.size)
    return (covered * (outputs.maps.float() - values) ** 2).mean()
