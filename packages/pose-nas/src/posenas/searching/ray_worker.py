"""What a worker of a Ray cluster does with a task, in a folder of its own.

Each process composes once and keeps that for its later tasks.
"""

from __future__ import annotations

import json
import os
import platform
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from posenas.composing.compose import compose
from posenas.composing.composition import Composition
from posenas.composing.computed_on import SPLITS, provenance_of
from posenas.contract.errors import PosenasError
from posenas.data.images.file_image import FileImage
from posenas.learning.training import Watch
from posenas.networks.devices import keep_freed_memory
from posenas.runs.checkpoint import read_weights
from posenas.runs.provenance import Provenance
from posenas.runs.recipe import recipe_from_text
from posenas.runs.remade import write_weights
from posenas.runs.run import Run
from posenas.searching.engine import Task
from posenas.searching.resources import Resources, make_resources


@dataclass(frozen=True)
class Brief:
    """What a worker must know of a search.

    Attributes:
        recipe: the text of its file, with the device and the precision that the search computes with.
        provenance: what the search computes on, as JSON.
        folder: the one that relative paths begin in.
        cache: the folder of decoded images and crops on each machine; empty where none are kept.
    """

    recipe: str
    provenance: str
    folder: str
    cache: str = ""


@dataclass(frozen=True)
class Done:
    """What comes back of a task.

    Attributes:
        result: plain data.
        files: the contents of the weights files that it made, by their names.
        warnings: what was said about the data.
    """

    result: Mapping[str, Any]
    files: Mapping[str, bytes]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Place:
    """What a process keeps from task to task."""

    resources: Resources
    computes_on: Provenance
    warnings: list[str]


def prepare(brief: Brief) -> list[str]:
    """Get ready for tasks of a search, and return what may make results differ a little.

    Raises:
        PosenasError: where the search cannot be done here; it names the machine.
    """
    machine = _place(brief).computes_on.machine
    differing = _differing(_provenance(brief).machine, machine, but=("threads", "processes"))
    return [f"node {platform.node()}: {each}: results may differ a little" for each in differing]


def work(brief: Brief, task: Task, *contents: bytes) -> Done:
    """Do a task.

    Args:
        brief: of the search.
        task: what is done.
        contents: of the weights files that it reads, in their order.

    Raises:
        PosenasError: where the search cannot be done here; it names the machine.
    """
    place = _place(brief)
    run = place.resources.run
    for file, content in zip(task.files, contents, strict=True):
        write_weights(run.weights, file, content)
    try:
        result = task.work(place.resources, Watch(step=lambda *_: None, epoch=lambda *_: None))
        made = [result["weights"]] if "weights" in result else []
        return Done(result, {file: read_weights(run.weights, file) for file in made}, _taken(place.warnings))
    finally:
        shutil.rmtree(run.path, ignore_errors=True)  # a worker may end without another word


@lru_cache(maxsize=1)
def _place(brief: Brief) -> _Place:
    if Path(brief.folder).is_dir():
        os.chdir(brief.folder)
    torch.set_num_threads(1)
    keep_freed_memory()
    try:
        composition = compose(recipe_from_text(brief.recipe))
        computes_on = provenance_of(composition)
        _check_same(_provenance(brief), computes_on, composition)
    except PosenasError as error:
        raise PosenasError(f"node {platform.node()}: {error}") from error
    folder = Path(tempfile.gettempdir()) / f"posenas-{secrets.token_hex(8)}"
    warnings: list[str] = []
    run = Run(folder, cache=Path(brief.cache) if brief.cache else None)
    resources = make_resources(
        composition,
        run,
        warn=warnings.append,
        advance=lambda *_: None,
        crops_folder=folder,  # an open file stays when the folder is removed behind a task
        beside=len(os.sched_getaffinity(0)),  # Ray gives each task one core
    )
    return _Place(resources, computes_on, warnings)


def _check_same(before: Provenance, now: Provenance, composition: Composition) -> None:
    """Refuse packages and data that are not those of the search."""
    code = _differing(before.code, now.code)
    if code:
        raise PosenasError(f"{', '.join(code)}; install the same versions on every machine")
    data = [name for name, digest in before.data.items() if now.data.get(name) != digest]
    if data:
        missing = _missing_file(composition)
        raise PosenasError(
            f"{missing} is missing; bring the data to the same path there"
            if missing
            else f"{', '.join(data)} differ from those of the search; bring the same data there"
        )


def _missing_file(composition: Composition) -> str:
    """Return the first image file that is not there; empty where no image is a file that is missing."""
    sources = (sample.source for split in SPLITS for sample in composition.dataset.split(split))
    files = (source.path for source in sources if isinstance(source, FileImage))
    return next((str(path) for path in files if not path.exists()), "")


def _differing(before: Mapping[str, str], now: Mapping[str, str], *, but: tuple[str, ...] = ()) -> list[str]:
    return [
        f"{name} is {now.get(name, 'not installed')} there and {value} here"
        for name, value in before.items()
        if name not in but and now.get(name) != value
    ]


def _provenance(brief: Brief) -> Provenance:
    return Provenance(**json.loads(brief.provenance))


def _taken(texts: list[str]) -> tuple[str, ...]:
    taken = tuple(texts)
    texts.clear()
    return taken
