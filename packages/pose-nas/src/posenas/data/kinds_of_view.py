"""The choice of the kind of view, the one place where kinds are told apart by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

from posenas.data.clip_views import ClipViews
from posenas.data.image_views import ImageViews
from posenas.data.person_views import PersonViews

if TYPE_CHECKING:
    from posenas.contract.batches import View
    from posenas.data.views import Views

KINDS: Mapping[str, type[PersonViews] | type[ImageViews]] = MappingProxyType(
    {"person": PersonViews, "image": ImageViews}
)
"""The classes of views that a head may ask for, by `View.kind`."""


def views_of(view: View, *, frames: int = 1) -> Views:
    """Return the views that a network is shown.

    Args:
        view: what the head asks for.
        frames: that the network looks at together, which the space decides; from 2 on they are clips of
            the person in the view.
    """
    return KINDS[view.kind](view) if frames == 1 else ClipViews(view, frames)
