"""How many operations a sandwich step asks a device for, against the same networks as static ones.

    python benchmarks/launches.py [--json FILE]

On a GPU the step of small networks takes as long as it takes to ask for its launches, whatever they compute.
A step passes the largest, the smallest and two random networks forward and backward, with in-place
distillation, and adds their gradients up; random networks are made anew. The static side is the same four
networks, cut out before, with the same losses. Neither side's optimiser is counted. Numbers depend on no size
of a batch or view: they are counted on the CPU, once.

`operations` are all that torch dispatches. `launches` leaves out views and allocations, which start nothing
on a GPU, and counts what is done to lists of tensors as torch's CUDA code does it: at once if the tensors are
dense and laid out alike, else one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from random import Random
from typing import Any

import figures
import torch
from nas_ofa_elastic.space import ElasticSpace
from networks import Backbone, make_batch, super_network
from posenas.learning.sandwich_step import SandwichStep
from sandwich import RANDOM_NETWORKS, static_networks, static_step
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

BACKBONES: tuple[Backbone, ...] = ("resnet50", "mobilenetv3", "hrnet-w32")
PEOPLE, SIZE = 2, (64, 64)
ALLOCATING = ("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided")


@dataclass
class Count:
    """What was asked for: `operations` in all, and of these `launches` that start work on a GPU."""

    operations: int = 0
    launches: int = 0


class Counting(TorchDispatchMode):
    """Counts what runs inside into `count`."""

    def __init__(self) -> None:
        super().__init__()
        self.count = Count()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count.operations += 1
        self.count.launches += launches_of(func, args)
        return func(*args, **(kwargs or {}))


def launches_of(func: Any, arguments: Sequence[Any]) -> int:
    """Return how many launches an operation takes on a GPU, as the text above says."""
    name = func.overloadpacket.__name__
    if func.is_view or name in ALLOCATING:
        return 0
    if not name.startswith("_foreach_"):
        return 1
    lists = [each for each in arguments if isinstance(each, list | tuple) and isinstance(each[0], Tensor)]
    places = list(zip(*lists, strict=True))
    return 1 if all(go_at_once(tensors, lists[0][0]) for tensors in places) else len(places)


def go_at_once(tensors: Sequence[Tensor], first: Tensor) -> bool:
    """Tell whether what lies at one place of all lists goes at once with the first of all tensors."""
    layouts = {layout(tensor) for tensor in tensors}
    return len(layouts) == 1 and all(is_dense(each) and each.dtype == first.dtype for each in tensors)


def layout(tensor: Tensor) -> tuple[tuple[int, int], ...]:
    """Return sizes and strides; the stride of an axis of one entry can be anything."""
    axes = zip(tensor.shape, tensor.stride(), strict=True)
    return tuple((size, step if size > 1 else 0) for size, step in axes)


def is_dense(tensor: Tensor) -> bool:
    """Tell whether the entries lie without gaps, in whatever order."""
    return layout(torch.empty_like(tensor)) == layout(tensor)


def counted(work: Callable[[], object]) -> Count:
    with Counting() as counting:
        work()
    return counting.count


def measure(backbone: Backbone) -> tuple[Count, Count]:
    """Return what a step asks for, and what its four networks ask for as static ones."""
    space, batch = ElasticSpace(backbone), make_batch(PEOPLE, SIZE)
    shared = super_network(space, SIZE)
    step = SandwichStep(space, RANDOM_NETWORKS, "truth+teacher")

    def pass_elastic(seed: int) -> None:
        step(shared, batch, Random(seed), update=lambda _group: None, progress=0.0)

    pass_elastic(0)  # afterwards the largest and the smallest network are kept
    shared.zero_grad(set_to_none=True)
    networks = static_networks(shared, space, seed=1)
    return counted(lambda: pass_elastic(1)), counted(lambda: static_step(networks, batch))


def main() -> None:
    options = figures.arguments("launches", __doc__.splitlines()[0], pairs=1)
    found = figures.Figures("launches", {"backbones": BACKBONES, "random networks": RANDOM_NETWORKS})
    for backbone in BACKBONES:
        elastic, static = measure(backbone)
        for what, count in asdict(elastic).items():
            found.add(f"{backbone} {what} of a step", count)
            found.add(f"{backbone} {what} of static networks", asdict(static)[what])
            found.add(f"{backbone} {what}, ratio", count / asdict(static)[what])
    found.write(options.json)


if __name__ == "__main__":
    main()
