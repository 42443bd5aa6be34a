"""Published weights come in whole: each network's maps are those of its authors' code.

The oracle is what the authors' networks put out, filled by a rule from each tensor's name.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from posenas import Normalisation, PosenasError
from posenas.composing.building import build_network, make_pair, outline_network
from posenas.composing.initial_weights import load_initial_weights
from posenas.composing.loading import load_entry
from posenas.composing.named_networks import NamedNetwork, find_network
from posenas.composing.plugins import find_plugins
from posenas.networks.weights_files.state_dicts import without_mmpose
from published import FOLDER, IMPORTERS, LACKING, empty_tensors, filler, outputs, reference, write
from running import SMALL, Answer
from torch import Tensor

Command = Callable[..., Answer]

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=LACKING)

_CLOSEST = 1e-4
"""The largest difference over an output's standard deviation."""


def known_by(published: dict[str, Tensor]) -> dict[str, Any]:
    """Return what each installed importer makes of the tensors, without those that do not know them."""
    found = {
        plugin.name: load_entry(plugin)(without_mmpose(published))  # type: ignore[operator]
        for plugin in find_plugins(("weights",))
        if plugin.name != "mobilenetv3"
    }
    return {name: imported for name, imported in found.items() if imported is not None}


def target(name: str, options: dict[str, Any]) -> NamedNetwork:
    """Return the zoo entry that the weights are for, with options of its space that they need."""
    network = find_network(reference(name)["target"]["zoo"])
    added = {path.partition(".")[2]: value for path, value in options.items()}
    return replace(network, space=replace(network.space, options={**network.space.options, **added}))


def fed_to(name: str) -> Normalisation:
    """Return how the authors' network was fed, but for an order that its file does not tell."""
    said = reference(name)["input"]
    assert said["scale"].startswith("pixels / 255")
    assert said["channels"] == ("BGR" if name == "official-simple-baseline-r50" else "RGB")
    mean, deviation = said.get("mean", [0.0] * 3), said.get("std", [1.0] * 3)
    return Normalisation("rgb", 255.0, tuple(mean), tuple(deviation))


@pytest.mark.parametrize("name", IMPORTERS)
def test_one_importer_knows_each_file_and_its_tensors_have_our_names_and_shapes(name: str) -> None:
    ((importer, imported),) = known_by(empty_tensors(name)).items()
    assert importer == IMPORTERS[name]
    assert imported.normalisation == fed_to(name)
    network = target(name, imported.options)
    space, head = make_pair(network.space, network.head)
    own = outline_network(space, network.genotype, head=head, keypoints=network.keypoints).state_dict()
    found = imported.tensors
    assert {each: tensor.shape for each, tensor in found.items() if each in own} == {
        each: tensor.shape for each, tensor in own.items() if each in found
    }
    assert found.keys() <= own.keys()
    if "whole" in reference(name)["target"]["part"]:
        assert {each for each in own if not each.endswith("num_batches_tracked")} <= found.keys()


@pytest.mark.parametrize(
    "name", [name for name in IMPORTERS if name.split("-")[0] in ("mmpose", "evopose2d")]
)
def test_the_zoo_decodes_maps_as_they_were_published(name: str) -> None:
    options = find_network(reference(name)["target"]["zoo"]).head.options
    assert options.items() >= reference(name)["target"]["head"].items()


def differences(name: str, path: Path, exchanged: tuple[str, str] | None = None) -> tuple[float, str]:
    """Return the largest difference of a network that was filled from a file, and what was told of it.

    Args:
        name: of the reference.
        path: where the file is written.
        exchanged: two tensors that are written under each other's name.
    """
    values = filler().fill_all(reference(name))
    if exchanged is not None:
        first, second = exchanged
        assert values[first].shape == values[second].shape
        values[first], values[second] = values[second], values[first]
    weights = load_initial_weights(str(write(name, path, values)))
    network = target(name, dict(weights.options))
    space, head = make_pair(network.space, network.head)
    torch.manual_seed(0)
    made = build_network(space, network.genotype, head=head, keypoints=network.keypoints).eval()
    told = weights.fill(made, keypoints=network.keypoints.names)
    images = torch.from_numpy(filler().image(unit=name.startswith("kapao")))
    with torch.no_grad():
        found = outputs(made, images)
    stored = np.load(FOLDER / f"{name}.npz")
    places = {
        key: key if key == "heatmaps" or key.startswith("raw") else place
        for key, place in reference(name)["outputs"].items()
        if key != "heatmaps_of_rgb" and (place.startswith("level ") or key == "heatmaps" or key[:3] == "raw")
    }
    worst = max(filler().compare(found[place].numpy(), stored, key) for key, place in places.items())
    return worst, told


@pytest.mark.slow
@pytest.mark.parametrize("name", IMPORTERS)
def test_the_maps_are_the_authors(name: str, tmp_path: Path) -> None:
    before = time.perf_counter()
    worst, told = differences(name, tmp_path / "file")
    seconds = time.perf_counter() - before
    print(f"{name:29} {worst:.1e} {seconds:5.1f} s  {told.partition('file: ')[2]}")
    assert f"(importer {IMPORTERS[name]})" in told
    assert worst <= _CLOSEST


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("torchvision-mobilenet-v2", "features.3.conv.0.1.weight", "features.3.conv.1.1.weight"),
        ("torchvision-efficientnet-b0", "features.4.1.block.0.0.weight", "features.4.2.block.0.0.weight"),
        ("mmpose-vipnas-res50", "backbone.layer3.2.bn1.running_mean", "backbone.layer3.3.bn1.running_mean"),
        ("evopose2d-xs", "block6b_se_expand/bias:0", "block6c_se_expand/bias:0"),
        ("kapao-s", "model.15.cv1.conv.weight", "model.15.cv2.conv.weight"),
    ],
)
def test_exchanged_tensors_are_caught(name: str, first: str, second: str, tmp_path: Path) -> None:
    worst, _ = differences(name, tmp_path / "file", (first, second))
    print(f"{name:29} {worst:.1e}")
    assert worst > _CLOSEST


@pytest.mark.slow
def test_the_largest_hrnet_of_ofa_computes_the_published_one(tmp_path: Path) -> None:
    weights = load_initial_weights(str(write("official-hrnet-w32", tmp_path / "file")))
    network = find_network("vipnas-hrnet-w32-largest")
    space, head = make_pair(network.space, network.head)
    torch.manual_seed(0)
    made = build_network(space, network.genotype, head=head, keypoints=network.keypoints).eval()
    told = weights.fill(made, keypoints=network.keypoints.names)
    with torch.no_grad():
        maps = made(torch.from_numpy(filler().image()))
    difference = filler().compare(maps.numpy(), np.load(FOLDER / "official-hrnet-w32.npz"), "heatmaps")
    print(difference, told)
    assert difference == 0
    assert told.endswith("layers that it lacks begin as identities")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "published", "inner"),
    [
        ("posenfs-2", "torchvision-resnet50", "stage3.5.conv2.weight"),
        ("posenfs-3", "official-hrnet-w32", "stages.1.3.branches.2.3.conv2.weight"),
    ],
)
def test_a_published_backbone_serves_networks_that_wrap_it(
    name: str, published: str, inner: str, tmp_path: Path
) -> None:
    weights = load_initial_weights(str(write(published, tmp_path / "file")))
    network = find_network(name)
    space, head = make_pair(network.space, network.head)
    made = build_network(space, network.genotype, head=head, keypoints=network.keypoints)
    told = weights.fill(made, keypoints=network.keypoints.names)
    print(told)
    taken = made.state_dict()[f"backbone.backbone.network.{inner}"]
    assert torch.equal(taken, weights.tensors[f"backbone.{inner}"])


def test_weights_of_keras_ask_for_its_padding_before_training(posenas: Command, tmp_path: Path) -> None:
    write("keras-efficientnet-b0", tmp_path / "notop.h5")
    arguments = ("train", "efficientnet-b0-pose", *SMALL, "--init", tmp_path / "notop.h5", "--dry-run")
    refused = posenas(*arguments)
    assert refused.status == 2
    assert "(importer keras) need space.padding=keras, and space.padding is symmetric; add -o " in refused.err
    told = posenas(*arguments, "-o", "space.padding=keras")
    assert told.status == 0
    assert "weights of Keras's EfficientNet for ImageNet (importer keras): 84.4 % of the para" in told.err


def test_a_mobilenetv3_is_refused_with_the_reason(tmp_path: Path) -> None:
    state = {"features.0.0.weight": torch.ones(16, 3, 3, 3), "features.4.block.2.fc1.weight": torch.ones(1)}
    torch.save({**state, "features.4.block.2.fc1.weight": torch.ones(24, 72, 1, 1)}, tmp_path / "file")
    with pytest.raises(PosenasError, match=r"file: is a MobileNetV3-large for ImageNet, and no network here"):
        load_initial_weights(str(tmp_path / "file"))
