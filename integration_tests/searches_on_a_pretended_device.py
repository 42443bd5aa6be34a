"""Prints what small searches give on the CPU and on a pretended device, and where the host waited there.

A program of its own, since the pretended device changes torch for the whole process. It reads a JSON list
from standard input: of each search its words for the command line, all of them `--KIND NAME` or
`-o KEY=VALUE`. Its argument is a folder for the runs. It prints a line of JSON for each search.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import Any

import torch
from posenas.composing.compose import compose
from posenas.composing.composition import Composition
from posenas.composing.defaults import complete_recipe
from posenas.contract.errors import PosenasError
from posenas.data import augment, normalising
from posenas.data.channels import mix_channels
from posenas.learning import training
from posenas.networks.devices import Compute
from posenas.runs.events import Events
from posenas.runs.journal import Journal
from posenas.runs.recipe import parse_assignment
from posenas.runs.run import create_run
from posenas.searching import scoring, training_effects
from posenas.searching.search import search
from pretended_device import Pretended, Watched, install
from torch import Tensor

READ = "mean_losses.py"
"""Where a training reads its losses, now and then."""
PARTS: Mapping[str, tuple[tuple[Any, str], ...]] = {
    "epoch": ((training._Training, "epoch"),),
    "checkpoint": ((training, "save_checkpoint"),),
    "weights": ((training_effects, "save_weights"),),
    "recalibration": ((scoring, "recalibrate"),),
    "evaluation": ((scoring, "predict"), (scoring, "predict_ablated")),
}
"""The functions whose waits are told, by what they are called."""


@dataclass(frozen=True)
class Tally:
    """What the parts of a search waited for.

    Attributes:
        calls: how often each part was called.
        steps: how many batches were trained on.
        waits: of each part how often the host waited, by what for and where.
        most: of each part the most waits of one call.
    """

    calls: Counter[str] = field(default_factory=Counter)
    steps: list[int] = field(default_factory=list)
    waits: dict[str, Counter[str]] = field(default_factory=dict)
    most: Counter[str] = field(default_factory=Counter)

    def told(self) -> Mapping[str, Any]:
        """Return the tally as plain data."""
        return {
            "calls": self.calls,
            "steps": sum(self.steps),
            "waits": self.waits,
            "most": self.most,
        }


@contextmanager
def tallied(watched: Watched) -> Iterator[Tally]:
    """Note what each part waits for while the context is open."""
    tally = Tally()
    kept = [(owner, name, getattr(owner, name)) for places in PARTS.values() for owner, name in places]
    for part, places in PARTS.items():
        for owner, name in places:
            setattr(owner, name, noting(tally, part, getattr(owner, name), watched=watched))
    try:
        yield tally
    finally:
        for owner, name, function in kept:
            setattr(owner, name, function)


def noting(tally: Tally, part: str, function: Any, *, watched: Watched) -> Callable[..., Any]:
    """Return a function whose waits are noted."""

    @wraps(function)
    def noted(*args: Any, **kwargs: Any) -> Any:
        before = watched.waits.copy()
        if part == "epoch":
            tally.steps.append(args[0].source.steps)
        try:
            return function(*args, **kwargs)
        finally:
            found = Counter(
                {f"{what} at {line}": times for (what, line), times in (watched.waits - before).items()}
            )
            tally.calls[part] += 1
            tally.most[part] = max(tally.most[part], found.total())
            tally.waits[part] = tally.waits.get(part, Counter()) + found

    return noted


def composed(words: Sequence[str]) -> Composition:
    """Return the composition that the command line would make of these words, in float32."""
    pairs = list(zip(words[::2], words[1::2], strict=True))
    flags = {flag[2:]: value for flag, value in pairs if flag != "-o"}
    flags |= {"device": "cpu", "precision": "32"}
    recipe, _ = complete_recipe(
        {}, [parse_assignment(text) for flag, text in pairs if flag == "-o"], flags=flags
    )
    return compose(recipe)


@contextmanager
def mixed_on_the_host() -> Iterator[None]:
    """Let the device mix the channels of images as the CPU does, whose sums are rounded otherwise."""

    def mixed(images: Tensor, matrices: Tensor) -> Tensor:
        assert isinstance(images, Pretended)
        assert isinstance(matrices, Pretended)
        return Pretended(mix_channels(images.held, matrices.held))

    kept = augment.mix_channels
    augment.mix_channels = normalising.mix_channels = mixed
    try:
        yield
    finally:
        augment.mix_channels = normalising.mix_channels = kept


def refuse(message: str) -> None:
    raise AssertionError(message)


def run(composition: Composition, folder: Path) -> Mapping[str, Any]:
    """Search, and return what the run's files say."""
    search(composition, create_run(folder, composition.recipe), events=Events({}, complain=refuse))
    return {
        "trials": json.loads((folder / "trials.json").read_text()),
        "weights": sorted(each.name for each in (folder / "weights").iterdir()),
        "predictions": sorted(each.name for each in (folder / "predictions").iterdir()),
        "results": list(Journal(folder / "journal.jsonl").records[1:]),
    }


def run_stopped(composition: Composition, folder: Path) -> Mapping[str, Any]:
    """Search until the second result, which is lost, and then to the end."""
    append = Journal.append

    def append_or_stop(journal: Journal, *args: Any, **content: Any) -> None:
        if len(journal.records) > 1:
            raise PosenasError("stopped")
        append(journal, *args, **content)

    Journal.append = append_or_stop  # type: ignore[method-assign]
    try:
        run(composition, folder)
    except PosenasError as error:
        if str(error) != "stopped":
            raise
    finally:
        Journal.append = append  # type: ignore[method-assign]
    return run(composition, folder)


def compared(words: Sequence[str], folder: Path, device: torch.device) -> Mapping[str, Any]:
    """Return what a search gives on both devices, and the tally of the pretended one."""
    composition = composed(words)
    with Watched():  # torch differentiates some operations otherwise where a mode is open
        on_cpu = run(composition, folder / "cpu")
    with Watched() as watched, tallied(watched) as tally, mixed_on_the_host():
        on_device = run_stopped(replace(composition, compute=Compute(device, None)), folder / "device")
    differing = [name for name, found in on_cpu.items() if found != on_device[name]]
    failed = [trial["failure"] for trial in on_device["trials"] if trial.get("failure")]
    return {
        "differing": differing,
        "failed": failed,
        "operations": watched.operations,
        "launches": watched.launches,
        **tally.told(),
    }


if __name__ == "__main__":
    pretended = install()
    for number, words in enumerate(json.load(sys.stdin)):
        print(json.dumps(compared(words, Path(sys.argv[1], str(number)), pretended)), flush=True)
