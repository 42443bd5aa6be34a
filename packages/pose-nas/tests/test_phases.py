"""Settings by phase: read, merged, judged before training, completed, and used by the right trainings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from posenas.composing.compose import compose
from posenas.composing.composition import Composition
from posenas.composing.named_networks import NamedNetwork
from posenas.composing.phases import PhaseSettings, check_kept, check_phases, check_plan, planned
from posenas.composing.plugins import Owner
from posenas.composing.settings import make_augmentation, make_settings
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.problem import Candidate
from posenas.data.augment import Augmentation
from posenas.learning.settings import TrainingSettings
from posenas.runs.recipe import (
    ComponentChoice,
    Recipe,
    merge,
    parse_assignment,
    recipe_digest,
    recipe_from_tables,
    recipe_from_text,
    recipe_tables,
    recipe_text,
)
from posenas.searching import training_effects
from posenas.searching.scoring import ranking_score, score
from posenas.standard.fixed.space import FixedSpace
from posenas.standard.heads.heatmap import HeatmapHead
from posenas.standard.strategies.random_search import RandomSearch
from toy_search import METRIC, SMALL, Still, problem_in, resources_in

TABLES = {
    "space": {"name": "fixed", "width": 0.125},
    "strategy": {"name": "random", "candidates": 1, "epochs": 2, "final_epochs": 4},
    "head": {"name": "heatmap", "input_size": [64, 64]},
    "dataset": {"name": "synthetic", "train_images": 8, "val_images": 2},
    "evaluator": {"name": "oks"},
}


def composed(*assignments: str, **tables: Any) -> Composition:
    parsed = [parse_assignment(text) for text in assignments]
    return compose(recipe_from_tables(merge(TABLES | tables, parsed, flags={})))


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ([("final", 3)], "trainings gives tuple, expected PlannedTraining"),
        (3, "trainings failed: TypeError"),
    ],
)
def test_a_plan_that_is_none_names_the_strategy(answer: Any, says: str) -> None:
    class Vague(RandomSearch):
        def trainings(self, _space: Any) -> Any:
            return answer

    with pytest.raises(PosenasError, match=f"strategy random of pose-nas.*{says}"):
        planned(Vague(), FixedSpace(), owner=Owner("strategy", "random"))


def judged(*assignments: str, **tables: Any) -> tuple[TrainingSettings, Any, list[str]]:
    """What composing makes of the tables of settings, without the rest of composing."""
    parsed = [parse_assignment(text) for text in assignments]
    recipe = recipe_from_tables(merge(TABLES | tables, parsed, flags={}))
    held_out = recipe.evaluation.get("held_out", 0.1)
    training = make_settings(recipe)["training"]
    _, phases = make_augmentation(recipe, HeatmapHead())
    check_phases(recipe, training, phases)
    strategy = RandomSearch(**recipe.strategy.options)
    plan = planned(strategy, FixedSpace(), owner=Owner("strategy", "random"))
    assert plan is not None
    return training, phases, list(check_plan(plan, training, phases, held_out=held_out))


def test_a_phase_changes_what_differs_and_keeps_the_rest() -> None:
    made = composed(
        "training.final.learning_rate=1e-4",
        "augmentation.final.rotation=45",
        training={"learning_rate": 1e-2, "batch_size": 4, "candidate": {"optimizer": "sgd", "momentum": 0.8}},
        augmentation={"scale": 0.3},
    )
    whole, candidate, final = made.training, made.settings_of("candidate"), made.settings_of("final")
    assert (whole.learning_rate, whole.batch_size) == (1e-2, 4)
    assert candidate.training == replace(whole, optimizer="sgd", momentum=0.8)
    assert final.training == replace(whole, learning_rate=1e-4)
    assert candidate.augmentation == Augmentation(scale=0.3)
    assert final.augmentation == Augmentation(scale=0.3, rotation=45.0)
    assert made.settings_of("shared") == PhaseSettings(whole, made.augmentation)


def test_a_completed_recipe_reads_back_as_the_same_composition() -> None:
    made = composed(
        training={"candidate": {"warm_up_steps": 1}, "final": {"learning_rate": 1e-3}},
        augmentation={"final": {"draws": "normal"}},
    )
    completed = recipe_tables(recipe_from_text(recipe_text(made.recipe)))
    assert completed["training"]["candidate"] == {"warm_up": 0.0, "warm_up_steps": 1}
    assert completed["training"]["final"] == {"learning_rate": 1e-3}
    assert completed["augmentation"]["final"] == {"draws": "normal"}
    again = compose(recipe_from_tables(completed))
    assert (again.training, again.augmentation, again.phases) == (
        made.training,
        made.augmentation,
        made.phases,
    )
    assert again.recipe == made.recipe


def test_a_recipe_without_phases_has_the_digest_of_before() -> None:
    plain = Recipe(training={"batch_size": 4})
    empty = recipe_from_tables(recipe_tables(plain) | {"training": {"batch_size": 4, "final": {}}})
    assert empty == plain
    assert recipe_digest(Recipe()) == "428d409453af44e1814820469343afa7e1fe2076ebc3e1d7f4d2566a6ed084ce"


def test_flags_and_files_meet_in_a_phase() -> None:
    file = {"training": {"batch_size": 4, "final": {"learning_rate": 1e-3, "clip_norm": 1.0}}}
    merged = merge(file, [parse_assignment("training.final.clip_norm=2")], flags={})
    assert merged["training"] == {"batch_size": 4, "final": {"learning_rate": 1e-3, "clip_norm": 2}}


REFUSED = {
    "training.final.workers=2": "training.final.workers: this holds for a whole run; give training.workers",
    "training.final.batchsize=2": "unknown option 'batchsize' of table [training.final]",
    "augmentation.candidate.zoom=2": "unknown option 'zoom' of table [augmentation.candidate]",
    "training.final=2": "training is a table, not a single value",
    "training.finale.learning_rate=0.1": "unknown phase 'finale'; did you mean 'final'?",
    "training.momentum=0.5": "training.momentum has no effect: optimizer adamw has betas; leave it out",
    "training.final.momentum=0.5": "training.final.momentum has no effect: optimizer adamw has betas",
    "training.milestones=0.5,0.9": "training.milestones has no effect: schedule cosine has none",
    "training.decay_factor=0.5": "training.decay_factor has no effect: schedule cosine has none",
    "training.nesterov=true": "training.nesterov has no effect: optimizer adamw has no such momentum",
    "training.warm_up=3": "table [training], phase candidate: warm_up is 3 epochs, and this training has 2",
    "training.shared.compile=true": "training.shared.compile has no effect: super-networks are not compiled",
    "training.betas=0.9,1.5": "table [training]: betas are 0.9, 1.5",
}


@pytest.mark.parametrize(("assignment", "message"), REFUSED.items())
def test_what_cannot_be_is_refused_before_training(assignment: str, message: str) -> None:
    with pytest.raises(PosenasError) as refusal:
        judged(assignment)
    assert message in str(refusal.value)


def test_a_table_of_no_phase_is_refused() -> None:
    recipe = recipe_from_tables({"augmentation": {"finale": {"flip": 0.0}}})
    with pytest.raises(PosenasError, match="unknown phase 'finale'; did you mean 'final'") as refusal:
        make_settings(recipe)
    assert str(refusal.value).startswith("table [augmentation.finale]: ")


STEP = {"schedule": "step", "optimizer": "sgd"}


@pytest.mark.parametrize(
    ("training", "message"),
    [
        ({"ema_ramp": 10}, "training.ema_ramp has no effect: ema_decay is 0; leave it out"),
        ({"keep": "best"}, "training.keep=best: the last training learns from the ranking people too"),
        (STEP | {"betas": [0.5, 0.9]}, "training.betas has no effect: optimizer sgd has none"),
        (STEP | {"milestones": [3, 2]}, "milestones are 3, 2; they must be above 0 and increase"),
        (STEP | {"milestones": [2, 3]}, "table [training], phase candidate: milestones are 2, 3, and this"),
        (STEP | {"milestones": [0.9, 1]}, "phase candidate: milestones are 0.9, 1, and this training has 2"),
        (
            STEP | {"final": {"milestones": [2, 4]}},
            "[training.final], phase final: milestones are 2, 4",
        ),
        (STEP | {"nesterov": True, "momentum": 0.0}, "nesterov needs a momentum above 0"),
        ({"schedule": "constant", "least_rate": 0.5}, "training.least_rate has no effect: schedule constant"),
        ({"compile": True, "batch_norm": "synchronised"}, "compile is true and batch_norm is synchronised"),
        ({"warm_up": 0.1, "warm_up_steps": 5}, "warm_up is 0.1 and warm_up_steps is 5; set warm_up=0"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(training: Mapping[str, Any], message: str) -> None:
    with pytest.raises(PosenasError) as refusal:
        judged(training=training)
    assert message in str(refusal.value)


def test_milestones_of_the_final_training_alone_fit() -> None:
    training, _, _ = judged(training=STEP | {"candidate": {"schedule": "cosine"}, "milestones": [2, 3]})
    assert training.milestones == (2, 3)


def test_an_option_that_one_phase_uses_is_no_mistake() -> None:
    _, phases, _ = judged(training={"momentum": 0.8, "final": {"optimizer": "sgd"}})
    assert phases["final"].training.momentum == 0.8


def test_a_phase_that_is_never_trained_is_told() -> None:
    assert composed("training.shared.batch_size=4").warnings == (
        "the settings of phase shared have no effect: this strategy has no such training, only candidate and "
        "final",
    )
    assert judged("training.final.batch_size=4")[2] == []


def test_the_best_epoch_is_kept_where_it_can_be_told() -> None:
    judged(training={"candidate": {"keep": "best"}})
    judged(training={"keep": "best"}, evaluation={"held_out": 0.0})
    with pytest.raises(PosenasError, match=r"a super-network has no score of its own; give training\.cand"):
        check_kept(TrainingSettings(keep="best"), "shared", held_out=0.0)


def test_trainings_keep_the_epoch_with_the_best_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = [0.1, 0.9, 0.2]
    left: list[float] = []
    monkeypatch.setattr(training_effects, "ranking_score", lambda _resources, _network: left.pop(0))
    base = TrainingSettings(batch_size=4, workers=0, parallel=1)
    best = {"candidate": PhaseSettings(replace(base, keep="best"), Augmentation())}
    left[:] = scores
    kept = problem_in(tmp_path / "a", training=base, phases=best)
    (trial,) = kept.train_and_evaluate_many([Candidate(SMALL)], epochs=3, stage="candidate")
    plain = problem_in(tmp_path / "b", training=base)
    (least,) = plain.train_and_evaluate_many([Candidate(SMALL)], epochs=3, stage="candidate")
    assert not left
    assert trial.loss is not None
    assert least.loss is not None
    assert trial.loss > least.loss, "the second epoch is not the one with the least loss"
    left[:] = scores
    weights = problem_in(tmp_path / "c", training=base, phases=best).train(SMALL, epochs=3, on="fit")
    assert weights.file != plain.train(SMALL, epochs=3, on="fit").file


def test_the_score_of_the_ranking_people_leaves_the_network_as_it_is(tmp_path: Path) -> None:
    resources = resources_in(tmp_path)
    network = resources.composition.build(SMALL)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    found = ranking_score(resources, network)
    scored = score(resources, resources.composition.build(SMALL), on="ranking")["metrics"]
    assert 0 <= found <= 1
    assert set(scored) == {METRIC}
    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_network_of_a_run_is_trained_as_its_winner_was() -> None:
    phases = {"shared": {"batch_size": 2}, "final": {"batch_size": 8}}
    run = Recipe(training={"batch_size": 4, **phases}, augmentation={"candidate": {"flip": 0.0}})
    choice = ComponentChoice("fixed"), ComponentChoice("heatmap")
    network = NamedNetwork("won", choice[0], {}, choice[1], COCO_17, recipe=run)
    tables = network.recipe_tables()
    assert tables["training"] == {"batch_size": 4, "final": {"batch_size": 8}}
    assert tables["augmentation"] == {}


def test_each_training_takes_the_settings_of_its_phase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates = {"shared": 1e-3, "candidate": 2e-3, "final": 3e-3}
    base = TrainingSettings(batch_size=4, workers=0, parallel=1)
    sizes = {"shared": 2, "candidate": 4, "final": 3}
    phases = {
        phase: PhaseSettings(
            replace(base, learning_rate=rate, batch_size=sizes[phase]), Augmentation(flip=float(rate == 1e-3))
        )
        for phase, rate in rates.items()
    }
    seen: list[tuple[float, int]] = []
    trained = training_effects.train

    def listening(network: Any, source: Any, **options: Any) -> float | None:
        batch = next(iter(source.epoch(0)))
        seen.append((options["settings"].learning_rate, len(batch.images)))
        return trained(network, source, **options)

    monkeypatch.setattr(training_effects, "train", listening)
    problem = problem_in(tmp_path, training=base, phases=phases)
    problem.train_shared(Still(), epochs=1)
    list(problem.train_and_evaluate_many([Candidate(SMALL)], epochs=1, stage="candidate"))
    problem.train(SMALL, epochs=1, on="fit")
    problem.train(SMALL, epochs=1)
    assert seen == [(1e-3, 2), (2e-3, 4), (2e-3, 4), (3e-3, 3)]
