"""`posenas lock` and `posenas reproduce`, as a user runs them."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from posenas.cli import reproduction_commands
from posenas.contract.errors import PosenasError
from running import SMALL_SEARCH, Answer, refusal

Posenas = Callable[..., Answer]
TINY = (
    "--space", "fixed", "-o", "space.width=0.125", "--strategy", "single", "-o", "strategy.epochs=1",
    "-o", "dataset.train_images=6", "-o", "dataset.val_images=3", "-o", "head.input_size=64,64",
    "-o", "training.batch_size=4", "-o", "training.workers=0", "--evaluator", "pck",
    "-o", 'strategy.genotype={name="mobilenetv2"}',
)  # fmt: skip


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert text.count(old) == 1, text
    file.write_text(text.replace(old, new))


def test_a_run_is_locked_repeated_and_judged(posenas: Posenas) -> None:
    assert posenas("compose", *TINY, "--run", "run").status == 0
    locked = posenas("lock", "run", "--json")
    assert (locked.status, locked.last_json["seeds"]) == (0, [0]), locked.err
    file = Path("run.lock.toml")

    again = posenas("reproduce", file, "--output", "again")
    assert again.status == 0, again.err
    assert again.out.startswith("equal: weights, predictions and every step")
    assert "data, code and machine are those of the lock" in again.err
    weights = [Path(run, "best/weights.safetensors").read_bytes() for run in ("run", "again")]
    assert weights[0] == weights[1]

    edit(file, "gmacs = ", "gmacs = 2")
    counted = posenas("reproduce", file, "--output", "again")  # the run is there already
    assert counted.status == 4, counted.err
    assert "neither: the bytes are equal, but the figures are not those of the lock" in counted.out
    edit(file, "gmacs = 2", "gmacs = ")
    file.write_text(file.read_text().replace("seed = 0\n", "seed = 1\n", 1))
    assert "[recipe] has seed = 1" in refusal(posenas("reproduce", file, "--output", "elsewhere"))
    file.write_text(file.read_text().replace("seed = 1\n", "seed = 0\n", 1))

    edit(file, 'python = "', 'python = "2.')
    edit(file, 'weights = "', 'weights = "0')
    edit(file, "gmacs = ", "gmacs = 1")
    other = posenas("reproduce", file, "--output", "again", "--json")
    assert other.status == 4, other.err
    assert "differs from the lock: python (2.3" in other.err
    assert other.last_json["verdict"] == "neither"
    assert [figure["name"] for figure in other.last_json["outside"]] == ["gmacs"]

    edit(file, '"annotations of val" = "', '"annotations of val" = "1')
    refused = posenas("reproduce", file, "--output", "elsewhere")
    assert refused.status == 2
    assert "1 of 5 digests of the data differ here, such as annotations of val (1" in refused.err
    assert not Path("elsewhere").exists()
    assert posenas("reproduce", file, "--output", "again", "--accept-changes").status == 4
    said = refusal(posenas("reproduce", file, "--output", "again", "-o", "training.batch_size=8"))
    assert "a repetition changes nothing but where files lie" in said


def test_a_repetition_that_is_stopped_names_a_command_to_paste(
    posenas: Posenas, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert posenas("compose", *TINY, "--run", "run").status == 0
    assert posenas("lock", "run", "--output", "a lock.toml").status == 0
    commands = []

    def stopped(*_: object, command: str, **_options: object) -> None:
        commands.append(command)
        raise PosenasError("stopped")

    monkeypatch.setattr(reproduction_commands, "search_here", stopped)
    arguments = ("reproduce", "a lock.toml", "--output", "once more", "-o", "dataset.train_images=6")
    assert posenas(*arguments).status == 2
    assert shlex.split(commands[0]) == ["posenas", *arguments]


@pytest.mark.slow
def test_a_search_comes_out_three_times_and_other_seeds_are_within(
    posenas: Posenas,
) -> None:
    search = (*SMALL_SEARCH, "--evaluator", "pck", "--limit", "gmacs<=0.01")
    assert posenas("compose", *search, "--seeds", "3", "--run", "runs").status == 0
    assert posenas("lock", "runs/seed-0", "--output", "one.toml").status == 0
    for number in range(3):
        answer = posenas("reproduce", "one.toml", "--output", f"again-{number}", "--json")
        assert (answer.status, answer.last_json["verdict"]) == (0, "equal"), answer.err

    assert posenas("lock", "runs", "--output", "three.toml").status == 0
    text = Path("three.toml").read_text()
    first, second = json.loads(Path("runs/seeds.json").read_text())["seeds"][:2]
    swapped = text.replace(f"seed = {first}\ngenotype", "seed = 99\ngenotype")
    swapped = swapped.replace(f"seed = {second}\ngenotype", f"seed = {first}\ngenotype")
    Path("other.toml").write_text(swapped)  # as if the first seed had ended as the second one did
    answer = posenas("reproduce", "other.toml", "--output", "again-0", "--json")
    assert (answer.status, answer.last_json["verdict"]) == (0, "within"), answer.err
    assert answer.last_json["moved"]

    begin, _, outcome, _ = swapped.split("[[outcome]]")
    Path("alone.toml").write_text(f"{begin}[[outcome]]{outcome}")
    answer = posenas("reproduce", "alone.toml", "--output", "again-0", "--json")
    assert (answer.status, answer.last_json["verdict"]) == (4, "neither"), answer.err
    answer = posenas("reproduce", "alone.toml", "--output", "seeds", "--seeds", "3", "--json")
    assert (answer.status, answer.last_json["verdict"]) == (0, "within"), answer.err
