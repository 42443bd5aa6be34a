"""Networks of a space, tried before anything is trained: are levels true, and do parameters get gradients?

Networks run on the meta device, where nothing is computed. Their feature maps have shapes there, which the
levels are compared with. The smallest network also computes, forward and back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from posenas.composing.checks.conformity import blamed, refuse
from posenas.composing.checks.gradients import gradient_problem, pictures, weighted_sum
from posenas.composing.joined import holding_backbone, own_space
from posenas.composing.plugins import Owner
from posenas.contract.batches import View
from posenas.contract.components import (
    Backbone,
    FrameByFrame,
    GuidedBackbone,
    Propagating,
    SearchSpace,
    WeightSharing,
)
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype
from posenas.contract.levels import Level
from posenas.networks.multiplications import Multiplications, WithoutPointwise
from posenas.networks.sharing import SharedWeights
from posenas.networks.without_values import WithoutValues
from posenas.networks.wrapped import BACKBONE

VIEWS = 2
"""The pictures that are in a batch."""
SEED = 0
_OTHER_SIZES = ((192, 128), (128, 192))
"""Sizes at which a small network's levels are compared too: the first that the head's view does not have."""
_GUIDE = 3
"""The channels of a guide in the rehearsal."""
_WITH_GUIDE = " with a guide"
_COMPUTED = 4_000_000
"""The most parameters of a network that computes in the rehearsal; making and running it takes 0.2 s."""


def rehearse_backbone(space: SearchSpace, genotype: Genotype, view: View, *, owner: Owner) -> Sequence[Level]:
    """Return the levels of a genotype's network, which are compared with what it gives.

    Args:
        space: the one that builds the network.
        genotype: one of the space's.
        view: the head's.
        owner: the space's plugin.

    Raises:
        PosenasError: if the network cannot be built or run without values, or a level is not true.
    """
    outline = _outlined(space, genotype, owner=owner)
    for look in looks(outline):
        _rehearse_levels(look, view, owner=owner)
    with torch.device("meta"), WithoutValues():
        guided = _guided(outline, owner=owner)
        guide = _guide(view)
    for look in guided:
        _rehearse_levels(look, view, guide=guide, owner=owner)
    return outline.levels


def rehearse_small_network(space: SearchSpace, genotype: Genotype, view: View, *, owner: Owner) -> None:
    """Compare a network's levels at another input size too, and have it compute forward and back.

    A network of more than four million parameters does not compute: to make its values takes longer than
    everything else that composing does. `posenas check` has it compute.

    Args:
        space: the one that builds the network.
        genotype: of a small network.
        view: the head's, which the other size differs from.
        owner: the space's plugin.

    Raises:
        PosenasError: if a level is not true at the other size, or a parameter gets no finite gradient.
    """
    outline = _outlined(space, genotype, owner=owner)
    other = next(each for each in _OTHER_SIZES if each != (view.height, view.width))
    for look in looks(outline):
        _rehearse_levels(look, replace(view, height=other[0], width=other[1]), owner=owner)
    if sum(each.numel() for each in cast(nn.Module, outline).parameters()) > _COMPUTED:
        return
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        with blamed(owner, "build"), torch.device("cpu"):
            network = space.build(genotype)
        for look in looks(network):
            _rehearse_step(look, pictures(VIEWS), owner=owner)
        for look in _guided(network, owner=owner):
            _rehearse_step(look, pictures(VIEWS), _guide(view), owner=owner)


def _rehearse_step(look: Backbone | GuidedBackbone, *inputs: Tensor, owner: Owner) -> None:
    with blamed(owner, f"a step of its network{_WITH_GUIDE * (len(inputs) > 1)}"):
        features = cast(nn.Module, look).train()(*inputs)
        weighted_sum({level.name: features[level.name] for level in look.levels}).backward()  # type: ignore[no-untyped-call]
    problem = gradient_problem(cast(nn.Module, look))
    refuse(owner, problem and f"{problem}; leave out what forward does not use, and detach nothing")


def _guided(backbone: Backbone | FrameByFrame, *, owner: Owner) -> Sequence[GuidedBackbone]:
    """Return the networks of a clip's frames that get guides, and listen from now on; none of an image's."""
    if not isinstance(backbone, FrameByFrame):
        return ()
    with blamed(owner, "listen of its network"):
        listening(backbone)
    return backbone.frames[1:]


def _guide(view: View) -> Tensor:
    """Return a guide as heads give it, at a quarter of the view's size, on torch's default device."""
    return torch.ones(VIEWS, _GUIDE, *shape(Level("guide", 4, _GUIDE), view))


def rehearse_nesting(space: WeightSharing, genotypes: Sequence[Genotype], *, owner: Owner) -> None:
    """Check that the tensors of a space's networks are slices of its holder's; on the meta device.

    Args:
        space: the one that builds the networks.
        genotypes: some of the space.
        owner: the space's plugin.

    Raises:
        PosenasError: if a tensor of one of them is not in the holder, or no slice of what is there.
    """
    with blamed(owner, "build of its holder"), torch.device("meta"), WithoutValues():
        shared = shared_backbone(space)
    for genotype in genotypes:
        with blamed(owner, "build"), torch.device("meta"), WithoutValues():
            network = cast(nn.Module, listening(space.build(genotype)))
        try:
            shared.derive(network)
        except PosenasError as error:
            refuse(owner, f"its networks do not nest: {error}")


def looks(backbone: Backbone | FrameByFrame) -> Sequence[Backbone]:
    """Return the networks of single images in a backbone: itself, or those of a clip's frames."""
    return backbone.frames if isinstance(backbone, FrameByFrame) else [backbone]


def listening(backbone: Backbone | FrameByFrame) -> Backbone | FrameByFrame:
    """Return the backbone; a clip's takes in guides from now on."""
    if isinstance(backbone, FrameByFrame):
        backbone.listen(_GUIDE)
    return backbone


def shared_backbone(space: WeightSharing) -> SharedWeights:
    """Return the shared weights of a space's backbones without heads, fresh ones."""
    holder = cast(nn.Module, listening(holding_backbone(space)))
    own = own_space(space)  # joined with a head, it has not the names of its modules
    if not isinstance(own, Propagating):
        return SharedWeights(holder)
    return SharedWeights(holder, source=lambda path: own.source(BACKBONE + path).removeprefix(BACKBONE))


def _outlined(space: SearchSpace, genotype: Genotype, *, owner: Owner) -> Backbone:
    """Return a genotype's network on the meta device."""
    with blamed(owner, "build"), torch.device("meta"):
        backbone = space.build(genotype)
    if not isinstance(backbone, nn.Module):
        refuse(owner, f"build gives {type(backbone).__name__}, expected an nn.Module")
    return backbone


def _rehearse_levels(
    backbone: Backbone | GuidedBackbone, view: View, *, guide: Tensor | None = None, owner: Owner
) -> None:
    with blamed(owner, "levels"):
        levels = tuple(backbone.levels)
    if not all(isinstance(level, Level) for level in levels):
        refuse(owner, f"levels of its network are {levels!r:.80}, expected Level")
    images = torch.empty(VIEWS, 3, view.height, view.width, device="meta")
    cast(nn.Module, backbone).eval()
    inputs, how = ((images,), "") if guide is None else ((images, guide), _WITH_GUIDE)
    with (
        blamed(owner, f"forward of its network{how}"),
        torch.no_grad(),
        WithoutPointwise(Multiplications(), {}),
    ):
        features = backbone(*inputs)
    problem = _untruth(levels, features, view)
    refuse(owner, problem and f"{problem}{how}")


def _untruth(levels: Sequence[Level], features: object, view: View) -> str:
    if not isinstance(features, Mapping):
        return f"forward of its network gives {type(features).__name__}, expected feature maps by name"
    names = [level.name for level in levels]
    if len(set(names)) < len(names):
        return f"levels of its network have a name twice: {', '.join(names)}"
    missing = [name for name in names if name not in features]
    if missing:
        return f"level {missing[0]!r} is not in the feature maps {', '.join(map(str, features))}"
    for level in levels:
        feature = features[level.name]
        if not isinstance(feature, Tensor):
            return f"level {level.name!r} of the feature maps is {type(feature).__name__}, expected a tensor"
        found = tuple(feature.shape)
        if found not in _true_shapes(level, view):
            return (
                f"level {level.name!r} of stride {level.stride} with {level.channels} channels is not true: "
                f"for {VIEWS} views of {view.height}x{view.width} its map has shape {found}, expected "
                f"{(VIEWS, level.channels, *shape(level, view))}"
            )
    return ""


def _true_shapes(level: Level, view: View) -> set[tuple[int, ...]]:
    """Return the shapes that a level's map may have.

    A side that is not a multiple of the stride may be rounded either way.
    """
    return {
        (VIEWS, level.channels, rounded(view.height / level.stride), rounded(view.width / level.stride))
        for rounded in (math.floor, math.ceil)
    }


def shape(level: Level, view: View) -> tuple[int, int]:
    """Return the (height, width) of a level's map for a view, rounded up."""
    return math.ceil(view.height / level.stride), math.ceil(view.width / level.stride)
