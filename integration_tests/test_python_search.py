"""A search in three lines of Python."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import posenas
import pytest
import torch

README = (Path(__file__).parents[1] / "README.md").read_text()
SMALL: dict[str, Any] = {
    "strategy.epochs": 1,
    "strategy.candidates": 2,
    "strategy.final_epochs": 1,
    "dataset.train_images": 12,
    "dataset.val_images": 4,
    "training.workers": 0,
    "head.input_size": [64, 64],
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> posenas.SearchRun:
    folder = tmp_path_factory.mktemp("python") / "run"
    return posenas.search(space="ofa", strategy="sandwich", limits=["gmacs<=0.02"], options=SMALL, run=folder)


def test_the_best_network_of_a_search_is_there_with_its_weights(run: posenas.SearchRun) -> None:
    assert run.best == run.trials[-1]
    assert run.best.costs["gmacs"] <= 0.02
    assert "oks.AP" in run.best.metrics
    network = run.network()
    maps = network(torch.zeros(1, 3, 64, 64))
    assert maps.shape == (1, 17, 16, 16)
    assert not network.training
    assert run.report().exists()


def test_the_readmes_example_runs_as_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    whole = posenas.search

    def small(*, options: dict[str, Any], **choices: Any) -> posenas.SearchRun:
        return whole(options=options | SMALL, **choices)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(posenas, "search", small)
    names: dict[str, Any] = {}
    exec(example, names)
    assert 0.0 <= float(capsys.readouterr().out.split()[0]) <= 1.0
    assert isinstance(names["network"], torch.nn.Module)
    assert names["run"].path == Path("runs/ofa-sandwich-synthetic-1")


def test_a_search_goes_on_in_its_folder(run: posenas.SearchRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "posenas.searching.training_effects.train", lambda *_, **__: pytest.fail("trained again")
    )
    again = posenas.search(
        space="ofa", strategy="sandwich", limits=["gmacs<=0.02"], options=SMALL, run=run.path
    )
    assert again.trials == run.trials
    assert posenas.open_run(run.path).best == run.best


def test_a_run_that_has_not_ended_is_told(tmp_path: Path) -> None:
    with pytest.raises(posenas.PosenasError, match="no run here"):
        posenas.open_run(tmp_path)


def test_what_does_not_fit_is_told_before_anything_is_trained() -> None:
    with pytest.raises(posenas.PosenasError, match="sandwich"):
        posenas.compose(strategy="sandwitch")
    with pytest.raises(posenas.PosenasError, match=r"TABLE\.KEY"):
        posenas.compose(options={"candidates": 3})
    with pytest.raises(posenas.PosenasError, match="unknown cost or metric"):
        posenas.compose(limits=["gmac<=1"])


def test_a_composition_is_the_one_of_the_command_line(tmp_path: Path) -> None:
    composed = posenas.compose(space="fixed", strategy="random", options={"dataset.train_images": 4}, seed=3)
    assert composed.recipe.space.name == "fixed"
    assert composed.recipe.seed == 3
    assert composed.recipe.dataset.options["train_images"] == 4
    file = tmp_path / "recipe.toml"
    file.write_text('seed = 5\n[space]\nname = "fixed"\n[strategy]\nname = "random"\n')
    assert posenas.compose(recipe=file).recipe.seed == 5
    assert posenas.compose(recipe=file, seed=6).recipe.seed == 6
