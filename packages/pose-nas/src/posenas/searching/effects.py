"""Effects: the costly steps of a run as values, and the memory that does each of them once.

To resume a run is to ask for the same effects again. What the journal knows returns at once, and the first
effect that it does not know is really computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from posenas.contract.errors import PosenasError
from posenas.networks.processes import ALONE, Processes
from posenas.runs.checkpoint import read_weights
from posenas.runs.journal import Journal, effect_key
from posenas.runs.kept_file import put_back
from posenas.runs.remade import note_remade, put_in_place, read_remade
from posenas.runs.run import Run

Compute: TypeAlias = Callable[[str], Any]
"""Does a step, told the effect's key, and returns its result as plain data."""


class NetworkFailedError(Exception):
    """A network that cannot be run; it becomes a failed trial."""


@dataclass(frozen=True)
class Effect:
    """A costly step of a run. Nothing is computed until a memory performs it.

    Attributes:
        name: the kind of step, such as `train`.
        inputs: plain data that the result depends on, beside the run's recipe.
        compute: does the step. Its result is the name of the weights file that it made, or a mapping which
            has such a name under `weights` where it made one, and under `state` that of a training's state.
        again: makes a deleted weights file again, and gives a result as `compute` does; None for `compute`.
        together: whether all processes compute it; any other effect is process 0's alone.
        needs: the weights files that it begins with.
    """

    name: str
    inputs: Mapping[str, Any]
    compute: Compute
    again: Compute | None = None
    together: bool = False
    needs: Sequence[str] = ()

    @cached_property
    def key(self) -> str:
        """The hash of name and inputs, by which the journal knows the effect."""
        return effect_key(self.name, self.inputs)


def or_failure(compute: Callable[[], Mapping[str, Any]]) -> Compute:
    """Return a computation whose result holds the reason under `failure` where a network cannot be run."""

    def attempt(_key: str) -> Mapping[str, Any]:
        try:
            return compute()
        except NetworkFailedError as error:
            return {"failure": str(error)}

    return attempt


def checkpoint_of(run: Run, key: str) -> Path:
    """Return the file in which the training of an effect keeps what it has done."""
    return run.checkpoints / f"{key}.safetensors"


def waiting_result_of(run: Run, key: str) -> Path:
    """Return the file in which a candidate's result waits until the journal holds it."""
    return run.checkpoints / f"{key}.json"


class Memory:
    """The results of a run's effects, which its journal holds, and the weights files that they made."""

    def __init__(
        self,
        run: Run,
        journal: Journal,
        *,
        warn: Callable[[str], None],
        check: Callable[[Effect], None] = lambda _effect: None,
        asking: object = "its search",
        repeats: bool = True,
        processes: Processes = ALONE,
    ) -> None:
        """Take in what is known already.

        Args:
            run: whose weights they are.
            journal: of the run.
            warn: told of weights that are missing.
            check: refuses an effect that does not fit those of before.
            asking: who asks for the effects, for errors.
            repeats: whether the device gives the same bits each time.
            processes: that compute together; this is process 0, and the others have a `FollowingMemory`.
        """
        self._processes = processes
        self._run, self._journal, self._warn, self._check, self._asking = run, journal, warn, check, asking
        self._makers: dict[str, Effect] = {}
        self._repeats = repeats
        self._remade = {each.file: each.now for each in read_remade(journal.records)}

    def knows(self, key: str) -> bool:
        """Tell whether the journal holds the result of the effect with this key."""
        return self._journal.find(key) is not None

    def perform(self, effect: Effect) -> Any:
        """Return the effect's result: the journal's, or what is computed now and is in the journal then.

        Raises:
            PosenasError: if somebody else changed the journal, which is put back before, or if the effect
                does not fit those of before.
        """
        self._check(effect)
        result = self._journal.find(effect.key)
        if result is None:
            result = self._computed(effect, effect.compute)
            with self._journal_kept():
                self._journal.append(effect.name, effect.key, inputs=effect.inputs, result=result)
        self._clear(effect)
        self._makers |= dict.fromkeys(_files_in(result).values(), effect)
        self._processes.broadcast((effect.key, True, result))
        return result

    def dismiss(self) -> None:
        """Let the other processes end: there are no more effects."""
        self._processes.broadcast((None, True, None))

    def _computed(self, effect: Effect, compute: Compute) -> Any:
        """Return what an effect gives, computed by all processes where it is theirs together."""
        if effect.together and not self._processes.alone:
            for file in effect.needs:
                self._restore(file)
            self._processes.broadcast((effect.key, False, None))
        result = compute(effect.key)
        if effect.together:
            for texts in self._processes.gathered([]):
                for text in texts:
                    self._warn(text)
        return result

    def check_journal(self) -> None:
        """Put the journal back if somebody else changed it.

        Raises:
            PosenasError: if somebody did.
        """
        self._refuse(put_back([self._journal.file]))

    @contextmanager
    def _journal_kept(self) -> Iterator[None]:
        """Put the journal back if somebody else changed it, and say so when the body has added to it."""
        changed = put_back([self._journal.file])
        yield
        self._refuse(changed)

    def _refuse(self, changed: str) -> None:
        """Raise PosenasError if something was changed. The run ends, since more may be changed later."""
        if changed:
            raise PosenasError(
                f"{self._run.path}: somebody else wrote there while {self._asking} ran: {changed}; stop "
                f"that, then `posenas resume {self._run.path}`: nothing is lost"
            )

    def read_weights(self, file: str) -> bytes:
        """Return a weights file's content; one that was deleted is made again by the effect that made it.

        Where the device does not give the same bits each time, other weights take its place: the journal
        notes it, and the user is warned.

        Raises:
            PosenasError: where it is damaged, or making it again gives other weights on a device that gives
                the same bits each time.
        """
        self._restore(file)
        return read_weights(self._run.weights, file)

    def _restore(self, file: str) -> None:
        """Make a weights file again where it is missing."""
        path, now = self._run.weights / file, self._remade.get(file)
        if path.is_symlink() and path.resolve().name != now:
            path.unlink()  # the journal does not say that these stand in its place
        if not path.exists() and now is not None and (self._run.weights / now).exists():
            put_in_place(self._run.weights, file, now=now)  # a kill came between journal and link
        if not path.exists() and file in self._makers:
            self._warn(f"{path}: is missing; training it again")
            effect = self._makers[file]
            made = self._computed(effect, effect.again or effect.compute)
            self._clear(effect)
            if file not in _files_in(made).values():
                self._replace(effect, file, made)

    def _replace(self, effect: Effect, file: str, made: Any) -> None:
        """Put what an effect made again in the place of its weights file that was lost.

        Raises:
            PosenasError: where the device gives the same bits each time, or the effect failed or gave another
                genotype.
        """
        path, before = self._run.weights / file, self._journal.find(effect.key)
        slot = next(slot for slot, each in _files_in(before).items() if each == file)
        now = _files_in(made).get(slot)
        if self._repeats or now is None or _genotype_in(made) != _genotype_in(before):
            begin = f"begin a new run with `posenas compose --recipe {self._run.recipe_file}"
            told = "`" if self._repeats else " --deterministic`: a GPU gives the same bits with it alone"
            raise PosenasError(f"{path}: was lost, and training again gave other weights; {begin}{told}")
        if now != self._remade.get(file):
            with self._journal_kept():
                note_remade(self._journal, file, now=now, effect=effect.name)
            self._remade[file] = now
            self._warn(
                f"{path}: was lost, and `{effect.name}` gave other weights on this device, {now}; "
                "later figures come from these, as the report says; a new run with --deterministic avoids it"
            )
        put_in_place(self._run.weights, file, now=now)

    def discard(self, file: str) -> None:
        """Delete a weights file; one that is read all the same is made again."""
        for name in (file, self._remade.get(file, file)):
            (self._run.weights / name).unlink(missing_ok=True)

    def _clear(self, effect: Effect) -> None:
        """Delete what is on disk for an unfinished effect, now that its result is known."""
        checkpoint_of(self._run, effect.key).unlink(missing_ok=True)
        waiting_result_of(self._run, effect.key).unlink(missing_ok=True)


def _files_in(result: Any) -> dict[str, str]:
    """Return the files that a result names, by what they hold: `weights`, and `state` of a training."""
    if isinstance(result, str):
        return {"weights": result}
    return {name: result[name] for name in ("weights", "state") if result.get(name) is not None}


def _genotype_in(result: Any) -> Any:
    """Return the genotype that was learnt together with weights; None where there is none."""
    return None if isinstance(result, str) else result.get("genotype")
