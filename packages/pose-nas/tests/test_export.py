"""Exported files: they give what torch gives, their manifests fit them, and refusals are one line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from posenas.cli import posenas as root_command
from posenas.contract.batches import Batch, View
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.levels import Level
from posenas.contract.normalisation import Normalisation
from posenas.data.person_crop import person_crops
from posenas.exporting.conversion import to_onnx
from posenas.exporting.export import check_export, check_loss, warn_if_slower
from posenas.exporting.manifest import manifest_path, read_manifest, write_manifest
from posenas.exporting.network import bytes_to_poses
from posenas.exporting.people import crowd_of
from posenas.exporting.proof import Proof
from posenas.exporting.quantisation import multiplies_bytes, quantised
from posenas.exporting.runtime import ExportedNetwork, fed_by, open_exported, open_model, poses_of
from posenas.networks.pose_network import PoseNetwork
from posenas.runs.recipe import ComponentChoice
from posenas.standard.heads.heatmap import HeatmapHead
from torch import Tensor, nn

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

VIEW = View("person", 32, 32)


class Backbone(nn.Module):
    """A backbone of one convolution, at 1/4."""

    levels = (Level("out", stride=4, channels=4),)

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 7, stride=4, padding=3)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"out": self.convolution(images)}


def network_of(head: HeatmapHead) -> PoseNetwork:
    """Return a network whose maps are uneven enough for certain peaks."""
    torch.manual_seed(0)
    backbone = Backbone()
    module = head.build(backbone.levels, COCO_17)
    nn.init.normal_(module.convolution.weight)
    return PoseNetwork(backbone, module).eval()


def exported(network: PoseNetwork, view: View) -> ExportedNetwork:
    module = bytes_to_poses(network, view, head="heatmap")
    examples = (torch.zeros(2, view.height, view.width, 3, dtype=torch.uint8),)
    return open_model(to_onnx(module, examples, opset=20).SerializeToString(), name="a.onnx")


def pixels(people: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(1).integers(0, 256, (people, 32, 32, 3), np.uint8))


def batch_of(images: Tensor) -> Batch:
    """Return a batch that was read without normalisation."""
    return Batch(images.permute(0, 3, 1, 2) / 255, torch.zeros(0), torch.zeros(0))


def check_agreement(head: HeatmapHead) -> None:
    bgr = Normalisation(order="bgr", scale=1.0, mean=(103.0, 116.0, 123.0), deviation=(57.0, 58.0, 59.0))
    network, view = network_of(head), replace(VIEW, normalisation=bgr)
    file = exported(network, view)
    for people in (1, 3):
        batch = batch_of(pixels(people))
        fed = (pixels(people).flip(3).float() - torch.tensor(bgr.mean)) / torch.tensor(bgr.deviation)
        with torch.no_grad():
            poses = network.head.decode(network(fed.permute(0, 3, 1, 2)), batch)
        found = poses_of(file(*fed_by(batch)))
        assert torch.allclose(found.keypoints, poses.keypoints, atol=1e-3)
        assert torch.allclose(found.keypoint_scores, poses.keypoint_scores, atol=1e-3)


def test_a_file_gives_what_torch_gives_for_any_number_of_people() -> None:
    check_agreement(HeatmapHead(input_size=(32, 32), encoding="gaussian", loss="mse"))


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["udp", "dark", "gaussian"])
@pytest.mark.parametrize("loss", ["cross-entropy", "mse"])
def test_all_encodings_are_exported(encoding: str, loss: str) -> None:
    check_agreement(HeatmapHead(input_size=(32, 32), encoding=encoding, loss=loss))  # type: ignore[arg-type]


class Odd(nn.Module):
    """A module with an operator that ONNX lacks."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"maps": torch.linalg.eigvalsh(images[:, :4, :4, 0].float())}


@pytest.mark.slow
def test_an_operator_that_onnx_lacks_is_named_with_its_module() -> None:
    images = torch.zeros(2, 8, 8, 3, dtype=torch.uint8)
    with pytest.raises(
        PosenasError, match=r"operator aten\._linalg_eigh\.default in 1 \(.*Odd\) cannot be"
    ) as told:
        to_onnx(nn.Sequential(nn.Identity(), Odd()), (images,), opset=20)
    assert "\n" not in str(told.value)


class Asking(nn.Module):
    """A module whose operators depend on a value, which it keeps."""

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        self.seen = images.sum()
        return {"maps": images + 1 if images.sum() > 3 else images}


def test_a_module_that_asks_for_values_is_refused_in_one_line(capfd: pytest.CaptureFixture[str]) -> None:
    images = torch.zeros(2, 8, 8, 3, dtype=torch.uint8)
    with pytest.raises(PosenasError, match="its operators depend on values") as told:
        to_onnx(Asking(), (images,), opset=20)
    assert "\n" not in str(told.value)
    assert capfd.readouterr() == ("", "")


def test_a_head_that_cannot_be_exported_is_named() -> None:
    with pytest.raises(PosenasError, match="head mine: it cannot be exported"):
        bytes_to_poses(PoseNetwork(Backbone(), nn.Identity()), VIEW, head="mine")


def test_a_manifest_is_of_one_file_alone(tmp_path: Path) -> None:
    file = tmp_path / "a.onnx"
    file.write_bytes(b"a network")
    write_manifest(file, {"opset": 20})
    assert read_manifest(file)["opset"] == 20
    file.write_bytes(b"another one")
    with pytest.raises(PosenasError, match=r"a\.json: does not fit a\.onnx: .*export again") as told:
        open_exported(file)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("[]", "no manifest of an export"),
        ("{", "no manifest of an export"),
        (json.dumps({"file": {}, "schema": 99}), "a manifest of schema 99; this posenas reads 1"),
    ],
)
def test_other_manifests_are_refused(tmp_path: Path, content: str, told: str) -> None:
    file = tmp_path / "a.onnx"
    file.write_bytes(b"a network")
    with pytest.raises(PosenasError, match="no such file"):
        read_manifest(file)
    manifest_path(file).write_text(content)
    with pytest.raises(PosenasError, match=told):
        read_manifest(file)


def test_a_file_that_is_no_network_is_refused() -> None:
    with pytest.raises(PosenasError, match=r"a\.onnx: onnxruntime .* cannot run it on this CPU"):
        open_model(b"no network", name="a.onnx")


@pytest.mark.slow
def test_only_the_backbone_is_quantised() -> None:
    network = network_of(HeatmapHead(input_size=(32, 32)))
    module = bytes_to_poses(network, VIEW, head="heatmap")
    model = to_onnx(module, (torch.zeros(2, 32, 32, 3, dtype=torch.uint8),), opset=20)
    content = quantised(model, [(pixels(8).numpy(),)])
    layers = [node for node in onnx.load_from_string(content).graph.node if node.op_type == "Conv"]
    weights = [layer.input[1].endswith("DequantizeLinear_Output") for layer in layers]
    assert weights == [True, False]
    batch = batch_of(pixels(3))
    maps, in_float = (
        open_model(each, name="a")(*fed_by(batch))["maps"] for each in (content, model.SerializeToString())
    )
    assert 0 < np.abs(maps - in_float).max() < 0.1 * np.abs(in_float).max()


def test_too_much_lost_in_int8_is_refused_in_one_line() -> None:
    proof = Proof("val of synthetic", 9, "oks.AP", 0.5, 0.4, 0.1, 0.0, 0.0, 0.0, 0, 153, 0.1)
    check_loss(proof, 0.11)
    with pytest.raises(
        PosenasError, match=r"oks\.AP goes from 0\.5000 to 0\.4000, .*more than 0\.05"
    ) as told:
        check_loss(proof, 0.05)
    assert "\n" not in str(told.value)
    with pytest.raises(PosenasError, match="cannot be told"):
        check_loss(replace(proof, torch=None, onnx=None, lost=None), 0.05)


@pytest.mark.parametrize("people", [3, 17, 20, 33])
def test_at_least_as_many_people_are_shown_as_are_asked_for(people: int) -> None:
    choice = ComponentChoice("synthetic", {"val_images": 48})
    trained = SimpleNamespace(recipe=SimpleNamespace(dataset=choice), keypoints=COCO_17)

    crowd = crowd_of(cast(Any, trained), "val", people=people, warn=pytest.fail)

    assert people <= len(person_crops(crowd.samples)) <= 2 * people + 2
    assert crowd.labelled


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--tolerance", "nan"], "--tolerance nan: not a number"),
        (["--tolerance", "inf"], "--tolerance inf: not a number"),
        (["--max-ap-loss", "0.1"], "--max-ap-loss is of the file in int8"),
        (["--int8", "--max-ap-loss", "nan"], "--max-ap-loss nan: not a number"),
        (
            ["-o", "evaluation.flip_test=true"],
            "evaluation.flip_test: an exported file has options of the head",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_anything_is_read(
    arguments: list[str], told: str, tmp_path: Path
) -> None:
    refused = CliRunner().invoke(root_command, ["export", str(tmp_path), *arguments]).exception
    assert isinstance(refused, PosenasError)
    assert told in str(refused)


def test_a_file_is_named_by_the_whole_name_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exports").mkdir()
    (tmp_path / "exports" / "rate-0.01.onnx").touch()
    (tmp_path / "rate-0.01").mkdir()
    refused = CliRunner().invoke(root_command, ["export", "rate-0.01"]).exception
    assert str(refused).startswith("exports/rate-0.01.onnx: exists already")


def test_a_file_in_int8_that_gains_less_than_the_one_in_float32_is_told() -> None:
    told: list[str] = []
    fast, slow = {"torch_ms": 9.0, "onnx_ms": 3.0}, {"torch_ms": 12.0, "onnx_ms": 8.0}

    warn_if_slower(slow, fast, warn=told.append)
    assert told == []
    warn_if_slower(fast, slow, warn=told.append)
    assert told == ["in int8 it is slower on this CPU: 1.50 times as fast as torch, in float32 3.00 times"]


def test_a_file_with_other_poses_is_refused_with_figures() -> None:
    proof = Proof("val of synthetic", 9, "oks.AP", 0.5, 0.5, 0.0, 1e-7, 0.3, 0.01, 0, 1530, 0.1)
    replace(proof, moved=1).check()
    with pytest.raises(PosenasError, match=r"2 of 1530 keypoints .* more than 0\.1 pixels .* by 0\.3"):
        replace(proof, moved=2).check()
    with pytest.raises(PosenasError, match=r"maps differ from torch's by 0\.01"):
        replace(proof, maps_difference=0.01).check()


@pytest.mark.parametrize(
    ("flags", "can"), [("sse avx2", False), ("avx512_vnni avx2", True), ("asimddp", True)]
)
def test_cpus_that_multiply_bytes_are_known(tmp_path: Path, flags: str, can: bool) -> None:
    file = tmp_path / "cpuinfo"
    assert multiplies_bytes(file)  # no such file: nobody tells
    file.write_text(f"flags : {flags}\n")
    assert multiplies_bytes(file) is can


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "a.onnx"
    check_export(file, int8=True)
    (tmp_path / "a.int8.json").touch()
    check_export(file, int8=False)
    with pytest.raises(PosenasError, match=r"a\.int8\.json: exists already"):
        check_export(file, int8=True)
    with pytest.raises(PosenasError, match=r"must end in \.onnx"):
        check_export(tmp_path / "a.pt", int8=False)
