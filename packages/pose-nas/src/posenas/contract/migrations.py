"""The versions of the files that outlive a release: recipes, genotypes, trials and locks.

A file says under `schema` which version of its format it is written in. One that says nothing is of the first
version: so were all files before there were versions. Reading a file takes it from version to version, by one
small function for each step, until it is in the newest. To change a format, append a function to its
migrations; nothing else here changes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

SCHEMA = "schema"
"""The key of the version in a file."""
FIRST = 1

Migration: TypeAlias = Callable[[Mapping[str, Any]], dict[str, Any]]
"""Takes a file's data from one version to the next."""


@dataclass(frozen=True)
class Format:
    """A kind of file, and how its older versions become the newest.

    Attributes:
        name: what a message calls it.
        migrations: the first one takes data of the first version to the second, and so on.
    """

    name: str
    migrations: tuple[Migration, ...] = ()

    @property
    def version(self) -> int:
        """The newest version, in which files are written."""
        return FIRST + len(self.migrations)

    def written(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return data of the newest version as a file holds them: with the version, which comes first."""
        return {SCHEMA: self.version, **data}

    def read(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Return what a file holds, taken to the newest version, and without the version.

        Raises:
            ValueError: for a newer version than is known here, or one that is no number.
        """
        data = {key: value for key, value in content.items() if key != SCHEMA}
        for migrate in self.migrations[self._version_of(content) - FIRST :]:
            data = migrate(data)
        return data

    def _version_of(self, content: Mapping[str, Any]) -> int:
        version = content.get(SCHEMA, FIRST)
        if not isinstance(version, int) or isinstance(version, bool) or version < FIRST:
            raise ValueError(f"{SCHEMA} = {version!r}: expected a whole number, {FIRST} or more")
        if version > self.version:
            raise ValueError(
                f"{SCHEMA} = {version}: a {self.name} of a newer posenas; this one reads up to version "
                f"{self.version}: pip install --upgrade pose-nas"
            )
        return version


def without_empty_notes(trial: Mapping[str, Any]) -> dict[str, Any]:
    """Return a trial without empty notes `descent` and `ablations`; once every trial had both."""
    return {key: value for key, value in trial.items() if key not in ("descent", "ablations") or value}


def under_its_name(genotype: Mapping[str, Any]) -> dict[str, Any]:
    """Return a genotype under the key `genotype`, so that there is a place beside it; once it stood alone."""
    return {"genotype": dict(genotype)}


RECIPE = Format("recipe")
TRIAL = Format("trial", (without_empty_notes,))
GENOTYPE = Format("genotype", (under_its_name,))
LOCK = Format("lock")
