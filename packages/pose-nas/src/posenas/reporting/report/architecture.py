"""Pictures of the shown network, as its space draws them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from posenas.contract.components import Drawable, SearchSpace
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_LONGEST = 60


def draw_genotype(space: SearchSpace, genotype: Genotype) -> tuple[Mapping[str, bytes], Sequence[str]]:
    """The space's pictures by name, none where it draws nothing; and what could not be shown."""
    if not isinstance(space, Drawable):
        return {}, []
    try:
        pictures = space.draw(genotype)
    except PosenasError as error:
        return {}, [f"The network cannot be drawn: {error}"]
    whole = {name: picture for name, picture in pictures.items() if picture.startswith(_SIGNATURE)}
    problems = [
        f"The space's picture {name} is no PNG file; tell its authors."
        for name in pictures
        if name not in whole
    ]
    return whole, problems


def safe_names(names: Iterable[str]) -> list[str]:
    """Names that every file system takes and tells apart, in the same order."""
    safe: list[str] = []
    for name in names:
        short = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:_LONGEST].strip("-.") or "picture"
        taken = {each.casefold() for each in safe}
        number, candidate = 1, short
        while candidate.casefold() in taken:
            number += 1
            candidate = f"{short}-{number}"
        safe.append(candidate)
    return safe
