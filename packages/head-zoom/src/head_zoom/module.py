"""The module of the head: maps of the body, boxes in them, and networks of regions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from posenas import Batch, KeypointSet, Level, Poses
from posenas.heatmaps import QUARTER
from posenas.layers import full_precision, own_maps
from posenas.training import constant
from torch import Tensor, nn

from head_zoom.boxes import around, enlarge, trained
from head_zoom.decoding import locate, locate_points
from head_zoom.exported import DecodedZoom
from head_zoom.losses import part_loss, teaching_loss
from head_zoom.maps import MapsInBoxes, ZoomOutputs, to_map, whole_view
from head_zoom.moving import average_mirrored
from head_zoom.parts import BODY, BOX_POINTS, ZOOMED, parts_of
from head_zoom.roi_align import roi_align
from head_zoom.targets import Coding, ZoomTargets, encode, make_targets

_LEAST = 2
"""The least side of a box, in quarters of the view's pixels: less is one cell of a level or none."""

_MOST = 2
"""The greatest side of a box, in longer sides of the view."""

_REGION = 64
"""The side of a map that the standard deviation of the regions' targets is told for."""


@dataclass(frozen=True)
class Zoom:
    """How one network looks closely at its regions.

    Attributes:
        level: the level that features are cropped from.
        expansion: times the sides of the found boxes.
        size: bins along a side of a region, and pixels along a side of its maps.
        network: (M, C, size, size) features to (M, K, size, size) maps.
    """

    level: Level
    expansion: float
    size: int
    network: nn.Module


class ZoomModule(nn.Module):
    """The module of the head `zoom`: outputs are the maps in boxes of `body`, `face` and `hand`.

    Args:
        keypoints: a keypoint set with a face and hands.
        level: the level that the body's maps are made from.
        zooms: how `face` and `hand` are looked at.
        view: height and width of the view, pixels.
        coding: how points and maps belong together.
        sigma: standard deviation of the body's targets, in pixels of maps at 1/4 of the view.
        region_sigma: standard deviation of the regions' targets, in pixels of maps with 64 along a side.
    """

    def __init__(
        self,
        keypoints: KeypointSet,
        level: Level,
        zooms: Mapping[str, Zoom],
        *,
        view: tuple[int, int],
        coding: Coding,
        sigma: float,
        region_sigma: float,
    ) -> None:
        super().__init__()
        self.parts = {part.name: part for part in parts_of(keypoints)}
        self.level = level
        self.view = view
        self.coding = coding
        self._sigma, self._region_sigma = sigma, region_sigma
        self.levels = {name: zoom.level for name, zoom in zooms.items()}
        self.expansions = {name: zoom.expansion for name, zoom in zooms.items()}
        self.sizes = {name: zoom.size for name, zoom in zooms.items()}
        self.body = nn.Conv2d(level.channels, len(self.parts[BODY].points[0]), kernel_size=1)
        nn.init.normal_(self.body.weight, std=0.001)
        nn.init.zeros_(self.body.bias)  # type: ignore[arg-type]
        self.face, self.hand = (zooms[name].network for name in ZOOMED)
        self._box_points = BOX_POINTS * len(keypoints.regions)
        found = [
            point
            for part in self.parts.values()
            for row in part.points
            for point in row
            if point < len(keypoints)
        ]
        self._order = [found.index(index) for index in range(len(keypoints))]

    def forward(self, features: Mapping[str, Tensor], targets: ZoomTargets | None = None) -> ZoomOutputs:
        """Return the maps in boxes.

        In training the networks of regions see the true box where the own one overlaps it by less than half
        of their union; otherwise, and where no true box is known, they see the own one.
        """
        maps = own_maps(features)
        body = self._body_maps(maps[self.level.name])
        own = self._found_boxes(body)
        outputs = {BODY: body}
        for name in ZOOMED:
            boxes = self._boxes(name, own, targets if self.training else None)
            outputs[name] = self._look_closely(name, maps[self.levels[name].name], boxes)
        return outputs

    def _body_maps(self, level: Tensor) -> MapsInBoxes:
        """Return the body's maps, in float32 even under autocast: bfloat16 is too coarse for a peak."""
        with full_precision(level):
            maps = self.body(level.float()).unsqueeze(1)
        return MapsInBoxes(maps, self._whole_view(level, self.level))

    def _whole_view(self, maps: Tensor, level: Level) -> Tensor:
        """Return the box of a level's (N, C, H, W) maps, (N, 1, 4)."""
        box = whole_view(self.view, maps.shape[2:], stride=level.stride, encoding=self.coding.encoding)
        return constant(box, maps, dtype=torch.float32).expand(maps.shape[0], 1, 4)

    def _found_boxes(self, body: MapsInBoxes) -> Tensor:
        """Return the boxes around the five points that the body's maps show of each region, (N, R, 4)."""
        if body.maps.is_meta:  # costs are counted there: they do not depend on where boxes are
            return body.boxes.new_empty(len(body.maps), self._box_points // BOX_POINTS, 4)
        last = MapsInBoxes(body.maps[:, :, -self._box_points :], body.boxes)
        points = locate_points(last, coding=self.coding, sigma=self._sigma_of(BODY, body))
        return around(torch.unflatten(points.squeeze(1), 1, (-1, BOX_POINTS)))

    def _boxes(self, name: str, own: Tensor, targets: ZoomTargets | None) -> Tensor:
        """Return the boxes that a part's features are cropped from, (N, R of the part, 4)."""
        regions = constant(self.parts[name].regions, own, dtype=torch.int64)
        boxes = self._enlarged(own[:, regions], self.expansions[name])
        if targets is None:
            return boxes
        true = self._enlarged(targets.boxes[:, regions], self.expansions[name])
        return trained(boxes, true, targets.known[:, regions])

    def _enlarged(self, boxes: Tensor, expansion: float) -> Tensor:
        return enlarge(boxes, expansion, least=_LEAST * QUARTER, most=_MOST * max(self.view))

    def _look_closely(self, name: str, maps: Tensor, boxes: Tensor) -> MapsInBoxes:
        """Return a part's maps: its network sees all regions of all people at once."""
        corners = to_map(
            torch.unflatten(boxes, 2, (2, 2)), self._whole_view(maps, self.levels[name]), maps.shape[2:]
        )
        cells = corners.flatten(2) + 0.5  # a cell is 1 wide, and its centre is its index
        cropped = roi_align(maps, cells, self.sizes[name])
        found = self.get_submodule(name)(cropped.flatten(0, 1)).float()
        return MapsInBoxes(torch.unflatten(found, 0, cropped.shape[:2]), boxes)

    def targets(self, batch: Batch) -> ZoomTargets:
        """Return people's points and boxes: maps are encoded by `loss`, in the boxes of the outputs."""
        return make_targets(batch, self.coding)

    def loss(self, outputs: ZoomOutputs, targets: ZoomTargets) -> Tensor:
        """Return the sum of the losses of body, face and hands, each as the heat-map head's."""
        means, _ = self.loss_means(outputs, targets)
        return means.sum()

    def loss_means(self, outputs: ZoomOutputs, targets: ZoomTargets) -> tuple[Tensor, Tensor]:
        """Return the losses of body, face and hands, and the numbers of what each is the mean of."""
        losses, counts = zip(
            *(
                part_loss(
                    outputs[name],
                    encode(
                        targets,
                        part,
                        outputs[name],
                        coding=self.coding,
                        sigma=self._sigma_of(name, outputs[name]),
                    ),
                    distributions=self.coding.distributions,
                )
                for name, part in self.parts.items()
            ),
            strict=True,
        )
        return torch.stack(losses), torch.stack(counts)

    def distillation_loss(self, outputs: ZoomOutputs, teacher: ZoomOutputs) -> Tensor:
        """Return the sum over body, face and hands of how far maps are from the teacher's.

        The teacher's maps are looked at in the boxes and the resolution of the network that is taught.
        """
        return torch.stack(
            [teaching_loss(outputs[name], teacher[name], coding=self.coding) for name in self.parts]
        ).sum()

    def average_mirrored(self, outputs: ZoomOutputs, mirrored: ZoomOutputs) -> ZoomOutputs:
        """Return the mean of the maps in the boxes of the view that is not mirrored."""
        return {
            name: average_mirrored(
                outputs[name], mirrored[name], part=part, width=self.view[1], coding=self.coding
            )
            for name, part in self.parts.items()
        }

    def decode(self, outputs: ZoomOutputs, batch: Batch) -> Poses:  # noqa: ARG002
        """Decode every keypoint from the maps of its part, through their boxes, and its score."""
        return self._poses(outputs)

    def exported(self) -> DecodedZoom:
        """Return the module and its decoding as one."""
        return DecodedZoom(self, self._poses)

    def _poses(self, outputs: ZoomOutputs) -> Poses:
        places, scores = zip(*(self._keypoints(name, outputs[name]) for name in self.parts), strict=True)
        order = constant(self._order, scores[0], dtype=torch.int64)
        return Poses(torch.cat(places, dim=1)[:, order], torch.cat(scores, dim=1)[:, order])

    def _keypoints(self, name: str, outputs: MapsInBoxes) -> tuple[Tensor, Tensor]:
        """Return the places (N, R x K, 2) and scores of a part's keypoints, without boxes' points."""
        if name == BODY:
            outputs = MapsInBoxes(outputs.maps[:, :, : -self._box_points], outputs.boxes)
        places, scores = locate(outputs, coding=self.coding, sigma=self._sigma_of(name, outputs))
        return places.flatten(1, 2), scores.flatten(1, 2)

    def _sigma_of(self, name: str, outputs: MapsInBoxes) -> float:
        """Return the standard deviation of a part's targets in pixels of its maps."""
        height, _ = outputs.size
        if name == BODY:
            return self._sigma * QUARTER * height / self.view[0]
        return self._region_sigma * height / _REGION
