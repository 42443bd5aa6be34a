"""How the multiply-adds of a network with a searched head divide among backbone and the head's parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from posenas.contract.costs import Divisible
from posenas.contract.genotype import HEAD_PREFIX, Genotype

LARGEST = "largest network"
"""The entry of the journal that holds the division of the space's largest network."""

_BACKBONE_COST, _HEAD_COST = "gmacs.backbone", "gmacs.head"


def searches_head(dimensions: Iterable[str]) -> bool:
    """Tell whether some of the dimensions of a space or a genotype are the head's."""
    return any(name.startswith(HEAD_PREFIX) for name in dimensions)


@dataclass(frozen=True)
class DivisionMeter:
    """The GMACs of backbone and head as wholes, and of the head's modules, such as `gmacs.head.face`.

    Attributes:
        meter: counts the parts of networks.
    """

    meter: Divisible

    def measure(self, genotype: Genotype) -> Mapping[str, float]:
        """Return the figures by name."""
        return {
            name: figure
            for name, figure in self.meter.parts(genotype).items()
            if name in (_BACKBONE_COST, _HEAD_COST) or name.startswith(f"{_HEAD_COST}.")
        }


def divided(costs: Mapping[str, float]) -> Mapping[str, float]:
    """Return a network's GMACs by its parts: they add up to the whole.

    The first part is `body`, the backbone with the head's module of that name; it is `backbone` where there
    is none. Modules without a multiply-add are left out. What the head computes outside its modules is
    `rest of the head`.

    Args:
        costs: of a trial; without the costs of parts nothing is returned.
    """
    if _BACKBONE_COST not in costs or _HEAD_COST not in costs:
        return {}
    prefix = f"{_HEAD_COST}."
    parts = {name.removeprefix(prefix): cost for name, cost in costs.items() if name.startswith(prefix)}
    rest = costs[_HEAD_COST] - sum(parts.values())
    first = "body" if "body" in parts else "backbone"
    whole = {first: costs[_BACKBONE_COST] + parts.pop("body", 0.0)}
    if rest > 1e-9 * costs[_HEAD_COST]:
        parts["rest of the head"] = rest
    return whole | {name: cost for name, cost in parts.items() if cost > 0}
