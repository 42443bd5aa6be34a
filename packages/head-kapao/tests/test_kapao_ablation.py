"""What fusion is worth: told by the head, remembered by a run, shown in its report."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from head_kapao.anchors import ANCHORS
from head_kapao.grids import STRIDES
from head_kapao.head import KapaoHead
from head_kapao.module import KapaoModule
from head_kapao.sizes import published
from posenas import COCO_17, Ablatable, Batch, Composition, Level, Trial
from posenas.composing.compose import compose
from posenas.contract.trial import trial_from_dict
from posenas.reporting.report import write_report
from posenas.reporting.rescoring import evaluate_run
from posenas.runs.events import Events
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.runs.run import create_run, open_run
from posenas.searching.search import search
from safetensors.torch import save_file
from torch import Tensor

LEVELS = [Level(f"p{number}", stride, 8) for number, stride in enumerate(STRIDES, 3)]
SILENT = Events({}, complain=pytest.fail)


def module(**options: Any) -> KapaoModule:
    head = KapaoHead(input_size=(128, 128), **options)
    return head.build(head.select(LEVELS), COCO_17)


def random_outputs(head: KapaoModule, *, views: int) -> list[Tensor]:
    """Poses and keypoint objects everywhere, of any score."""
    generator = torch.Generator().manual_seed(0)
    shape = (views, len(ANCHORS[8]))
    return [
        2 * torch.randn(*shape, 128 // stride, 128 // stride, head.channels.count, generator=generator)
        for stride in STRIDES
    ]


def views(*pitch: float) -> Batch:
    images = torch.zeros(len(pitch), 3, 128, 128)
    return Batch(images, torch.zeros(0, 17, 2), torch.zeros(0, 17), pitch=torch.tensor(pitch))


@pytest.mark.parametrize("confidence", [False, True])
def test_the_poses_are_those_with_and_those_without_the_option(confidence: bool) -> None:
    head = module(keypoint_confidence=confidence, fusion_confidence=0.1)
    unfused = module(keypoint_confidence=confidence, fusion=False)
    assert isinstance(head, Ablatable)
    outputs, batch = random_outputs(head, views=3), views(1.0, 2.0, 3.0)
    poses, without = head.decode_ablated(outputs, batch)
    assert list(without) == ["fusion"]
    for found, expected in (
        (poses, head.decode(outputs, batch)),
        (without["fusion"].poses, unfused.decode(outputs, batch)),
    ):
        for name, value in vars(expected).items():
            assert torch.equal(getattr(found, name), value), name
    moved = (poses.keypoints != without["fusion"].poses.keypoints).any(2)
    assert without["fusion"].replaced is not None
    assert without["fusion"].replaced.tolist() == moved.sum(0).tolist()
    assert moved.sum() > 100
    assert not moved.all(0).any()


def test_without_fusion_there_is_nothing_to_leave_out() -> None:
    head = module(fusion=False)
    outputs = random_outputs(head, views=1)
    poses, without = head.decode_ablated(outputs, views(1.0))
    assert without == {}
    assert torch.equal(poses.keypoints, head.decode(outputs, views(1.0)).keypoints)


def test_views_of_nobody_have_nothing_replaced() -> None:
    head = module()
    nothing = [torch.full_like(grid, -12.0) for grid in random_outputs(head, views=2)]
    poses, without = head.decode_ablated(nothing, views(1.0, 1.0))
    assert poses.keypoints.shape == without["fusion"].poses.keypoints.shape == (0, 17, 2)
    assert without["fusion"].replaced is not None
    assert without["fusion"].replaced.tolist() == [0] * 17


def composition(init: Path, **head: Any) -> Composition:
    return compose(
        Recipe(
            space=ComponentChoice("yolo", {"size": "tiny"}),
            strategy=ComponentChoice("single", {"genotype": published("tiny"), "epochs": 1}),
            head=ComponentChoice("kapao", {"input_size": [128, 128], **head}),
            dataset=ComponentChoice("synthetic", {"train_images": 4, "val_images": 4, "max_people": 3}),
            evaluator=ComponentChoice("pck", {"threshold": 1.0}),
            training={"batch_size": 4, "workers": 0, "learning_rate": 1e-6},
            init=str(init),
            precision="32",
        )
    )


def write_initial_weights(file: Path) -> None:
    """A network that sees a pose with one anchor of each cell, a nose and a left ankle with the others."""
    head = module()
    tensors = {}
    for number in range(len(STRIDES)):
        bias = torch.zeros(3, head.channels.count)
        bias[:, head.channels.objectness] = 1.0
        bias[torch.arange(3), head.channels.classes.start + torch.tensor([0, 1, 16])] = 4.0
        tensors[f"head.outputs.{number}.bias"] = bias.flatten()
    save_file(tensors, file)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_initial_weights(folder / "init.safetensors")
    composed = composition(folder / "init.safetensors")
    run = create_run(folder / "run", composed.recipe)
    search(composed, run, events=Events({}, complain=print))
    write_report(run.path)
    return run.path


def answer(run: Path) -> Trial:
    (trial,) = json.loads((run / "trials.json").read_text())
    return trial_from_dict(trial)


def fusion_of(trial: Trial) -> dict[str, Any]:
    """Return the metrics without fusion and its rates, as the core noted them."""
    fusion: dict[str, Any] = trial.notes["ablations"]["fusion"]
    return fusion


def test_the_run_remembers_what_the_option_changes(finished: Path) -> None:
    """The same weights, evaluated by themselves with and without the option."""
    trial = answer(finished)
    for fusion, metrics in ((True, trial.metrics), (False, fusion_of(trial)["metrics"])):
        evaluated = evaluate_run(
            finished, split="val", assignments=[f"head.fusion={str(fusion).lower()}"], flags={}, events=SILENT
        )
        assert evaluated.metrics == pytest.approx(dict(metrics))
    assert trial.metrics != fusion_of(trial)["metrics"]


def test_rates_are_counted_in_the_predictions_file(finished: Path) -> None:
    """A keypoint that was fused has a score there, any other none."""
    trial = answer(finished)
    assert trial.predictions is not None
    results = json.loads((finished / "predictions" / trial.predictions).read_text())
    scores = np.array([result["keypoints"][2::3] for result in results])
    _, recipe = open_run(finished)
    people = [person for sample in compose(recipe).dataset.split("val") for person in sample.people]
    labelled = np.array([person.keypoints[:, 2] > 0 for person in people])
    expected = {
        name: (scores[:, index] > 0).sum() / labelled[:, index].sum()
        for index, name in enumerate(COCO_17.names)
        if labelled[:, index].any()
    }
    assert fusion_of(trial)["rates"] == pytest.approx(expected)
    assert min(expected["nose"], expected["left_ankle"]) > 0
    assert expected["left_hip"] == 0


def test_a_resumed_run_has_the_same_figures(finished: Path) -> None:
    before = (finished / "trials.json").read_bytes()
    journal = (finished / "journal.jsonl").read_bytes()
    (finished / "trials.json").unlink()
    run, recipe = open_run(finished)
    search(compose(recipe), run, events=Events({}, complain=print))
    assert (finished / "trials.json").read_bytes() == before
    assert (finished / "journal.jsonl").read_bytes() == journal


def test_the_report_shows_both_and_the_rates(finished: Path) -> None:
    page = (finished / "report" / "report.html").read_text()
    trial = answer(finished)
    table = page.partition("<h2>What fusion is worth</h2>")[2].partition("</table>")[0]
    (row,) = re.findall(r'<tr><th scope="row">pck\.PCK@1</th>(.*)</tr>', table)
    without, whole = fusion_of(trial)["metrics"]["pck.PCK@1"], trial.metrics["pck.PCK@1"]
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", row)
    assert cells == [f"{without:.3f}", f"{whole:.3f}", f"{whole - without:+.3f}", "higher"]
    assert re.findall(r">(fusion \w+)</th>", table) == ["fusion off", "fusion on"]
    rates = fusion_of(trial)["rates"]
    most = max(rates, key=lambda name: rates[name])
    assert f"it replaces {most} most often ({rates[most]:.2f})" in page
    picture = base64.b64encode((finished / "report" / "rates-fusion.png").read_bytes()).decode()
    assert f'"data:image/png;base64,{picture}"' in page
    assert "annotated box" not in page  # nobody was looked for in one
    assert "Not everything could be shown" not in page


def test_the_report_of_a_trial_without_ablations_shows_nothing_of_it(finished: Path, tmp_path: Path) -> None:
    _, recipe = open_run(finished)
    run = create_run(tmp_path / "run", recipe)
    plain = replace(answer(finished), notes={}, predictions=None)
    (run.path / "trials.json").write_text(json.dumps([plain.as_dict()]))
    (run.path / "report").mkdir()
    (run.path / "report" / "rates-fusion.png").write_bytes(b"of an earlier state of the run")
    page = write_report(run.path).read_text()
    assert "fusion o" not in page
    assert not (run.path / "report" / "rates-fusion.png").exists()


def test_the_report_says_where_nothing_was_replaced(finished: Path, tmp_path: Path) -> None:
    _, recipe = open_run(finished)
    run = create_run(tmp_path / "run", recipe)
    trial = answer(finished)
    fusion = fusion_of(trial)
    never = {**fusion, "rates": dict.fromkeys(fusion["rates"], 0.0)}
    idle = replace(trial, notes={"ablations": {"fusion": never}}, predictions=None)
    (run.path / "trials.json").write_text(json.dumps([idle.as_dict()]))
    page = write_report(run.path).read_text()
    assert "It replaced no keypoint in any predicted pose." in page
    assert "fusion off" in page
    assert not (run.path / "report" / "rates-fusion.png").exists()
