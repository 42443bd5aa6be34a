"""Remarks on images that can be read but are odd: told once for all of them, with a count and examples."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from posenas.contract.samples import Sample

_EXAMPLES = 3
_ROOM = 180
"""The most characters that the examples have together; the first one has any number."""
UNKEPT = "unkept"
_WORDS = MappingProxyType(
    {
        "exchanged": (
            "images have another size than annotated: width and height are exchanged",
            "people are looked for where they are annotated; mend width and height",
        ),
        "resized": (
            "images have another size than annotated, so people may be annotated elsewhere than they are",
            "mend the annotations or the images",
        ),
        "stretched": (
            "images of 16 bits use fewer of them and are stretched to what they use",
            "save them with 8 bits to choose the brightness yourself",
        ),
        UNKEPT: (
            "files of images fail on disk, so that images are decoded each time",
            "free some space, or choose another folder with --cache",
        ),
    }
)
"""What is so and what to do, by the kind of a remark."""


class Remark(NamedTuple):
    """What is odd about one image.

    Attributes:
        kind: `resized`, `exchanged`, `stretched` or `unkept`.
        text: names the image and says how it is.
    """

    kind: str
    text: str


def size_remarks(sample: Sample, height: int, width: int) -> list[Remark]:
    """Return a remark if the image has another height and width than its sample says, else none."""
    found, annotated = (width, height), (sample.width, sample.height)
    if found == annotated:
        return []
    text = f"{sample.source} is {found[0]} x {found[1]}, not {annotated[0]} x {annotated[1]}"
    return [Remark("exchanged" if found == annotated[::-1] else "resized", text)]


def depth_remark(image: object, bits: int) -> Remark:
    """Return the remark on a picture that uses `bits` of 16 bits."""
    return Remark("stretched", f"{image} uses {bits}")


def unkept_remark(file: object, reason: str) -> Remark:
    """Return the remark on a file that images cannot be kept in, or read from, for this reason."""
    return Remark(UNKEPT, f"{file} ({reason})")


def words(kind: str, found: Sequence[str]) -> str:
    """Return the message about all images of one kind of remark."""
    what, advice = _WORDS[kind]
    fit = sum(len("; ".join(found[:count])) < _ROOM for count in range(1, _EXAMPLES + 1))
    examples = found[: max(1, fit)]
    more = "; ..." if len(found) > len(examples) else ""
    return f"{len(found)} {what}: {'; '.join(examples)}{more}; {advice}"


class RemarkedImages:
    """The remarks so far; each kind is told once."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._found: dict[str, dict[str, None]] = {}
        self._told: set[str] = set()

    def note(self, remarks: Iterable[Remark]) -> None:
        """Remember these remarks, each text once."""
        for remark in remarks:
            self._found.setdefault(remark.kind, {})[remark.text] = None

    def tell(self) -> None:
        """Report the kinds that were not told yet; to be called when every image was seen."""
        for kind, found in self._found.items():
            if kind not in self._told:
                self._told.add(kind)
                self._report(words(kind, list(found)))
