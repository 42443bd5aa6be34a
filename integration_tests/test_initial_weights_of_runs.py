"""`--init`: a run that begins with another run's weights, through the command line."""

from __future__ import annotations

import hashlib
import json
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from nas_ofa_elastic.space import ElasticSpace
from posenas.composing.building import build_network
from posenas.contract.keypoint_sets import COCO_17
from posenas.runs.checkpoint import save_checkpoint
from posenas.runs.recipe import Recipe, recipe_digest, recipe_from_text, recipe_tables, recipe_text
from posenas.standard.heads.heatmap import HeatmapHead
from running import SMALL, SMALL_SEARCH, Answer
from safetensors.torch import load_file, save_file
from torch import ones

Command = Callable[..., Answer]

SPACE = ElasticSpace()
TRAIN = (*SMALL, "--space", "ofa", "--epochs", "1")


@pytest.fixture
def command(posenas: Command, tmp_path: Path) -> Command:
    """In a folder with the space's extreme genotypes, and weights of the largest one's network."""
    (tmp_path / "large.json").write_text(json.dumps(SPACE.largest()))
    (tmp_path / "small.json").write_text(json.dumps(SPACE.smallest()))
    torch.manual_seed(0)
    network = build_network(SPACE, SPACE.largest(), head=HeatmapHead(), keypoints=COCO_17)
    save_file(network.state_dict(), tmp_path / "weights")
    return posenas


def trainings(run: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in Path(run, "journal.jsonl").read_text().splitlines()]
    return [line for line in lines if line["effect"] == "train"]


def weights(run: str) -> bytes:
    return Path(run, "best", "weights.safetensors").read_bytes()


def test_a_network_begins_with_another_ones_weights(command: Command, tmp_path: Path) -> None:
    assert command("train", "large.json", *TRAIN, "--run", "first").status == 0
    alone = command("train", "small.json", *TRAIN, "--run", "alone")
    begun = command("train", "small.json", *TRAIN, "--run", "begun", "--init", "first")
    assert (alone.status, begun.status) == (0, 0)
    told = f"init {tmp_path}/first/best/weights.safetensors: 100.0 % of the parameters taken from it"
    assert begun.err.count(told) == 1
    assert "taken from it" not in alone.err
    (with_init,), (without,) = trainings("begun"), trainings("alone")
    assert with_init["inputs"] == without["inputs"] | {
        "initial": hashlib.sha256(weights("first")).hexdigest()
    }
    assert with_init["key"] != without["key"]
    assert weights("begun") != weights("alone")
    assert tomllib.loads(Path("begun/recipe.toml").read_text())["init"] == str(tmp_path / "first")
    assert "init" not in tomllib.loads(Path("alone/recipe.toml").read_text())


def test_a_smaller_file_serves_a_larger_network(command: Command) -> None:
    network = build_network(SPACE, SPACE.smallest(), head=HeatmapHead(), keypoints=COCO_17)
    save_file(network.state_dict(), "small")
    grown = command("train", "large.json", *TRAIN, "--run", "grown", "--init", "small")
    share = float(grown.err.split(" % of the parameters taken")[0].split()[-1])
    assert 0 < share < 100
    assert grown.status == 0


def test_a_stopped_training_goes_on_and_does_not_begin_anew(
    command: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arguments = (
        "train",
        "small.json",
        *SMALL,
        "--space",
        "ofa",
        "--epochs",
        "3",
        "--init",
        "weights",
        "--run",
    )
    assert command(*arguments, "whole").status == 0

    def stop(path: Path, **arguments: Any) -> None:
        save_checkpoint(path, **arguments)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("posenas.learning.training.save_checkpoint", stop)
        stopped = command(*arguments, "stopped")
    assert (stopped.status, trainings("stopped")) == (2, [])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")  # the recipe's way to the file leads there from anywhere
    resumed = command("resume", tmp_path / "stopped")
    assert resumed.status == 0
    assert "epoch 2 of 3" in resumed.err
    assert "epoch 1 of 3" not in resumed.err
    monkeypatch.chdir(tmp_path)
    assert weights("stopped") == weights("whole")


def test_a_file_of_another_content_trains_anew(command: Command, tmp_path: Path) -> None:
    assert command("train", "small.json", *TRAIN, "--run", "begun", "--init", "weights").status == 0
    before = weights("begun")
    assert command("resume", "begun").status == 0
    assert len(trainings("begun")) == 1
    shutil.copy(tmp_path / "begun" / "best" / "weights.safetensors", tmp_path / "weights")
    assert command("resume", "begun").status == 0
    assert len({training["key"] for training in trainings("begun")}) == 2
    assert weights("begun") != before


def test_super_networks_and_networks_serve_each_other(command: Command) -> None:
    search = command("compose", *SMALL_SEARCH, "--space", "ofa", "--run", "search", "--init", "weights")
    assert search.status == 0
    assert search.err.count("100.0 % of the parameters taken from it") == 1
    shared, final = trainings("search")
    assert ("initial" in shared["inputs"], "initial" in final["inputs"]) == (True, False)
    file = Path("search", "weights", shared["result"])
    assert all(name.startswith("shared.largest.") for name in load_file(file))
    served = command("train", "small.json", *TRAIN, "--run", "served", "--init", file)
    assert served.status == 0
    assert "100.0 % of the parameters taken from it" in served.err


def test_files_that_are_no_use_are_refused_before_training(command: Command, tmp_path: Path) -> None:
    missing = command("compose", *SMALL, "--init", "nowhere", "--run", "run")
    assert (missing.status, "init nowhere: there is no such file" in missing.err) == (2, True)
    (tmp_path / "text").write_text("no weights")
    text = command("train", "small.json", *TRAIN, "--init", "text", "--run", "run")
    assert (text.status, "text: is neither a whole safetensors file" in text.err) == (2, True)
    assert not Path("run").exists()


def test_nothing_that_fits_is_an_error(command: Command, tmp_path: Path) -> None:
    save_file({"strange.weight": ones(3)}, tmp_path / "strange")
    answer = command("train", "small.json", *TRAIN, "--run", "run", "--init", "strange")
    assert answer.status == 2
    assert "strange: nothing of it fits: it has strange.weight, and the network has backbone." in answer.err


def test_a_finished_run_is_evaluated_without_the_file(command: Command, tmp_path: Path) -> None:
    assert command("train", "small.json", *TRAIN, "--run", "begun", "--init", "weights").status == 0
    (tmp_path / "weights").unlink()
    assert command("evaluate", "begun").status == 0
    assert "weights: there is no such file" in command("resume", "begun").err


def test_an_empty_flag_leaves_out_a_recipes_file(command: Command, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text('init = "nowhere"\n')
    assert command("compose", "--recipe", "recipe.toml", *SMALL, "--dry-run").status == 2
    assert command("compose", "--recipe", "recipe.toml", *SMALL, "--dry-run", "--init", "").status == 0
    wrong = command("compose", *SMALL, "--dry-run", "-o", "init=[1]")
    assert (wrong.status, "init = [1]: expected text" in wrong.err) == (2, True)


def test_recipes_without_initial_weights_are_what_they_were() -> None:
    recipe = Recipe(init="/folder/file")
    assert recipe_from_text(recipe_text(recipe)) == recipe
    assert "init" not in recipe_tables(Recipe())
    assert recipe_digest(recipe) != recipe_digest(Recipe())
