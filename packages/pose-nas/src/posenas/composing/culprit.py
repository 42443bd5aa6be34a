"""The plugin whose file a traceback passes through."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import TracebackType

from posenas.composing.distributions import CORE
from posenas.composing.plugins import find_plugins


def plugin_in(trace: TracebackType | None) -> str:
    """Return the innermost plugin's file in a traceback, in words; empty where it passes through none."""
    offered = {
        plugin.entry_point.partition(":")[0].partition(".")[0]: f"{plugin.distribution} {plugin.version}"
        for plugin in find_plugins()
        if plugin.distribution != CORE
    }
    for frame, line in reversed(list(traceback.walk_tb(trace))):
        package = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if package in offered:
            return f"{offered[package]} ({Path(frame.f_code.co_filename).name}, line {line})"
    return ""
