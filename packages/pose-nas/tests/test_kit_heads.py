"""Each check of heads finds the one head that is wrong in what it asks, and no other check does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
import torch
from posenas.contract.batches import Batch, Poses
from posenas.contract.errors import PosenasError
from posenas.contract.keypoints import KeypointSet
from posenas.contract.levels import Level
from posenas.networks.heatmaps.encoding import HeatmapTargets
from posenas.standard.heads.heatmap import HeatmapHead, HeatmapModule
from posenas.testing import checks_for
from torch import Tensor, nn
from toy_kit import failures


@dataclass(frozen=True)
class Toy(HeatmapHead):
    module: type[Any] = HeatmapModule

    def build(self, levels: Sequence[Level], keypoints: KeypointSet) -> Any:
        (level,) = levels
        return self.module(level, keypoints, encoding=self.encoding, sigma=self.sigma, loss=self.loss)


class Misspelt(HeatmapHead):
    def forsee(self, samples: object, keypoints: object) -> Sequence[str]:  # noqa: ARG002
        return ()


class Inventive(HeatmapHead):
    def select(self, levels: Sequence[Level]) -> Sequence[Level]:
        (level,) = super().select(levels)
        return [replace(level, name="mine")]


class NobodyIsNaN(HeatmapModule):
    def loss(self, outputs: Tensor, targets: HeatmapTargets) -> Tensor:
        return super().loss(outputs, targets) * (targets.weights.sum() / targets.weights.sum())


class Unused(HeatmapModule):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.more = nn.Linear(2, 2)


class Turned(torch.autograd.Function):
    """The identity, with gradients of the other sign."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:  # noqa: ARG004
        return values.clone()

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]  # noqa: ARG004
        return -gradient


class Unlearning(HeatmapModule):
    def forward(self, features: Mapping[str, Tensor], targets: object = None) -> Tensor:
        return Turned.apply(super().forward(features, targets))  # type: ignore[no-any-return]


class Shifted(HeatmapModule):
    """It decodes maps of half the resolution that they have."""

    def decode(self, outputs: Tensor, batch: Batch) -> Poses:
        poses = super().decode(outputs, batch)
        return replace(poses, keypoints=poses.keypoints + 4.0)


class ShyOfTheBorder(HeatmapModule):
    def decode(self, outputs: Tensor, batch: Batch) -> Poses:
        poses = super().decode(outputs, batch)
        return replace(poses, keypoints=poses.keypoints.clamp(min=3.0))


class CountsAll(HeatmapModule):
    def targets(self, batch: Batch) -> HeatmapTargets:
        targets = super().targets(batch)
        return replace(targets, weights=torch.ones_like(targets.weights))


class SidesUnchanged(HeatmapModule):
    def average_mirrored(self, outputs: Tensor, mirrored: Tensor) -> Tensor:
        return (outputs + 2 * mirrored.flip(3)) / 3


class OffByAStride(HeatmapModule):
    def average_mirrored(self, outputs: Tensor, mirrored: Tensor) -> Tensor:
        return super().average_mirrored(outputs, mirrored.roll(1, 3))


class WithoutFlip(nn.Module):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__()
        self.whole = HeatmapModule(*arguments, **options)

    def forward(self, features: Mapping[str, Tensor], targets: object = None) -> Tensor:
        return self.whole.forward(features, targets)

    def targets(self, batch: Batch) -> HeatmapTargets:
        return self.whole.targets(batch)

    def loss(self, outputs: Tensor, targets: HeatmapTargets) -> Tensor:
        return self.whole.loss(outputs, targets)

    def decode(self, outputs: Tensor, batch: Batch) -> Poses:
        return self.whole.decode(outputs, batch)


class DetachedGuide(HeatmapModule):
    def guide(self, outputs: Tensor) -> Tensor:
        return super().guide(outputs).detach()


class GuideOfOneMap(HeatmapModule):
    def guide(self, outputs: Tensor) -> Tensor:
        return super().guide(outputs).sum(1, keepdim=True)


class NearlyFlipped(WithoutFlip):
    def average_mirored(self, outputs: Tensor, mirrored: Tensor) -> Tensor:
        return (outputs + mirrored) / 2


SMALL = (64, 64)
BROKEN: dict[str, Any] = {
    "methods_are_the_contracts": Misspelt(SMALL),
    "selected_levels_are_offered": Inventive(SMALL),
    "nobody_is_no_error": Toy(SMALL, module=NobodyIsNaN),
    "every_parameter_gets_a_gradient": Toy(SMALL, module=Unused),
    "the_loss_falls_on_eight_pictures": Toy(SMALL, module=Unlearning),
    "truth_is_decoded": Toy(SMALL, module=Shifted),
    "people_at_the_border_are_decoded": Toy(SMALL, module=ShyOfTheBorder),
    "unlabelled_keypoints_do_not_count": Toy(SMALL, module=CountsAll),
    "mirrored_outputs_are_undone": Toy(SMALL, module=SidesUnchanged),
}


def test_the_heat_map_head_passes() -> None:
    assert failures("head", HeatmapHead(SMALL)) == {}
    assert {check.name for check in checks_for("head", HeatmapHead())} == set(BROKEN)


@pytest.mark.parametrize("name", BROKEN)
def test_the_check_finds_what_is_wrong(name: str) -> None:
    (check,) = (each for each in checks_for("head", BROKEN[name]) if each.name == name)
    with pytest.raises(PosenasError):
        check(BROKEN[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", BROKEN)
def test_no_other_check_finds_it(name: str) -> None:
    assert list(failures("head", BROKEN[name])) == [name]


def asked(name: str, module: type[Any]) -> str:
    """What a check returns for a head with that module."""
    head = Toy(SMALL, module=module)
    (check,) = (each for each in checks_for("head", head) if each.name == name)
    return check(head)


def test_a_flip_that_is_off_by_one_pixel_of_the_maps_is_found() -> None:
    with pytest.raises(PosenasError, match=r"decoded 2\.\d pixels of the view farther"):
        asked("mirrored_outputs_are_undone", OffByAStride)


def test_a_near_name_of_the_module_is_found_and_its_flip_is_not_asked_for() -> None:
    with pytest.raises(PosenasError, match=r"has 'average_mirored'; was 'average_mirrored' of FlipTest"):
        asked("methods_are_the_contracts", NearlyFlipped)
    assert "no average_mirrored" in asked("mirrored_outputs_are_undone", WithoutFlip)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (DetachedGuide, "guide cannot be differentiated by the outputs"),
        (GuideOfOneMap, r"guide gives shape \(2, 1, 16, 16\), expected maps of shape \(2, 17, 'h', 'w'\)"),
    ],
)
def test_a_guide_that_no_frame_could_use_is_found(module: type[Any], words: str) -> None:
    with pytest.raises(PosenasError, match=words):
        asked("nobody_is_no_error", module)
