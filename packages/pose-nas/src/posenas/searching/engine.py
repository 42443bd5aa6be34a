"""The contract of what does the jobs of a search: this machine's processes, or Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from posenas.learning.training import Watch
from posenas.searching.resources import Resources


class Task(Protocol):
    """One candidate's work, plain data that any process can do with the same result."""

    @property
    def key(self) -> str:
        """The key of the effect that the task is."""

    @property
    def files(self) -> Sequence[str]:
        """The names of the weights files that it reads."""

    def work(self, resources: Resources, watch: Watch) -> Mapping[str, Any]:
        """Do the task, and return plain data; `weights` names the file that it made, if it made one."""


class Engine(Protocol):
    """What does the tasks of one run, in whatever processes."""

    def finish(
        self, jobs: Sequence[Task], *, advance: Callable[[int, int], None], warn: Callable[[str], None]
    ) -> Iterator[Mapping[str, Any]]:
        """Yield the jobs' results, in their order; the files that they made lie in the run by then.

        Args:
            jobs: the candidates; the files that they read lie in the run.
            advance: told how much is done, and how much there is in all.
            warn: told of what is wrong with the data, each text once.

        Raises:
            PosenasError: where a job cannot be done.
        """

    def close(self) -> None:
        """End what was started."""
