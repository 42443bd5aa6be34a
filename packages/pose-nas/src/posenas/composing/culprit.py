"""The plugin whose file a traceback passes through."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from posenas.composing.distributions import CORE
from posenas.composing.plugins import Plugin, find_plugins, to_mend


@dataclass(frozen=True)
class Culprit:
    """A line of a plugin that a traceback passes through."""

    plugin: Plugin
    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.plugin.distribution} {self.plugin.version} ({self.place})"

    @property
    def place(self) -> str:
        """The file and the line in words."""
        return f"{self.file}, line {self.line}"

    @property
    def remedy(self) -> str:
        """What to do about the bug: its authors are told, unless they are who reads it."""
        return to_mend(self.plugin, self.place)


def plugin_in(trace: TracebackType | None) -> Culprit | None:
    """Return the innermost line of a plugin in a traceback; None where it passes through none."""
    offered = {
        plugin.entry_point.partition(":")[0].partition(".")[0]: plugin
        for plugin in find_plugins()
        if plugin.distribution != CORE
    }
    for frame, line in reversed(list(traceback.walk_tb(trace))):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in offered:
            return Culprit(offered[package], Path(frame.f_code.co_filename).name, line)
    return None
