"""Where each network stands in the picture of the family tree, and the way of the line to its parent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from nas_evo.report.family import Family

Place: TypeAlias = tuple[float, int]
"""A position in [0, 1], and a generation."""


@dataclass(frozen=True)
class Layout:
    """The places of everything in the picture.

    Attributes:
        places: of each network by its id.
        lines: of each network that has a parent: from the parent's place by one place in each generation
            between them to its own.
        slots: by generation: how many networks stand there and lines pass by, at even distances.
    """

    places: Mapping[str, Place]
    lines: Mapping[str, Sequence[Place]]
    slots: Mapping[int, int]


def lay_out(family: Family) -> Layout:
    """Return a tree without crossings: each generation in the order of the parents.

    A parent whose last children are not of the next generation keeps a slot in each generation until theirs;
    its line runs there, and the children's lines leave it in the generation before them.
    """
    last = _last_children(family)
    tracks: dict[str, list[Place]] = {}
    slots = {}
    row: list[str] = []
    for generation, networks in family.generations.items():
        children: dict[str | None, list[str]] = {}
        for network in networks:
            parent = family.parent(network)
            children.setdefault(None if parent is None else parent.id, []).append(network.id)
        below = [_below(name, children.get(name, []), stays=last.get(name, -1) > generation) for name in row]
        row = [name for names in below for name in names] + children.get(None, [])
        slots[generation] = len(row)
        for rank, name in enumerate(row):
            tracks.setdefault(name, []).append(((rank + 0.5) / len(row), generation))
    places = {name: track[0] for name, track in tracks.items()}
    lines = {}
    for name, network in family.networks.items():
        parent = family.parent(network)
        if parent is not None:
            way = [place for place in tracks[parent.id] if place[1] < network.descent.generation]
            lines[name] = [*way, places[name]]
    return Layout(places, lines, slots)


def _last_children(family: Family) -> Mapping[str, int]:
    """Return the generation of each parent's last child, by the parent's id."""
    last: dict[str, int] = {}
    for network in family.networks.values():
        parent = family.parent(network)
        if parent is not None:
            last[parent.id] = max(last.get(parent.id, 0), network.descent.generation)
    return last


def _below(name: str, children: Sequence[str], *, stays: bool) -> Sequence[str]:
    """Return what stands under a network in the next generation: its line, if it stays, amid its children."""
    middle = len(children) // 2
    return [*children[:middle], name, *children[middle:]] if stays else children
