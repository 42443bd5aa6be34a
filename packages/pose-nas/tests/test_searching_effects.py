"""Effects and their memory: computed once, known after a kill, and their weights made again when lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from posenas.contract.errors import PosenasError
from posenas.runs.checkpoint import read_weights, save_weights
from posenas.runs.journal import Journal, effect_key
from posenas.runs.remade import Remade, put_in_place, read_remade, write_weights
from posenas.runs.run import Run
from posenas.searching.effects import (
    Effect,
    Memory,
    NetworkFailedError,
    checkpoint_of,
    or_failure,
    waiting_result_of,
)

INPUTS = {"genotype": {"width": 2}, "epochs": 3}


class Counted:
    """A computation that notes the keys it was told."""

    def __init__(self, give: Callable[[], Any]) -> None:
        self.give, self.keys = give, []  # type: ignore[var-annotated]

    def __call__(self, key: str) -> Any:
        self.keys.append(key)
        return self.give()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def opened(run: Run, warnings: list[str] | None = None) -> Memory:
    """The memory of a run as it begins, or is resumed."""
    warn = warnings.append if warnings is not None else pytest.fail
    return Memory(run, Journal(run.journal_file), warn=warn)


def weights(run: Run, value: float) -> str:
    layer = torch.nn.Linear(1, 1)
    torch.nn.init.constant_(layer.weight, value)
    torch.nn.init.constant_(layer.bias, 0.0)
    return save_weights(run.weights, layer)


def test_an_effect_is_known_by_its_name_and_inputs() -> None:
    effect = Effect("train", INPUTS, Counted(dict))
    assert effect.key == effect_key("train", INPUTS)
    assert Effect("train", dict(reversed(INPUTS.items())), Counted(dict)).key == effect.key
    assert Effect("evaluate", INPUTS, Counted(dict)).key != effect.key
    assert Effect("train", {**INPUTS, "epochs": 4}, Counted(dict)).key != effect.key


def test_an_effect_is_computed_once_in_a_run_and_never_in_a_resumed_one(run: Run) -> None:
    compute = Counted(lambda: {"loss": 0.5})
    effect = Effect("train", INPUTS, compute)
    memory = opened(run)
    assert not memory.knows(effect.key)
    assert memory.perform(effect) == memory.perform(effect) == {"loss": 0.5}
    assert memory.knows(effect.key)
    resumed = opened(run)
    assert resumed.knows(effect.key)
    assert resumed.perform(effect) == {"loss": 0.5}
    assert compute.keys == [effect.key]


def test_the_journal_holds_name_inputs_and_result(run: Run) -> None:
    effect = Effect("train", INPUTS, Counted(lambda: {"loss": 0.5}))
    opened(run).perform(effect)
    (record,) = Journal(run.journal_file).records
    assert (record["effect"], record["key"]) == ("train", effect.key)
    assert (record["inputs"], record["result"]) == (INPUTS, {"loss": 0.5})


def test_what_raises_is_not_remembered(run: Run) -> None:
    failing = Counted(lambda: 1 / 0)
    memory = opened(run)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            memory.perform(Effect("train", INPUTS, failing))
    assert len(failing.keys) == 2
    assert not Journal(run.journal_file).records


def test_what_lies_on_disk_for_an_unfinished_effect_stays_until_the_journal_knows_it(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    effect = Effect("train", INPUTS, Counted(lambda: {"loss": 0.5}))
    run.checkpoints.mkdir()
    files = checkpoint_of(run, effect.key), waiting_result_of(run, effect.key)
    other = checkpoint_of(run, "other")
    assert len({*files, other}) == 3
    for file in (*files, other):
        file.touch()
    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            opened(run).perform(effect)
    assert all(file.exists() for file in files)
    opened(run).perform(effect)
    assert not any(file.exists() for file in files)
    assert other.exists()


def test_a_kill_between_journal_and_clearing_leaves_nothing_behind(run: Run) -> None:
    effect = Effect("train", INPUTS, Counted(lambda: {"loss": 0.5}))
    opened(run).perform(effect)
    run.checkpoints.mkdir()
    checkpoint_of(run, effect.key).touch()
    opened(run).perform(effect)
    assert not checkpoint_of(run, effect.key).exists()


@pytest.mark.parametrize("resumed", [False, True])
@pytest.mark.parametrize("form", [str, lambda file: {"weights": file, "loss": 0.5}])
def test_deleted_weights_are_made_again(run: Run, form: Callable[[str], Any], resumed: bool) -> None:
    compute = Counted(lambda: form(weights(run, 1.0)))
    effect = Effect("train", INPUTS, compute)
    warnings: list[str] = []
    memory = opened(run, warnings)
    memory.perform(effect)
    file = weights(run, 1.0)
    content = (run.weights / file).read_bytes()
    if resumed:
        memory = opened(run, warnings)
        memory.perform(effect)
    assert memory.read_weights(file) == content
    assert not warnings
    memory.discard(file)
    memory.discard(file)  # which is gone already
    assert not (run.weights / file).exists()
    assert memory.read_weights(file) == content
    assert compute.keys == [effect.key] * 2
    assert [text.endswith("is missing; training it again") for text in warnings] == [True]
    assert len(Journal(run.journal_file).records) == 1


def test_weights_are_made_again_in_the_effects_own_way_and_leave_no_checkpoint(run: Run) -> None:
    compute = Counted(lambda: weights(run, 1.0))

    def again(key: str) -> Any:
        run.checkpoints.mkdir()
        checkpoint_of(run, key).touch()
        return {"weights": weights(run, 1.0)}

    memory = opened(run, [])
    file = memory.perform(Effect("train", INPUTS, compute, again))
    memory.discard(file)
    memory.read_weights(file)
    assert len(compute.keys) == 1
    assert not list(run.checkpoints.iterdir())


def test_other_weights_than_those_that_were_lost_are_refused(run: Run) -> None:
    values = iter((1.0, 2.0))
    memory = opened(run, [])
    file = memory.perform(Effect("train", INPUTS, Counted(lambda: weights(run, next(values)))))
    memory.discard(file)
    with pytest.raises(PosenasError, match="training again gave other weights; begin a new run with"):
        memory.read_weights(file)


def on_a_gpu(run: Run, warnings: list[str]) -> Memory:
    """The memory of a run on a device that gives other bits each time."""
    return Memory(run, Journal(run.journal_file), warn=warnings.append, repeats=False)


def trained(run: Run, *values: float) -> Effect:
    """A training that gives other weights each time."""
    left = iter(values)
    return Effect("train", INPUTS, Counted(lambda: {"weights": weights(run, next(left)), "loss": 0.5}))


def test_a_device_that_gives_other_weights_puts_them_in_place_of_lost_ones(run: Run) -> None:
    warnings: list[str] = []
    memory, effect = on_a_gpu(run, warnings), trained(run, 1.0, 2.0, 2.0, 3.0)
    file = memory.perform(effect)["weights"]
    first, second, third = (weights(run, value) for value in (1.0, 2.0, 3.0))
    contents = {name: (run.weights / name).read_bytes() for name in (first, second, third)}
    for name in (first, second, third):
        (run.weights / name).unlink()
    assert memory.read_weights(file) == contents[second]
    assert memory.read_weights(file) == contents[second]
    assert len(warnings) == 2
    assert warnings[0].endswith(f"{file}: is missing; training it again")
    assert f"{file}: was lost, and `train` gave other weights on this device, {second}; later" in warnings[1]
    assert memory.perform(effect)["weights"] == file, "steps that begin with the lost file keep its name"
    memory = on_a_gpu(run, warnings)
    memory.perform(effect)
    assert memory.read_weights(file) == contents[second]
    memory.discard(file)
    assert not list(run.weights.iterdir())
    assert memory.read_weights(file) == contents[second], "the same as before"
    assert len(warnings) == 3
    (run.weights / second).unlink()
    assert memory.read_weights(file) == contents[third]
    records = Journal(run.journal_file).records
    assert read_remade(records) == [
        Remade(file, second, effect="train", steps=1),
        Remade(file, third, effect="train", steps=1),
    ]
    assert len({record["key"] for record in records}) == len(records) == 3


def test_a_kill_between_the_note_and_the_link_is_mended(run: Run) -> None:
    memory, effect = on_a_gpu(run, []), trained(run, 1.0, 2.0)
    file = memory.perform(effect)["weights"]
    memory.discard(file)
    content = memory.read_weights(file)
    (run.weights / file).unlink()
    memory = opened(run)
    memory.perform(effect)
    assert memory.read_weights(file) == content


def test_a_link_that_the_journal_does_not_know_counts_for_nothing(run: Run) -> None:
    memory, effect = opened(run, []), trained(run, 1.0, 1.0)
    file = memory.perform(effect)["weights"]
    content = (run.weights / file).read_bytes()
    put_in_place(run.weights, file, now=weights(run, 5.0))
    assert memory.read_weights(file) == content
    assert not (run.weights / file).is_symlink()


def test_weights_of_another_genotype_take_no_place(run: Run) -> None:
    values = iter((1.0, 2.0))

    def learn() -> Any:
        value = next(values)
        return {"weights": weights(run, value), "genotype": {"alpha": value}}

    memory = on_a_gpu(run, [])
    file = memory.perform(Effect("train relaxed", INPUTS, Counted(learn)))["weights"]
    memory.discard(file)
    with pytest.raises(PosenasError, match=r"toml --deterministic`: a GPU gives the same bits with it"):
        memory.read_weights(file)
    assert not read_remade(Journal(run.journal_file).records)


def test_the_state_of_a_slice_is_put_in_place_by_itself(run: Run) -> None:
    values = iter((1.0, 2.0, 3.0, 4.0))
    effect = Effect(
        "train", INPUTS, lambda _: {name: weights(run, next(values)) for name in ("weights", "state")}
    )
    memory = on_a_gpu(run, [])
    result = memory.perform(effect)
    memory.discard(result["state"])
    assert memory.read_weights(result["state"]) == (run.weights / weights(run, 4.0)).read_bytes()
    assert not (run.weights / result["weights"]).is_symlink()


def test_another_machine_has_what_stands_in_place_under_both_names(run: Run) -> None:
    file, now = weights(run, 1.0), weights(run, 2.0)
    put_in_place(run.weights, file, now=now)
    content = read_weights(run.weights, file)
    other = run.path / "other"
    write_weights(other, file, content)
    assert read_weights(other, file) == read_weights(other, now) == content
    (other / now).write_bytes(b"something else")
    with pytest.raises(PosenasError, match="is damaged"):
        read_weights(other, file)


def test_weights_that_are_damaged_or_nobodys_are_refused(run: Run) -> None:
    compute = Counted(lambda: weights(run, 1.0))
    memory = opened(run)
    file = memory.perform(Effect("train", INPUTS, compute))
    content = (run.weights / file).read_bytes()
    (run.weights / file).write_bytes(content[:-1] + b"\0")
    with pytest.raises(PosenasError, match="is damaged; delete it"):
        memory.read_weights(file)
    assert len(compute.keys) == 1
    with pytest.raises(PosenasError, match="is missing"):
        memory.read_weights("unheard-of.safetensors")


def test_a_network_that_fails_is_a_result_and_is_not_tried_again(run: Run) -> None:
    tried = []

    def fail() -> Any:
        tried.append(1)
        raise NetworkFailedError("it broke")

    effect = Effect("evaluate", INPUTS, or_failure(fail))
    assert opened(run).perform(effect) == {"failure": "it broke"}
    assert opened(run).perform(effect) == {"failure": "it broke"}
    assert tried == [1]


def test_other_errors_are_no_results(run: Run) -> None:
    with pytest.raises(ZeroDivisionError):
        opened(run).perform(Effect("evaluate", INPUTS, or_failure(lambda: {"a": 1 / 0})))
    assert or_failure(lambda: {"a": 1})("key") == {"a": 1}
