"""Decoding of maps in boxes: the points that they show, in pixels of the view."""

from __future__ import annotations

import torch
from posenas.heatmaps import find_peaks, peak_masses, peak_values, probabilities, refine
from torch import Tensor

from head_zoom.maps import MapsInBoxes, to_view
from head_zoom.targets import Coding


def locate(outputs: MapsInBoxes, *, coding: Coding, sigma: float) -> tuple[Tensor, Tensor]:
    """Return the points that maps show: (N, R, K, 2) pixels of the view, and their scores (N, R, K).

    The score of a distribution is its probability within 3 sigma of the peak, that of other maps the peak's
    value.

    Args:
        outputs: maps in boxes.
        coding: how points and maps belong together.
        sigma: standard deviation of the encoded Gaussians, pixels of the maps.
    """
    regions = outputs.maps.shape[:2]
    maps = outputs.maps.flatten(0, 1).float()
    if coding.distributions:
        maps = probabilities(maps)
    peaks = find_peaks(maps)
    positions = torch.unflatten(refine(maps, peaks, coding.encoding, sigma=sigma), 0, regions)
    places = to_view(positions, outputs.boxes, outputs.size)
    if not coding.distributions:
        return places, torch.unflatten(peak_values(maps, peaks), 0, regions)
    masses = peak_masses(maps, peaks, sigma=sigma).clamp(0.0, 1.0)  # rounding takes their sum past 1
    return places, torch.unflatten(masses, 0, regions)


@torch.no_grad()
def locate_points(outputs: MapsInBoxes, *, coding: Coding, sigma: float) -> Tensor:
    """Return the points alone, through which no gradient flows; for the arguments see `locate`."""
    places, _ = locate(MapsInBoxes(outputs.maps.detach(), outputs.boxes), coding=coding, sigma=sigma)
    return places
