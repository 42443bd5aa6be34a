"""Components made from a recipe, and the pose networks that they build."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Any, cast

import torch

from posenas.composing.checks.conformity import blamed
from posenas.composing.joined import chosen_head, holding_backbone, holding_head, join, own_space
from posenas.composing.loading import check_installed, load
from posenas.composing.options import make_component, option_values
from posenas.composing.plugins import Owner
from posenas.contract.components import (
    Backbone,
    Derivable,
    FrameByFrame,
    GuidedBackbone,
    Head,
    HeadModule,
    SearchSpace,
    WeightSharing,
)
from posenas.contract.costs import Networks
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype
from posenas.contract.keypoints import KeypointSet
from posenas.contract.levels import Level
from posenas.data.kinds_of_view import views_of
from posenas.networks.counting import Costs, measure
from posenas.networks.devices import Compute, choose_compute, use_switches
from posenas.networks.frame_heads import FrameHeads
from posenas.networks.frozen import freeze
from posenas.networks.multiplications import KnownCalls
from posenas.networks.pose_network import PoseNetwork
from posenas.networks.without_values import WithoutValues
from posenas.runs.recipe import ComponentChoice, Recipe


def make(kind: str, choice: ComponentChoice) -> Any:
    """Return the component of that kind with the chosen options."""
    return make_component(load(kind, choice.name), choice.options, where=f"{kind} {choice.name}")


def make_pair(space: ComponentChoice, head: ComponentChoice) -> tuple[SearchSpace, Head]:
    """Return the space, joined with the head's dimensions where it has some, and the head."""
    check_installed((("space", space.name), ("head", head.name)))
    made = make("space", space), make("head", head)
    return join(*made), made[1]


def qualified(recipe: Recipe, metric: str) -> str:
    """Return a metric's name with its evaluator's, such as `oks.AP`."""
    return f"{recipe.evaluator.own_name}.{metric}"


def build_network(
    space: SearchSpace,
    genotype: Genotype,
    *,
    head: Head,
    keypoints: KeypointSet,
    compute: Compute | None = None,
) -> PoseNetwork:
    """Return a genotype's pose network with fresh weights, on torch's default device.

    Args:
        space: builds the backbone.
        genotype: of the space.
        head: builds the head's module.
        keypoints: what the head finds.
        compute: the precision to run in; None for float32.
    """
    return _assembled(space.build(genotype), chosen_head(head, genotype), keypoints, compute)


def build_holder(
    space: SearchSpace, *, head: Head, keypoints: KeypointSet, compute: Compute | None = None
) -> PoseNetwork:
    """Return the network with the tensors of all genotypes' networks, with fresh weights.

    It is the largest network where that has them all, and else one that may be unable to run.

    Args:
        space: builds the backbone.
        head: builds the head's module.
        keypoints: what the head finds.
        compute: the precision to run in; None for float32.
    """
    return _assembled(holding_backbone(sharing(space)), holding_head(head), keypoints, compute)


def sharing(space: SearchSpace) -> WeightSharing:
    """Return a space that shares weights as such.

    Raises:
        TypeError: where it does not.
    """
    if not isinstance(space, WeightSharing):
        raise TypeError(f"{space!r} has no shared weights; the strategy must require WeightSharing")
    return space


def _assembled(
    backbone: Backbone | FrameByFrame, head: Head, keypoints: KeypointSet, compute: Compute | None
) -> PoseNetwork:
    module = (
        _frame_heads(backbone, head, keypoints)
        if isinstance(backbone, FrameByFrame)
        else _module(backbone, head, keypoints)
    )
    return PoseNetwork(cast(torch.nn.Module, backbone), module, compute)


def _module(backbone: Backbone | GuidedBackbone, head: Head, keypoints: KeypointSet) -> torch.nn.Module:
    return cast(torch.nn.Module, head.build(head.select(backbone.levels), keypoints))


def _frame_heads(backbone: FrameByFrame, head: Head, keypoints: KeypointSet) -> FrameHeads:
    """Return a head a frame, and freeze what is to be."""
    if views_of(head.view()).finds_people:
        raise PosenasError("networks for videos look at people, and this head at whole images; take heatmap")
    backbone.listen(len(keypoints))
    heads = [_module(frame, head, keypoints) for frame in backbone.frames]
    for frame, module in zip(backbone.frames, heads, strict=True):
        if frame.frozen:
            freeze(cast(torch.nn.Module, frame))
            freeze(module)
    return FrameHeads(heads)


def outline_network(
    space: SearchSpace, genotype: Genotype, *, head: Head, keypoints: KeypointSet
) -> PoseNetwork:
    """Return a genotype's pose network without values, on the meta device.

    Args:
        space: builds the backbone.
        genotype: of the space.
        head: builds the head's module.
        keypoints: what the head finds.
    """
    with torch.device("meta"), WithoutValues():
        return build_network(space, genotype, head=head, keypoints=keypoints)


def levels_of(space: SearchSpace) -> Sequence[Level]:
    """Return the levels of one of the space's networks, which is built without values."""
    with torch.device("meta"), WithoutValues():
        return space.build(space.sample(Random(0))).levels


def derived(space: SearchSpace, genotype: Genotype) -> Genotype:
    """Return the genotype that is trained in the end; the same where the space derives none."""
    return space.derived(genotype) if isinstance(space, Derivable) else genotype


def network_costs(
    space: SearchSpace,
    genotype: Genotype,
    *,
    head: Head,
    keypoints: KeypointSet,
    known: KnownCalls | None = None,
) -> Costs:
    """Return what backbone and head cost at the head's input size; nothing is allocated or computed.

    Args:
        space: builds the backbone.
        genotype: of the space.
        head: builds the head's module.
        keypoints: what the head finds.
        known: calls that were counted before, and will be for the next genotypes of the space.
    """
    network = outline_network(space, genotype, head=head, keypoints=keypoints)
    return measure(network, (head.view().height, head.view().width), known=known)


def networks_of(
    recipe: Recipe, space: SearchSpace, *, head: Head, keypoints: KeypointSet, compute: Compute
) -> Networks:
    """Return the pose networks of a composition, for costs to be bound to.

    Args:
        recipe: names space and head.
        space: builds the backbones.
        head: builds the head's modules.
        keypoints: what the head finds.
        compute: the device and the precision that networks run on and in.
    """
    return Networks(
        build=partial(build_network, space, head=head, keypoints=keypoints, compute=compute),
        outline=partial(outline_network, space, head=head, keypoints=keypoints),
        input_size=(head.view().height, head.view().width),
        device=compute.device,
        autocast_dtype=compute.autocast_dtype,
        description=describe_networks(recipe, space, head, keypoints),
    )


def describe_networks(
    recipe: Recipe, space: SearchSpace, head: Head, keypoints: KeypointSet
) -> dict[str, Any]:
    """Return what names the networks of a composition, as plain data with every option spelled out.

    Args:
        recipe: names space and head.
        space: builds the backbones.
        head: builds the head's modules.
        keypoints: what the head finds.
    """
    return {
        "space": {"name": recipe.space.name, **option_values(own_space(space))},
        "head": {"name": recipe.head.name, **option_values(head)},
        "keypoints": len(keypoints),
    }


def build_head(space: SearchSpace, head: Head, keypoints: KeypointSet) -> HeadModule:
    """Return the head's module without weights, for one of the space's networks; of a clip's that of a frame.

    Args:
        space: builds the backbone that the head is for.
        head: builds the module.
        keypoints: what the head finds.
    """
    genotype = space.sample(Random(0))
    with torch.device("meta"):
        network = build_network(space, genotype, head=head, keypoints=keypoints)
    return cast(HeadModule, network.head.frames[0] if isinstance(network.head, FrameHeads) else network.head)


def compute_for(recipe: Recipe, space: SearchSpace) -> Compute:
    """Return the recipe's device and precision, and set torch to them for the whole process.

    The precision `auto` depends on whether the networks are depthwise.

    Raises:
        PosenasError: where a network cannot be built; it names the space.
    """
    rng = Random(0)
    with blamed(Owner("space", recipe.space.name), "build"):
        depthwise = all(_is_depthwise(space, space.sample(rng)) for _ in range(4))
    compute = choose_compute(
        recipe.device, recipe.precision, depthwise=depthwise, deterministic=recipe.deterministic
    )
    use_switches(compute)
    return compute


def _is_depthwise(space: SearchSpace, genotype: Genotype) -> bool:
    with torch.device("meta"):
        network = cast(torch.nn.Module, space.build(genotype))
    convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    return any(convolution.groups == convolution.in_channels > 1 for convolution in convolutions)
