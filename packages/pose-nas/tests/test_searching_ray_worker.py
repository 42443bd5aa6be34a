"""What a worker of a cluster does, in this process: no Ray is needed."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from posenas.composing.compose import compose
from posenas.composing.computed_on import provenance_of
from posenas.contract.errors import PosenasError
from posenas.learning.training import Watch
from posenas.runs.provenance import Provenance
from posenas.runs.recipe import ComponentChoice, Recipe, recipe_text
from posenas.runs.run import create_run
from posenas.searching import ray_worker
from posenas.searching.candidate import Job
from posenas.searching.ray_worker import Brief, prepare, work
from posenas.searching.resources import make_resources

FIRST = Job({"name": "mobilenetv2"}, None, epochs=1)


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    ray_worker._place.cache_clear()


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return compose(
        Recipe(
            space=ComponentChoice("fixed", {"width": 0.125}),
            strategy=ComponentChoice("random"),
            head=ComponentChoice("heatmap", {"input_size": [64, 64]}),
            dataset=ComponentChoice("synthetic", {"train_images": 8, "val_images": 2}),
            evaluation={"held_out": 0.3},
            training={"batch_size": 4, "workers": 0},
            precision="32",
        )
    ).recipe


def brief(recipe: Recipe, provenance: Provenance) -> Brief:
    return Brief(recipe_text(recipe), json.dumps(provenance.as_dict()), str(Path.cwd()))


def test_a_worker_gives_what_this_machine_gives_and_leaves_nothing(
    tmp_path: Path, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    composition = compose(recipe)
    run = create_run(tmp_path / "here", recipe)
    resources = make_resources(composition, run, warn=print, advance=lambda *_: None)
    silent = Watch(step=lambda *_: None, epoch=lambda *_: None)
    torch.set_num_threads(1)
    here = FIRST.work(resources, silent)
    heir = Job(FIRST.genotype, here["weights"], epochs=1)
    expected = heir.work(resources, silent)
    there = tmp_path / "there"
    there.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(there))
    asked = brief(recipe, provenance_of(composition))
    assert prepare(asked) == []
    for job, result in ((FIRST, here), (heir, expected)):
        contents = [(run.weights / file).read_bytes() for file in job.files]
        done = work(asked, job, *contents)
        assert done.result == result
        assert done.files == {result["weights"]: (run.weights / result["weights"]).read_bytes()}
        assert not list(there.iterdir())


def test_a_machine_that_differs_is_named(recipe: Recipe) -> None:
    now = provenance_of(compose(recipe))
    older = replace(now, code=now.code | {"torch": "1.0"})
    with pytest.raises(PosenasError, match=r"^node \S+: torch is \S+ there and 1\.0 here; install the same"):
        prepare(brief(recipe, older))
    others = replace(now, data=now.data | {"image files of val": "3 images"})
    with pytest.raises(PosenasError, match=r"^node \S+: image files of val differ from those of the search"):
        prepare(brief(recipe, others))
    slower = replace(now, machine=now.machine | {"instructions": "NONE", "threads": "99"})
    (warning,) = prepare(brief(recipe, slower))
    assert "instructions is " in warning
    assert warning.endswith("there and NONE here: results may differ a little")
