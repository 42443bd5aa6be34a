"""Checks of every head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn

from posenas.composing.checks.gradients import gradient_problem
from posenas.composing.checks.rehearsal import rehearse_head, selection_problem
from posenas.composing.plugins import Owner
from posenas.contract.batches import Batch, Poses
from posenas.contract.components import FlipTest, Head
from posenas.kit.check import Check, require
from posenas.kit.fitting import fitted
from posenas.kit.modules_of_heads import Built, build
from posenas.kit.people import at_the_border, mirrored, without_labels

_NEAR = 0.02
"""The largest error of a decoded keypoint, as a share of the view's longer side; or half a map's pixel."""
_UNDONE = 1.25
"""The pixels of the view by which a keypoint may lie farther from the truth for the flip test: half of what
is added to its place in mirrored outputs."""
_FITTED = 2
"""The views whose outputs are fitted."""
_STEPS = 15
_LEARNING_RATE = 0.01
_FALL = 0.999


def selected_levels_are_offered(head: Head) -> None:
    """Check that select returns some of the levels that it is offered."""
    built = build(head)
    problem = selection_problem(built.levels, built.offered)
    require(not problem, problem)


def nobody_is_no_error(head: Head) -> None:
    """Check that targets, loss and decoding work where somebody, nobody in one view or nobody is labelled."""
    built = build(head)
    rehearse_head(head, built.offered, built.keypoints, owner=Owner("head", type(head).__name__))


def every_parameter_gets_a_gradient(head: Head) -> None:
    """Check that the loss depends on each parameter of the module."""
    built = build(head)
    _loss(built, built.batch).backward()  # type: ignore[no-untyped-call]
    problem = gradient_problem(built.module)
    require(not problem, problem)


def the_loss_falls_on_eight_pictures(head: Head) -> None:
    """Check that the module learns eight pictures of people in a few steps of Adam."""
    built = build(head)
    built.module.train()
    optimizer = torch.optim.Adam(built.module.parameters(), lr=_LEARNING_RATE)
    losses = []
    for _ in range(_STEPS):
        loss = _loss(built, built.batch)
        losses.append(float(loss.detach()))
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    require(
        losses[-1] < _FALL * losses[0],
        f"the loss goes from {losses[0]:.3g} to {losses[-1]:.3g} in {_STEPS} steps, expected a fall",
    )


def truth_is_decoded(head: Head) -> None:
    """Check that outputs of the least loss are decoded to the true people."""
    built = build(head, views=_FITTED)
    _compare(built, _error_of(built, built.batch))


def people_at_the_border_are_decoded(head: Head) -> None:
    """Check that people at the border of the view, or reaching beyond it, are decoded as well as others."""
    built = build(head, views=_FITTED)
    others = _error_of(built, built.batch)
    _compare(built, _error_of(built, at_the_border(built.batch, built.view)), others=others)


def unlabelled_keypoints_do_not_count(head: Head) -> None:
    """Check that the loss does not depend on where an unlabelled keypoint is said to be."""
    built = build(head)
    losses = []
    for place in (0.0, built.view.height / 2):
        batch = without_labels(built.batch, indices=slice(0, 3), place=place)
        with torch.no_grad():
            losses.append(float(_loss(built, batch)))
    require(
        abs(losses[0] - losses[1]) <= 1e-5 * max(1.0, abs(losses[0])),
        f"the loss is {losses[0]:.6g} or {losses[1]:.6g} by where three unlabelled keypoints are",
    )


def mirrored_outputs_are_undone(head: Head) -> str:
    """Check that outputs averaged with those for mirrored views are decoded as well as by themselves."""
    built = build(head, views=_FITTED)
    if not isinstance(built.module, FlipTest):
        return "its module has no average_mirrored; without it there is no flip test"
    turned_batch = mirrored(built.batch, built.view, built.keypoints)
    outputs, turned = _fitted(built, built.batch), _fitted(built, turned_batch)
    with torch.no_grad():
        averaged = built.module.average_mirrored(outputs, turned)
    own = _distances(built, _decoded(built, outputs, built.batch), built.batch)
    other = _distances(built, _decoded(built, turned, turned_batch), turned_batch)
    farther = _distances(built, _decoded(built, averaged, built.batch), built.batch) - torch.fmax(
        own, other[:, list(built.keypoints.mirrored)]
    )
    error = _worst(built, farther)
    require(
        error.pixels <= _UNDONE,
        f"{error.keypoint} is decoded {error.pixels:.1f} pixels of the view farther from its true place with "
        "average_mirrored than without",
    )
    return ""


def _loss(built: Built, batch: Batch) -> Tensor:
    targets = built.module.targets(batch)
    return cast(Tensor, built.module.loss(built.module(built.features, targets), targets))


def _fitted(built: Built, batch: Batch) -> Any:
    targets = built.module.targets(batch)
    with torch.no_grad():
        outputs = built.module(built.features, targets)
    return fitted(outputs, lambda each: cast(Tensor, built.module.loss(each, targets)))


@torch.no_grad()
def _decoded(built: Built, outputs: Any, batch: Batch) -> Poses:
    cast(nn.Module, built.module).eval()
    return cast(Poses, built.module.decode(outputs, batch))


@dataclass(frozen=True)
class _Error:
    """The decoded keypoint that is farthest from the truth, and how far, in pixels of the view."""

    keypoint: str
    pixels: float


def _error_of(built: Built, batch: Batch) -> _Error:
    return _error(built, _decoded(built, _fitted(built, batch), batch), batch)


def _error(built: Built, poses: Poses, batch: Batch) -> _Error:
    return _worst(built, _distances(built, poses, batch))


def _distances(built: Built, poses: Poses, batch: Batch) -> Tensor:
    """Return the (T, K) pixels between true keypoints and those of the nearest pose of their view.

    They are NaN where a keypoint is not labelled, or lies outside of the view.
    """
    found = torch.full(batch.keypoints.shape[:2], torch.nan)
    for person, truth in enumerate(batch.keypoints):
        inside = (batch.labelled[person] > 0) & (truth >= 0).all(1)
        inside &= (truth[:, 0] <= built.view.width - 1) & (truth[:, 1] <= built.view.height - 1)
        distances = (_of(poses, batch, person)[:, inside] - truth[inside]).norm(dim=2)
        require(len(distances) > 0, f"nobody is decoded in view {person}, where somebody is")
        found[person, inside] = distances[distances.mean(1).argmin()]
    return found


def _worst(built: Built, distances: Tensor) -> _Error:
    largest = distances.nan_to_num(-torch.inf).amax(0)
    return _Error(built.keypoints.names[int(largest.argmax())], float(largest.max()))


def _compare(built: Built, error: _Error, *, others: _Error | None = None) -> None:
    """Raise PosenasError where an error is too large, or where it is much larger than those of others."""
    near = max(
        _NEAR * max(built.view.height, built.view.width), min(each.stride for each in built.levels) / 2
    )
    limit = near + (others.pixels if others else 0.0)
    words = f"{error.keypoint} is decoded {error.pixels:.1f} pixels of the view from its true place"
    require(error.pixels <= limit, words)


def _of(poses: Poses, batch: Batch, person: int) -> Tensor:
    """Return the (P, K, 2) poses in the view that a person is in."""
    if poses.views is None or batch.views is None:
        return poses.keypoints[person : person + 1]
    return poses.keypoints[poses.views == batch.views[person]]


HEAD_CHECKS = (
    Check(selected_levels_are_offered, "return some of the levels that select is given, unchanged"),
    Check(nobody_is_no_error, "let the loss be finite, and the poses have all keypoints, for nobody too"),
    Check(
        every_parameter_gets_a_gradient,
        "leave out modules that the loss does not depend on, and detach nothing",
    ),
    Check(
        the_loss_falls_on_eight_pictures,
        "look at the loss's sign and scale, and at how weights are initialised",
    ),
    Check(truth_is_decoded, "let decode undo what targets encodes, in pixels of the view"),
    Check(people_at_the_border_are_decoded, "let targets and decode reach from 0 to the view's last pixel"),
    Check(unlabelled_keypoints_do_not_count, "multiply the loss of each keypoint by batch.labelled"),
    Check(
        mirrored_outputs_are_undone, "turn the outputs back and exchange left and right: KeypointSet.mirrored"
    ),
)
