"""Sections that components show of their own in the report: asked for, checked and given their pictures."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from posenas.composing.checks.conformity import blamed, refuse
from posenas.composing.plugins import Owner
from posenas.contract.components import Reporting
from posenas.contract.errors import PosenasError
from posenas.contract.sections import Results, Section
from posenas.reporting.report.render import embedded

_PNG = b"\x89PNG\r\n\x1a\n"
_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.(png|svg)")
_SHOWN = re.compile(r'src="([^"]*)"')


def ask_sections(
    components: Mapping[str, Any], results: Results, *, names: Mapping[str, str], taken: Iterable[str]
) -> tuple[Mapping[str, Sequence[Section]], Sequence[str]]:
    """Return every component's sections by its kind, and a line for each component whose are left out.

    Args:
        components: those that could be made, by kind.
        results: what they are asked about.
        names: of the components by kind, as the recipe has them.
        taken: file names that no picture can have.
    """
    files = {name.casefold() for name in taken}
    found: dict[str, Sequence[Section]] = {}
    problems = []
    for kind, component in components.items():
        try:
            sections = _asked(component, results, owner=Owner(kind, names[kind]), taken=files)
        except PosenasError as error:
            problems.append(f"What {kind} {names[kind]} shows of its own is left out: {error}")
            continue
        found[kind] = sections
        files |= {name.casefold() for section in sections for name in section.pictures}
    return found, problems


def _asked(component: object, results: Results, *, owner: Owner, taken: Collection[str]) -> Sequence[Section]:
    """Return a component's sections; none where it is not `Reporting`."""
    if not isinstance(component, Reporting):
        return ()
    used = set(taken)
    with blamed(owner, "sections"):
        sections = tuple(component.sections(results))
        for section in sections:
            refuse(owner, _problem(section, used))
            used |= {name.casefold() for name in section.pictures}
    return sections


def _problem(section: object, taken: Collection[str]) -> str:
    """Return why a section cannot be shown; empty where it can."""
    if not isinstance(section, Section):
        return f"sections gives {type(section).__name__}, expected Section"
    for name, picture in section.pictures.items():
        kind = _FILE.fullmatch(name)
        if not kind:
            return f"section {section.title!r} has a picture {name!r}, which is no name of a PNG or SVG file"
        if name.casefold() in taken:
            return f"section {section.title!r} has a picture {name}, and the report has another one so called"
        if not (picture.startswith(_PNG) if kind[1] == "png" else b"<svg" in picture):
            return f"section {section.title!r} has a picture {name}, which is no {kind[1].upper()} file"
    missing = [
        name for name in _SHOWN.findall(section.html) if name not in section.pictures and "data:" not in name
    ]
    return f"section {section.title!r} shows {missing[0]}, which is none of its pictures" if missing else ""


def with_pictures(section: Section) -> Section:
    """Return the section with its pictures in its HTML, which needs no other file then."""

    def address(shown: re.Match[str]) -> str:
        name = shown[1]
        picture = section.pictures.get(name)
        return shown[0] if picture is None else f'src="{embedded(picture, name[-3:])}"'

    return replace(section, html=_SHOWN.sub(address, section.html))
