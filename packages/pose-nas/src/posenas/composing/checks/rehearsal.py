"""A rehearsal of a head: one small forward pass, loss and decoding, before anything is trained.

The head really runs, on random feature maps of the shapes that the backbone's levels have.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from posenas.composing.building import build_holder, outline_network
from posenas.composing.checks.backbones import SEED, VIEWS, shape
from posenas.composing.checks.conformity import blamed, check_module_methods, refuse
from posenas.composing.checks.gradients import gradient_problem
from posenas.composing.plugins import Owner
from posenas.contract.batches import Batch, Look, Poses, View
from posenas.contract.components import (
    Ablatable,
    Distillable,
    FlipTest,
    Guiding,
    Head,
    HeadModule,
    ScaleTest,
    SearchSpace,
)
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype
from posenas.contract.keypoints import KeypointSet
from posenas.contract.levels import Level
from posenas.data.kinds_of_view import views_of
from posenas.data.regions import region_fields
from posenas.networks.sharing import SharedWeights

SOMEBODY = "somebody"


def rehearse_head(head: Head, levels: Sequence[Level], keypoints: KeypointSet, *, owner: Owner) -> list[str]:
    """Build the head's module for real, and have it do all that it can on random feature maps.

    Args:
        head: the one that is tried.
        levels: those that the backbone offers.
        keypoints: the dataset's.
        owner: the head's plugin.

    Returns:
        Warnings: names that nearly are one of a capability.

    Raises:
        PosenasError: if something that the module gives is not what the contract says.
    """
    view = head.view()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        with blamed(owner, "select"):
            selected = head.select(levels)
        refuse(owner, selection_problem(selected, levels))
        with blamed(owner, "build"), torch.device("cpu"):
            module = head.build(selected, keypoints)
        if not isinstance(module, nn.Module):
            refuse(owner, f"build gives {type(module).__name__}, expected an nn.Module")
        warnings = check_module_methods(cast(nn.Module, module), owner=owner)
        features = {level.name: torch.randn(VIEWS, level.channels, *shape(level, view)) for level in selected}
        _rehearse_training(module, features, view, keypoints=keypoints, owner=owner)
        _rehearse_decoding(module, features, view, keypoints=keypoints, owner=owner)
    return warnings


def rehearse_sharing(
    space: SearchSpace,
    genotypes: Sequence[Genotype],
    *,
    head: Head,
    keypoints: KeypointSet,
    owner: Owner,
) -> None:
    """Check that the modules of a searched head's choices nest in that of its holder; on the meta device.

    Args:
        space: joined with the head's dimensions; it shares weights.
        genotypes: some of the joined space.
        head: the searchable one.
        keypoints: the dataset's.
        owner: the head's plugin.

    Raises:
        PosenasError: if a tensor of one of them is not in the holder, or no slice of what is there.
    """
    with blamed(owner, "build of its holder"), torch.device("meta"):
        shared = SharedWeights(build_holder(space, head=head, keypoints=keypoints).head)
    for genotype in genotypes:
        network = outline_network(space, genotype, head=head, keypoints=keypoints)
        try:
            shared.derive(network.head)
        except PosenasError as error:
            refuse(owner, f"the modules of its choices do not nest: {error}")


def selection_problem(selected: Sequence[Level], offered: Sequence[Level]) -> str:
    """Say what is wrong with the levels that a head selected; "" where some of the offered ones are."""
    if not selected:
        return "select gives no level"
    strange = [level for level in selected if level not in offered]
    return f"select gives {strange[0]!r}, which is none of the offered levels" if strange else ""


def _rehearse_training(
    module: HeadModule,
    features: Mapping[str, Tensor],
    view: View,
    *,
    keypoints: KeypointSet,
    owner: Owner,
) -> None:
    losses = set()
    for who, batch in batches(view, keypoints):
        with blamed(owner, f"targets of views with {who} labelled"):
            targets = module.targets(batch)
        with blamed(owner, f"forward of its module with targets of views with {who} labelled"):
            outputs = module(features, targets)
        with blamed(owner, f"loss of views with {who} labelled"):
            loss = module.loss(outputs, targets)
        refuse(owner, _loss_problem(loss, f"loss of views with {who} labelled"))
        losses.add(float(loss.detach()))
        if who == SOMEBODY:
            with blamed(owner, "backward of its loss"):
                loss.backward()  # type: ignore[no-untyped-call]
            problem = gradient_problem(cast(nn.Module, module))
            refuse(owner, problem and f"{problem}; leave out what forward does not use, and detach nothing")
    if len(losses) == 1:
        refuse(owner, f"loss is {losses.pop():.6g} whoever is labelled, expected one that depends on targets")
    if isinstance(module, Distillable):
        with blamed(owner, "distillation_loss"):
            loss = module.distillation_loss(outputs, outputs)
        refuse(owner, _loss_problem(loss, "distillation_loss"))
    if isinstance(module, Guiding):
        with blamed(owner, "guide"):
            maps = module.guide(outputs)
        refuse(owner, _guide_problem(maps, keypoints=len(keypoints)))


def _guide_problem(maps: object, *, keypoints: int) -> str:
    if not isinstance(maps, Tensor) or maps.dim() != 4 or maps.shape[:2] != (VIEWS, keypoints):
        found = f"shape {tuple(maps.shape)}" if isinstance(maps, Tensor) else type(maps).__name__
        return f"guide gives {found}, expected maps of shape {(VIEWS, keypoints, 'h', 'w')} for {VIEWS} views"
    if not torch.isfinite(maps).all():
        return "guide gives maps that are not finite"
    return "" if maps.requires_grad else "guide cannot be differentiated by the outputs; detach nothing"


def _loss_problem(loss: object, what: str) -> str:
    if not isinstance(loss, Tensor) or loss.dim() or not loss.is_floating_point():
        kind = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        return f"{what} is {kind}, expected a tensor with one real number and no axis"
    if not math.isfinite(loss.detach()):
        return f"{what} is {float(loss.detach())}, expected a finite number"
    return "" if loss.requires_grad else f"{what} cannot be differentiated by the outputs"


def _rehearse_decoding(
    module: HeadModule,
    features: Mapping[str, Tensor],
    view: View,
    *,
    keypoints: KeypointSet,
    owner: Owner,
) -> None:
    cast(nn.Module, module).eval()
    *_, (_, batch) = batches(view, keypoints)  # nobody is known, as in pictures of a user
    with torch.no_grad():
        with blamed(owner, "forward of its module"):
            outputs = module(features)
        for what, given in _outputs(module, outputs, view, owner=owner):
            with blamed(owner, f"decode of {what}"):
                poses = module.decode(given, batch)
            refuse(owner, _poses_problem(poses, view, keypoints=len(keypoints), what=f"decode of {what}"))
        if isinstance(module, Ablatable):
            with blamed(owner, "decode_ablated"):
                poses, _ = module.decode_ablated(outputs, batch)
            refuse(owner, _poses_problem(poses, view, keypoints=len(keypoints), what="decode_ablated"))


def _outputs(module: HeadModule, outputs: object, view: View, *, owner: Owner) -> Iterator[tuple[str, Any]]:
    """Yield what is decoded, in words and as such: outputs as they are, and put together."""
    yield "outputs", outputs
    if isinstance(module, FlipTest):
        with blamed(owner, "average_mirrored"):
            averaged = module.average_mirrored(outputs, outputs)
        yield "what average_mirrored gives", averaged
    if isinstance(module, ScaleTest):
        size = view.height, view.width
        with blamed(owner, "combine"):
            combined = module.combine(
                [Look(outputs, size, mirrored=mirrored) for mirrored in (False, True)], size
            )
        yield "what combine gives", combined


def _poses_problem(poses: object, view: View, *, keypoints: int, what: str) -> str:
    if not isinstance(poses, Poses):
        return f"{what} gives {type(poses).__name__}, expected Poses"
    finds_people = views_of(view).finds_people
    count = len(poses.keypoints) if finds_people else VIEWS
    expected = {"keypoints": (count, keypoints, 2), "keypoint_scores": (count, keypoints)}
    if finds_people:
        expected |= {"views": (count,), "scores": (count,)}
    for name, size in expected.items():
        tensor = getattr(poses, name)
        found = tuple(tensor.shape) if isinstance(tensor, Tensor) else type(tensor).__name__
        if found != size:
            return f"{what} gives {name} of shape {found}, expected {size} for {VIEWS} views"
        if not torch.isfinite(tensor).all():
            return f"{what} gives {name} that are not finite"
    if finds_people and not torch.isin(cast(Tensor, poses.views), torch.arange(VIEWS)).all():
        return f"{what} gives views that are not in the batch"
    return ""


def batches(view: View, keypoints: KeypointSet) -> Iterator[tuple[str, Batch]]:
    """Yield batches of two views, in words of whom is labelled and as such.

    Labelled are somebody in each view, in the first alone, and in none. All regions of somebody are known.
    """
    images = torch.zeros(VIEWS, 3, view.height, view.width)
    steps = torch.linspace(0.3, 0.7, len(keypoints))
    person = torch.stack([steps * (view.width - 1), steps * (view.height - 1)], dim=1)
    box = torch.tensor([0.2 * view.width, 0.2 * view.height, 0.8 * view.width, 0.8 * view.height])
    region = torch.tensor([[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6], [0.5, 0.5]])
    region = torch.cat([region * torch.tensor([view.width, view.height]), torch.ones(5, 1)], dim=1)
    for who, shown in ((SOMEBODY, (1, 1)), ("nobody in one", (1, 0)), ("nobody", (0, 0))):
        labelled = torch.tensor(shown, dtype=torch.float32)[:, None].expand(VIEWS, len(keypoints)).clone()
        poses = person * labelled[:, :, None]
        regions = region.expand(VIEWS, len(keypoints.regions), 5, 3) * labelled[:, :1, None, None]
        if not views_of(view).finds_people:
            yield who, Batch(images, poses, labelled, **region_fields(regions))
            continue
        seen = [number for number, there in enumerate(shown) if there]
        yield (
            who,
            Batch(
                images,
                poses[seen],
                labelled[seen],
                boxes=box.expand(len(seen), 4).clone(),
                views=torch.tensor(seen, dtype=torch.int64),
                pitch=torch.ones(VIEWS),
                **region_fields(regions[seen]),
            ),
        )
