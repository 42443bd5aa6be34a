"""How bytes become a network's input: against the formula in NumPy, and which rule holds for a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from posenas.composing.checks.conformity import check_view
from posenas.composing.options import option_values
from posenas.composing.plugins import Owner
from posenas.composing.settings import make_normalisation
from posenas.contract.batches import View
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.normalisation import IMAGENET, UNIT, Normalisation
from posenas.contract.samples import Person, Sample
from posenas.data.augment import Augmentation
from posenas.data.crops import crop_loader, load_crops
from posenas.data.mosaic import ImageAugmentation
from posenas.data.normalising import fed, normalisation_of, normalise
from posenas.data.person_crop import person_crops
from posenas.data.whole_images import EvaluatedImages, image_loader
from posenas.runs.recipe import Recipe, recipe_from_tables, recipe_tables
from posenas.standard.heads.heatmap import HeatmapHead

CPU = torch.device("cpu")
BGR = Normalisation("bgr")
BYTES = Normalisation("bgr", 1.0, (103.5, 116.3, 123.7), (1.0, 2.0, 3.0))
RULES = [IMAGENET, BGR, UNIT, BYTES]


@dataclass(frozen=True)
class Noise:
    number: int

    def read(self) -> NDArray[np.uint8]:
        return np.random.default_rng(self.number).integers(0, 256, (60, 80, 3)).astype(np.uint8)


def shown(images: int) -> list[Sample]:
    pose = np.full((17, 3), (40.0, 30.0, 2.0))
    people = (Person((20.0, 10.0, 30.0, 40.0), pose, 1200.0),)
    return [Sample(number, Noise(number), 80, 60, people) for number in range(images)]


def fed_to_networks(view: View, *, trained: bool) -> torch.Tensor:
    """The images of one batch, augmented with a fixed seed where it is one of training."""
    samples, given = shown(3), {"keypoints": COCO_17, "workers": 0, "on_unreadable": pytest.fail}
    training: dict[str, Any] = {**given, "view": view, "seed": 1, "batch_size": 3, "device": CPU}
    loaded: Any
    if trained and view.kind == "person":
        loaded = crop_loader(person_crops(samples), samples, augmentation=Augmentation(), **training).epoch(0)
    elif trained:
        loaded = image_loader(samples, augmentation=ImageAugmentation(), **training).epoch(0)
    elif view.kind == "person":
        loaded = load_crops(person_crops(samples), samples, view, **given).batches(3, device=CPU)
    else:
        loaded = EvaluatedImages(samples, view, rectangular=False, **given).batches(300, device=CPU)
    return torch.cat([batch.images for batch in loaded])


def literal(unit: torch.Tensor, rule: Normalisation) -> NDArray[np.float64]:
    """The rule, channel by channel, for RGB from 0 to 1."""
    pixels = unit.numpy().astype(np.float64) * 255
    planes = {colour: pixels[:, index] for index, colour in enumerate("rgb")}
    channels = zip(rule.order, rule.mean, rule.deviation, strict=True)
    return np.stack(
        [(planes[colour] / rule.scale - mean) / deviation for colour, mean, deviation in channels], axis=1
    )


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("trained", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("kind", ["person", "image"])
def test_networks_are_fed_by_the_rule(kind: Any, trained: bool, rule: Normalisation) -> None:
    view = View(kind, 64, 64, 32)
    unit = fed_to_networks(replace(view, normalisation=UNIT), trained=trained)
    found = fed_to_networks(replace(view, normalisation=rule), trained=trained)
    assert 0 <= unit.min() < 0.1 < 0.9 < unit.max() <= 1
    assert np.abs(found.numpy() - literal(unit, rule)).max() < 2e-6 * 255 / rule.scale
    usual = fed_to_networks(view, trained=trained)
    assert torch.equal(found, usual) == (rule == {"person": IMAGENET, "image": UNIT}[kind])


def test_a_rule_that_changes_nothing_gives_the_same_tensor() -> None:
    images = torch.rand(1, 3, 4, 4)
    assert normalise(images, UNIT) is images
    assert normalisation_of(View("image", 64, 64)) == UNIT
    assert normalisation_of(View("person", 64, 64, normalisation=BYTES)) == BYTES


def test_the_recipe_comes_before_the_weights_and_they_before_the_view() -> None:
    head = HeatmapHead()
    said = Recipe(normalisation={"order": "bgr"})
    assert make_normalisation(Recipe(), head) is None
    assert make_normalisation(Recipe(), head, IMAGENET) is None
    assert make_normalisation(Recipe(), head, UNIT) == UNIT
    assert make_normalisation(said, head) == BGR
    assert make_normalisation(said, head, UNIT) == replace(UNIT, order="bgr")
    complete = Recipe(normalisation=option_values(BYTES))
    assert make_normalisation(complete, head, UNIT) == BYTES
    assert make_normalisation(Recipe(normalisation={"scale": 255}), head) is None


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"order": "gbr"}, "expected one of rgb, bgr"),
        ({"scale": 0}, "scale"),
        ({"deviation": [1, 0, 1]}, "deviation"),
        ({"mean": [0, 0]}, "mean"),
        ({"std": [1, 1, 1]}, "std"),
    ],
)
def test_other_rules_are_refused(said: dict[str, Any], says: str) -> None:
    with pytest.raises(PosenasError, match=r"table \[normalisation\]") as error:
        make_normalisation(Recipe(normalisation=said), HeatmapHead())
    assert says in str(error.value)


def test_a_view_with_another_kind_of_rule_is_refused() -> None:
    head: Any = SimpleNamespace(view=lambda: View("person", 64, 64, normalisation=cast(Any, "bgr")))
    with pytest.raises(PosenasError, match="view has normalisation 'bgr', expected a Normalisation or None"):
        check_view(head, owner=Owner("head", "heatmap"))


def test_recipes_without_the_table_keep_their_digest() -> None:
    assert "normalisation" not in recipe_tables(Recipe())
    said = Recipe(normalisation={"order": "bgr"})
    assert recipe_from_tables(recipe_tables(said)) == said


def test_the_rule_is_told_in_words() -> None:
    assert fed(None) == ""
    assert fed(BYTES) == "; images are fed as BGR, bytes / 1, less (103.5, 116.3, 123.7), over (1, 2, 3)"
