"""Networks run and scored: by which people, with which statistics, and what is told where they fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from posenas.contract.errors import PosenasError
from posenas.contract.problem import Weights
from posenas.contract.scores import Evaluation, Metric
from posenas.learning.inference import EvaluationSettings
from posenas.runs.checkpoint import save_weights
from posenas.runs.predictions_file import are_kept
from posenas.searching import scoring
from posenas.searching.effects import NetworkFailedError
from posenas.searching.loading import fresh_network, fresh_shared_network
from posenas.searching.scoring import (
    candidate_evaluation,
    final_evaluation,
    images_of,
    in_one_line,
    make_trial,
    pooled_loss,
    score,
    score_and_keep,
    validation_loss,
)
from toy_search import METRIC, SMALL, WIDE, composed, resources_in

OWN = Weights("own.safetensors", shared=False)
SHARED = Weights("shared.safetensors", shared=True)


def test_the_keys_of_evaluations_stay_as_they_are(tmp_path: Path) -> None:
    resources = resources_in(tmp_path)
    final = final_evaluation(resources, SMALL, OWN)
    assert final.name == "evaluate"
    assert final.inputs == {"genotype": SMALL, "weights": "own.safetensors", "on": "val"}
    ranked = candidate_evaluation(resources, SMALL, SHARED, calibration_people=8)
    assert ranked.name == "evaluate"
    assert ranked.inputs == {
        "genotype": SMALL,
        "weights": "shared.safetensors",
        "on": "ranking",
        "calibration_people": 8,
    }
    nobody = resources_in(tmp_path, evaluation=EvaluationSettings(held_out=0.0))
    assert candidate_evaluation(nobody, SMALL, SHARED, calibration_people=8).inputs["on"] == "val"


def test_figures_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    resources = resources_in(tmp_path)
    torch.manual_seed(0)
    found = score(resources, fresh_network(resources, SMALL), on="val")
    assert found.keys() == {"metrics", "by_keypoint", "example_poses"}
    assert len(found["example_poses"]) == EvaluationSettings().example_people
    assert list(found["metrics"]) == [METRIC]
    assert found["by_keypoint"] == {"left": found["metrics"][METRIC]}


def test_no_poses_are_kept_where_none_are_asked_for(tmp_path: Path) -> None:
    resources = resources_in(tmp_path, evaluation=EvaluationSettings(example_people=0))
    found = score(resources, fresh_network(resources, SMALL), on="val")
    assert found.keys() == {"metrics", "by_keypoint"}


def test_each_split_has_scores_of_its_own(tmp_path: Path) -> None:
    resources = resources_in(tmp_path)
    scores = []
    for on in ("val", "ranking", "val"):
        torch.manual_seed(0)
        scores.append(score(resources, fresh_network(resources, SMALL), on=on))
    assert scores[0] == scores[2] != scores[1]


def test_statistics_are_taken_anew_from_training_people(tmp_path: Path) -> None:
    resources = resources_in(tmp_path)
    found = []
    for people in (0, 8):
        torch.manual_seed(0)
        network = fresh_network(resources, SMALL)
        normalisation: Any = network.backbone.normalisation
        normalisation.running_mean.fill_(100.0)
        found.append(score(resources, network, on="val", calibration_people=people))
    assert found[0] != found[1]
    torch.manual_seed(0)
    clean = score(resources, fresh_network(resources, SMALL), on="val", calibration_people=8)
    assert found[1] == clean, "what was there before does not count"


def test_predictions_are_kept_beside_the_scores(tmp_path: Path) -> None:
    resources = resources_in(tmp_path)
    torch.manual_seed(0)
    found = score_and_keep(resources, fresh_network(resources, SMALL), on="val")
    assert are_kept(tmp_path / "predictions" / found.pop("predictions"))
    torch.manual_seed(0)
    scored = score(resources, fresh_network(resources, SMALL), on="val")
    assert found == {name: scored[name] for name in ("metrics", "by_keypoint")}


def no_room(*_: Any, **__: Any) -> Any:
    raise RuntimeError("out of memory:\n  tried to allocate\n  91.6 GiB")


WORDS = "RuntimeError: out of memory: tried to allocate 91.6 GiB"


@pytest.mark.parametrize(("function", "name"), [(score, "predict"), (score_and_keep, "predict_ablated")])
def test_a_network_that_cannot_be_run_fails_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: Callable[..., Any], name: str
) -> None:
    resources = resources_in(tmp_path)
    network = fresh_network(resources, SMALL)
    monkeypatch.setattr(scoring, name, no_room)
    with pytest.raises(NetworkFailedError) as told:
        function(resources, network, on="val")
    assert str(told.value) == WORDS


def test_the_effects_of_a_network_that_cannot_be_run_give_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = resources_in(tmp_path)
    own = Weights(save_weights(tmp_path / "weights", fresh_network(resources, SMALL)), shared=False)
    shared = Weights(save_weights(tmp_path / "weights", fresh_shared_network(resources)), shared=True)
    effects = (
        final_evaluation(resources, SMALL, own),
        candidate_evaluation(resources, SMALL, shared, calibration_people=4),
    )
    for effect in effects:
        assert METRIC in effect.compute(effect.key)["metrics"]
    monkeypatch.setattr(scoring, "predict", no_room)
    monkeypatch.setattr(scoring, "predict_ablated", no_room)
    for effect in effects:
        assert effect.compute(effect.key) == {"failure": WORDS}


def test_an_evaluators_own_error_is_no_failure_of_the_network(tmp_path: Path) -> None:
    class Broken:
        def metrics(self) -> Any:
            return ()

        def evaluate(self, _predictions: Any, _truth: Any) -> Any:
            raise RuntimeError("a bug")

    resources = resources_in(tmp_path, evaluator=Broken())
    with pytest.raises(RuntimeError, match="a bug"):
        score(resources, fresh_network(resources, SMALL), on="val")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Evaluation({"errr": 1.0}), "evaluate gives metrics errr, and metrics declares error"),
        ({"error": 1.0}, "evaluate gives dict, expected Evaluation"),
    ],
)
def test_an_evaluator_that_changes_its_mind_is_named(tmp_path: Path, answer: Any, says: str) -> None:
    class Fickle:
        def metrics(self) -> Any:
            return (Metric("error"),)

        def evaluate(self, _predictions: Any, _truth: Any) -> Any:
            return answer

    resources = resources_in(tmp_path, evaluator=Fickle())
    with pytest.raises(PosenasError, match=f"evaluator.*{says}"):
        score(resources, fresh_network(resources, SMALL), on="val")


def test_the_loss_of_a_split_does_not_depend_on_its_batches(tmp_path: Path) -> None:
    losses = []
    for size in (4, 1, 3):
        resources = resources_in(tmp_path, evaluation=EvaluationSettings(batch_size=size))
        torch.manual_seed(0)
        network = fresh_network(resources, SMALL).eval()
        _, views = resources.splits.evaluated("val")
        losses.append(validation_loss(resources.composition, network, views))
        (batch,) = views.batches(4, device=torch.device("cpu"))
        module: Any = network.head
        alone = float(module.loss(network(batch.images), module.targets(batch)).detach())
        assert losses[-1] == pytest.approx(alone, rel=1e-6)
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-6)


def test_means_are_pooled_by_what_they_are_of() -> None:
    """One mean over views of both batches, another of a part that the second batch lacks."""
    batches = [
        (torch.tensor([1.0, 4.0]), torch.tensor([3, 2])),
        (torch.tensor([5.0, 0.0]), torch.tensor([1, 0])),
    ]
    assert pooled_loss(batches) == pytest.approx((3 * 1.0 + 5.0) / 4 + 4.0)
    assert pooled_loss([(torch.tensor([0.0]), torch.tensor([0]))]) == 0.0


def test_images_come_in_batches_of_the_settings_size(tmp_path: Path) -> None:
    resources = resources_in(tmp_path, evaluation=EvaluationSettings(batch_size=3))
    _, views = resources.splits.evaluated("val")
    assert [len(images) for images in images_of(resources.composition, views)] == [3, 1]


def test_a_trial_holds_what_its_effect_told_with_the_objective_first() -> None:
    result = {
        "metrics": {"other.figure": 0.1, "toy.void": 0.2, METRIC: 0.3},
        "by_keypoint": {"left": 0.5},
        "loss": 0.25,
        "inherited": 0.75,
        "predictions": "file.json",
        "ablations": {"fusion": {"metrics": {METRIC: 0.2}, "rates": {}}},
    }
    told = {"costs": {"macs": 1.0}, "weights": "own.safetensors", "stage": "final", "split": "val"}
    trial = make_trial(composed(), WIDE, result, **told)  # type: ignore[arg-type]
    assert list(trial.metrics) == [METRIC, "toy.void", "other.figure"]
    assert (trial.genotype, trial.stage, trial.split) == (WIDE, "final", "val")
    assert (trial.loss, trial.inherited, trial.predictions) == (0.25, 0.75, "file.json")
    assert trial.notes == {"ablations": result["ablations"]}
    failed = make_trial(composed(), WIDE, {"failure": "it broke"}, **told)  # type: ignore[arg-type]
    assert failed == replace(failed, metrics={}, by_keypoint={}, failure="it broke")
    assert (failed.loss, failed.inherited, failed.predictions) == (None, None, None)


def test_errors_in_one_line() -> None:
    assert in_one_line(ValueError("two\n lines")) == "ValueError: two lines"
    assert in_one_line(MemoryError()) == "MemoryError:"
