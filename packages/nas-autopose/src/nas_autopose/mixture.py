"""How much each operation weighs on the edges of all cells of one kind: alpha's softmax, or given weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import torch
from posenas import PosenasError
from torch import Tensor, nn

from nas_autopose.operations import OPERATIONS, Operation

NOTHING = -1000.0
"""A value whose softmax beside a 0 is exactly 0."""

Edges: TypeAlias = tuple[tuple[Operation, ...], ...]
"""The operations that a network has on each edge of a cell."""

Terms: TypeAlias = Mapping[Operation, Tensor | float]
"""The operations that are computed on an edge, with their weights."""


class Mixture(nn.Module):
    """The weights of the operations on the edges of all cells of one kind.

    `alpha` (edges, operations) is a buffer: the architecture is given. Once made a parameter, it is learnt.

    Args:
        edges: the operations that the network has on each edge; the others weigh exactly nothing.
    """

    alpha: Tensor

    def __init__(self, edges: Edges) -> None:
        super().__init__()
        self._edges = edges
        self._given: Sequence[Terms] | None = None
        self.register_buffer("alpha", torch.zeros(len(edges), len(OPERATIONS)))

    def relax(self) -> nn.Parameter:
        """Make alpha a parameter, and return it; once made, it stays the same one."""
        if not isinstance(self.alpha, nn.Parameter):
            value = nn.Parameter(self.alpha.detach().clone())
            del self.alpha
            self.register_parameter("alpha", value)
        assert isinstance(self.alpha, nn.Parameter)
        return self.alpha

    @torch.no_grad()
    def set(self, alpha: Sequence[Sequence[float]]) -> None:
        """Fill alpha in place."""
        self.alpha.copy_(torch.tensor(alpha), non_blocking=True)

    def give(self, weights: Tensor, numbers: Sequence[Sequence[float]]) -> None:
        """Take these (edges, operations) weights in the place of alpha's softmax.

        Args:
            weights: on the network's device.
            numbers: the same as numbers, which say what need not be computed.

        Raises:
            PosenasError: where the weights have another shape, or an operation that is not there weighs
                something.
        """
        self._given = self._chosen(weights, numbers)

    def take_back(self) -> None:
        """Weigh by alpha's softmax again."""
        self._given = None

    def terms(self) -> Sequence[Terms]:
        """Return what is computed on each edge.

        A sole operation weighs 1, whatever alpha is. Nothing is read from the device then, nor where alpha is
        a mixture.
        """
        if self._given is not None:
            return self._given
        if "alpha" in self._buffers and all(len(names) == 1 for names in self._edges):
            return [{names[0]: 1.0} for names in self._edges]
        rows = [dict(zip(OPERATIONS, row.unbind(), strict=True)) for row in self.alpha.softmax(1).unbind()]
        return [{name: row[name] for name in names} for names, row in zip(self._edges, rows, strict=True)]

    def _chosen(self, weights: Tensor, numbers: Sequence[Sequence[float]]) -> list[Terms]:
        if weights.shape != self.alpha.shape:
            raise PosenasError(
                f"weights of operations have shape {tuple(weights.shape)}, expected {tuple(self.alpha.shape)}"
            )
        chosen: list[Terms] = []
        rows = zip(self._edges, numbers, weights.unbind(), strict=True)
        for edge, (names, shares, row) in enumerate(rows):
            heavy = [name for name, share in zip(OPERATIONS, shares, strict=True) if share]
            missing = [name for name in heavy if name not in names]
            if missing:
                raise PosenasError(
                    f"edge {edge} of the cell has no {missing[0]}, which is to weigh something"
                )
            computed = heavy if len(heavy) == 1 else names
            by_name = dict(zip(OPERATIONS, row.unbind(), strict=True))
            chosen.append({name: by_name[name] for name in computed})
        return chosen


def numbers_of(weights: Mapping[str, Tensor]) -> Mapping[str, list[list[float]]]:
    """Return tensors of rows as numbers; all are read from their device at once."""
    if not weights:
        return {}
    tensors = [each.detach() for each in weights.values()]
    read = torch.cat([each.flatten() for each in tensors]).cpu()
    parts = zip(weights, tensors, torch.split(read, [each.numel() for each in tensors]), strict=True)
    return {name: part.reshape(tensor.shape).tolist() for name, tensor, part in parts}


def present(alpha: Sequence[Sequence[float]]) -> Edges:
    """Return the operations on each edge whose share is not exactly 0 in the networks' precision."""
    return tuple(
        tuple(name for name, share in zip(OPERATIONS, row, strict=True) if share) for row in shares(alpha)
    )


def shares(alpha: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return how much each operation weighs on each edge, in the networks' precision."""
    weights: list[list[float]] = torch.tensor(alpha, dtype=torch.float32, device="cpu").softmax(1).tolist()
    return weights


def only(operation: Operation) -> list[float]:
    """Return a row of alpha in which one operation weighs all."""
    return [0.0 if name == operation else NOTHING for name in OPERATIONS]


def heaviest(alpha: Sequence[Sequence[float]]) -> list[list[float]]:
    """Return an alpha with only the heaviest operation on each edge, the first of equals."""
    return [only(OPERATIONS[row.index(max(row))]) for row in map(list, alpha)]
