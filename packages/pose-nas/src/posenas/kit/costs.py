"""Checks of every cost, on two networks of a few layers."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from posenas.contract.costs import Cost, Divisible, Networks
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype
from posenas.contract.levels import Level
from posenas.kit.check import Check, require
from posenas.networks.pose_network import PoseNetwork
from posenas.networks.without_values import WithoutValues

_GENOTYPES = ({"width": 4}, {"width": 8})
_INPUT_SIZE = (64, 48)
_NEAR = 1e-9


class _Backbone(nn.Module):
    """One convolution with batch norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 4, 4)
        self.norm = nn.BatchNorm2d(width)
        self.levels = (Level("map", 4, width),)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"map": self.norm(self.stem(images)).relu()}


class _Head(nn.Module):
    """One convolution to a map of each of two keypoints."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.last = nn.Conv2d(width, 2, 1)

    def forward(self, features: dict[str, Tensor], targets: Any = None) -> Tensor:  # noqa: ARG002
        maps: Tensor = self.last(features["map"])
        return maps


def toy_networks() -> Networks:
    """Return the networks that costs are asked of, of genotypes with a `width`."""
    return Networks(
        _built, _outlined, _INPUT_SIZE, torch.device("cpu"), None, {"space": "the kit's toy", "keypoints": 2}
    )


def _built(genotype: Genotype) -> nn.Module:
    return PoseNetwork(_Backbone(genotype["width"]), _Head(genotype["width"]))


def _outlined(genotype: Genotype) -> nn.Module:
    with torch.device("meta"), WithoutValues():
        return _built(genotype)


def refusal_of_cost(cost: Cost) -> str:
    """Return why a cost cannot measure the toy's networks, such as a table for others; or nothing."""
    try:
        cost.bind(toy_networks())
    except PosenasError as error:
        return f"refuses the kit's toy networks: {error}"
    except Exception:  # a bug, which the cost's checks find and tell
        return ""
    return ""


def figures_are_declared(cost: Cost) -> None:
    """Check that each declared figure has a name of its own, and a network has it."""
    names = [figure.name for figure in cost.figures()]
    require(bool(names), "figures declares nothing")
    require(
        len(set(names)) == len(names), f"figures declares {len(names)} figures and {len(set(names))} names"
    )
    wanted = {*names, *(figure.limited for figure in cost.figures() if figure.limited)}
    found = cost.bind(toy_networks()).measure(_GENOTYPES[0])
    missing = sorted(wanted - found.keys())
    require(not missing, f"measure gives no {', '.join(missing[:3])}, which figures declares")


def figures_are_plain_numbers(cost: Cost) -> None:
    """Check that figures are Python's own numbers, all of them finite."""
    for name, figure in cost.bind(toy_networks()).measure(_GENOTYPES[0]).items():
        require(type(figure) in (int, float), f"{name} is {type(figure).__name__}, expected int or float")
        require(math.isfinite(figure), f"{name} is {figure}")


def figures_stay_the_same(cost: Cost) -> None:
    """Check that figures of a cost that is not dear depend on the genotype alone, whatever came before."""
    if cost.dear:
        return
    first, second = cost.bind(toy_networks()), cost.bind(toy_networks())
    second.measure(_GENOTYPES[1])
    figures = [dict(meter.measure(_GENOTYPES[0])) for meter in (first, first, second)]
    wrong = [name for name in figures[0] if any(each.get(name) != figures[0][name] for each in figures)]
    require(not wrong, f"{', '.join(wrong[:3])} of one genotype differ when they are asked for again")


def parts_add_up(cost: Cost) -> None:
    """Check that divisible figures have parts, and those of backbone and head add up to the whole."""
    meter = cost.bind(toy_networks())
    divisible = [figure.name for figure in cost.figures() if figure.divisible]
    if not divisible:
        return
    require(isinstance(meter, Divisible), f"{divisible[0]} is declared divisible, and there is no parts()")
    assert isinstance(meter, Divisible)
    for genotype in _GENOTYPES:
        whole, parts = meter.measure(genotype), meter.parts(genotype)
        for name in divisible:
            first = [parts[path] for path in (f"{name}.backbone", f"{name}.head") if path in parts]
            require(
                math.isclose(sum(first), whole[name], rel_tol=_NEAR),
                f"{name} of backbone and head add up to {sum(first):g}, and the network has {whole[name]:g}",
            )


COST_CHECKS = (
    Check(figures_are_declared, "let measure give what figures() names"),
    Check(figures_are_plain_numbers, "convert figures by float()"),
    Check(figures_stay_the_same, "compute from the genotype's network alone, or let dear be true"),
    Check(parts_add_up, "let parts give NAME.backbone and NAME.head, or let divisible be false"),
)
