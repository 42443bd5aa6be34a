"""What the work of a search is done with: read once, told once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from posenas.contract.errors import PosenasError
from posenas.runs.checkpoint import save_weights
from posenas.runs.run import Run
from posenas.searching.resources import make_resources
from safetensors.torch import save_file
from toy_search import composed, refuse, resources_in


def test_weights_are_read_from_the_run_unless_somebody_else_reads_them(tmp_path: Path) -> None:
    resources = resources_in(tmp_path)
    file = save_weights(tmp_path / "weights", torch.nn.Linear(1, 1))
    assert resources.read(file) == (tmp_path / "weights" / file).read_bytes()
    with pytest.raises(PosenasError, match="this weights file is missing"):
        resources.read("none.safetensors")
    (tmp_path / "weights" / file).write_bytes(b"other")
    with pytest.raises(PosenasError, match="this weights file is damaged"):
        resources.read(file)
    other = make_resources(
        composed(), Run(tmp_path), warn=refuse, advance=lambda *_: None, read=lambda name: name.encode()
    )
    assert other.read(file) == file.encode()


def test_initial_weights_are_read_once_and_only_where_the_recipe_names_them(tmp_path: Path) -> None:
    assert resources_in(tmp_path).initial is None
    save_file({"a": torch.ones(2)}, tmp_path / "given.safetensors")
    recipe = replace(composed().recipe, init=str(tmp_path / "given.safetensors"))
    resources = resources_in(tmp_path, recipe=recipe)
    initial = resources.initial
    assert initial is not None
    assert torch.equal(initial.tensors["a"], torch.ones(2))
    (tmp_path / "given.safetensors").unlink()
    assert resources.initial is initial


def test_only_the_first_networks_initial_weights_are_told(tmp_path: Path) -> None:
    told: list[str] = []
    resources = make_resources(composed(), Run(tmp_path), warn=told.append, advance=lambda *_: None)
    for text in ("half of it", "all of it"):
        resources.tell_initial(text)
    assert told == ["half of it"]


def test_splits_are_those_of_the_composition(tmp_path: Path) -> None:
    advanced: list[tuple[str, int, int]] = []
    resources = make_resources(
        composed(), Run(tmp_path), warn=refuse, advance=lambda *told: advanced.append(told)
    )
    truth, views = resources.splits.evaluated("val")
    assert len(truth.samples) == len(views) == 4
    assert advanced
    assert all(task == "reading the people of val" for task, _, _ in advanced)
    assert resources.shared == {}
