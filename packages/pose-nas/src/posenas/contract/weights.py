"""Published weights: what an importer of another program's files gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from posenas.contract.normalisation import Normalisation

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ImportedWeights:
    """A published network's weights under this project's names.

    Attributes:
        source: whose network it is, in a few words that follow "weights of".
        tensors: by the names that a pose network here has for them: `backbone.` or `head.`, then the rest.
        keypoints: the name of the keypoint set whose keypoints the head's rows are; empty where it has none,
            or nobody knows.
        options: what a recipe must say for the weights to compute what they did, by path, such as
            `space.padding`.
        normalisation: how images were fed to the published network; None where nobody knows.
        remark: what else a user must know, a clause that follows a semicolon; empty for nothing.
    """

    source: str
    tensors: Mapping[str, Tensor]
    keypoints: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    normalisation: Normalisation | None = None
    remark: str = ""


class WeightsImporter(Protocol):
    """A function that knows one family of published files, offered in the group `posenas.weights`."""

    def __call__(self, published: Mapping[str, Tensor], /) -> ImportedWeights | None:
        """Return the weights under this project's names; None where names and shapes are of another family.

        Args:
            published: a file's tensors by its own names, without what wrappers put before them: `module.`,
                and mmpose's `backbone.` and `head.` or `keypoint_head.`.

        Raises:
            PosenasError: for a network that is known and fits none of this project's; it says why.
        """
        ...
