"""What a network costs: parameters and multiply-adds, counted without computing anything.

MACs are multiply-adds. The papers print them as "FLOPs". Most of them also count by the rule of HRNet's
model summary and divide by 2^30: `paper_gflops` follows that. McNally's thesis (EvoPose2D) halves what
TensorFlow's profiler counts: `thesis_gflops` follows that. Both are there for comparison with published
figures only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from posenas.networks.frozen import FrozenBatchNorm
from posenas.networks.multiplications import KnownCalls, Multiplications, WithoutPointwise


@dataclass(frozen=True)
class Costs:
    """The costs of a network for one image; of a clip's network the mean over its frames.

    Attributes:
        parameters: trainable or not, without batch-norm statistics; of a clip's network those of all frames.
        parameters_with_statistics: with the running means and variances, as some papers count.
        macs: multiply-adds of convolutions, linear layers and matrix products.
        paper_gflops: weight numbers x output pixels of convolutions and linear layers, in units of 2^30.
            Counts a transposed convolution stride^2 times too high, and matrix products not at all. A layer
            that sees several crops of an image counts once for each.
        thesis_gflops: multiply-adds, and a half for each element that is multiplied by another (as swish and
            an attention gate do), averaged, or given a bias, in units of 10^9.
    """

    parameters: int
    parameters_with_statistics: int
    macs: int
    paper_gflops: float
    thesis_gflops: float

    @property
    def gmacs(self) -> float:
        """MACs in units of 10^9."""
        return self.macs / 1e9

    def as_dict(self) -> dict[str, int | float]:
        """Return the costs by name."""
        return asdict(self) | {"gmacs": self.gmacs}


@dataclass(frozen=True)
class Counted:
    """What was counted in a network or a part of it, in whole numbers.

    Attributes:
        statistics: batch norms' running means and variances.
        macs: multiply-adds.
        elements: those that count a half in `thesis_gflops`.
        products: weight numbers x output pixels.
        frames: over how many the last three were counted.
    """

    parameters: int = 0
    statistics: int = 0
    macs: int = 0
    elements: int = 0
    products: int = 0
    frames: int = 1

    def costs(self) -> Costs:
        """Return the costs that follow."""
        return Costs(
            parameters=self.parameters,
            parameters_with_statistics=self.parameters + self.statistics,
            macs=round(self.macs / self.frames),
            paper_gflops=self.products / self.frames / 2**30,
            thesis_gflops=(self.macs + self.elements / 2) / self.frames / 1e9,
        )


def measure(network: nn.Module, input_size: tuple[int, int], *, known: KnownCalls | None = None) -> Costs:
    """Count a network's costs for one (3, height, width) image.

    Build it with `with torch.device("meta")`, so that nothing is allocated or computed: a
    network on any other device is counted alike, by really running it.

    Args:
        network: left as it was.
        input_size: (height, width) in pixels.
        known: remembers layers for the next networks, which are counted several times as fast.
    """
    multiplications = Multiplications()
    with _summary(network) as products:
        _run(network, input_size, multiplications, known)
    tally = Counted(
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        statistics=sum(size for _, size in _statistics(network)),
        macs=multiplications.total,
        elements=multiplications.elements,
        products=sum(size for _, size in products),
        frames=frames_of(network),
    )
    return tally.costs()


def measure_parts(
    network: nn.Module, input_size: tuple[int, int], *, known: KnownCalls | None = None
) -> dict[str, Costs]:
    """Count what the parts of a network cost for one (3, height, width) image.

    Parts are its modules and theirs, by path, such as `head` and `head.face`: the costs of the modules of the
    first level add up to the network's. What a module computes outside its own modules counts in it alone.

    Args:
        network: left as it was.
        input_size: (height, width) in pixels.
        known: as in `measure`.
    """
    multiplications = Multiplications()
    with _summary(network) as products, _followed(network, multiplications) as followed:
        _run(network, input_size, multiplications, known)
    counted = [("parameters", name, parameter.numel()) for name, parameter in network.named_parameters()]
    counted += [("statistics", name, size) for name, size in _statistics(network)]
    counted += [("products", name, size) for name, size in products]
    for name, macs, elements in followed:
        counted += [("macs", name, macs), ("elements", name, elements)]
    tallies: dict[str, Counter[str]] = {part: Counter() for part in _parts(network)}
    for what, name, number in counted:
        first, _, rest = name.partition(".")
        for part in {first, f"{first}.{rest.partition('.')[0]}"} & tallies.keys():
            tallies[part][what] += number
    return {part: Counted(**tally, frames=frames_of(network)).costs() for part, tally in tallies.items()}


def frames_of(network: nn.Module) -> int:
    """Return how many images a network takes at once: the frames of a clip, or 1."""
    frames = getattr(network, "frames", 1)
    return frames if isinstance(frames, int) else 1


def _parts(network: nn.Module) -> Iterator[str]:
    """Give the paths of the modules of the first and the second level, in their order."""
    for name, module in network.named_children():
        yield name
        yield from (f"{name}.{inner}" for inner, _ in module.named_children())


def _run(
    network: nn.Module,
    input_size: tuple[int, int],
    multiplications: Multiplications,
    known: KnownCalls | None,
) -> None:
    """Run the network for one image of zeros, or one clip, without its cheap functions."""
    device = next((parameter.device for parameter in network.parameters()), torch.device("meta"))
    images = torch.zeros(frames_of(network), 3, *input_size, device=device)
    with (
        torch.no_grad(),
        _evaluation_mode(network),
        WithoutPointwise(multiplications, {} if known is None else known),
        multiplications,
    ):
        network(images)


def _statistics(network: nn.Module) -> Iterator[tuple[str, int]]:
    """Give the size of each batch norm's statistics, with the batch norm's path."""
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d | FrozenBatchNorm):
            buffers = (module.running_mean, module.running_var)
            yield name, sum(buffer.numel() for buffer in buffers if buffer is not None)


@contextmanager
def _followed(network: nn.Module, multiplications: Multiplications) -> Iterator[list[tuple[str, int, int]]]:
    """Tell what was multiplied in which module: its path, multiply-adds and elements, time after time.

    A module's own share is what happens while it runs and none of its modules does.
    """
    followed: list[tuple[str, int, int]] = []
    running = [""]
    before = [0, 0]

    def settle() -> None:
        now = [multiplications.total, multiplications.elements]
        followed.append((running[-1], now[0] - before[0], now[1] - before[1]))
        before[:] = now

    def begin(name: str) -> Callable[..., None]:
        def hook(_module: nn.Module, _inputs: object) -> None:
            settle()
            running.append(name)

        return hook

    def end(_module: nn.Module, _inputs: object, _output: object) -> None:
        settle()
        running.pop()

    hooks = []
    for name, module in network.named_modules():
        hooks += [module.register_forward_pre_hook(begin(name)), module.register_forward_hook(end)]
    try:
        yield followed
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def _evaluation_mode(network: nn.Module) -> Iterator[None]:
    """Batch norm cannot train on a single value, such as one image's 1 x 1 map."""
    training = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode


@contextmanager
def _summary(network: nn.Module) -> Iterator[list[tuple[str, int]]]:
    """HRNet's `get_model_summary`: one product a layer and call, with the layer's path."""
    products: list[tuple[str, int]] = []

    def convolution(name: str) -> Callable[..., None]:
        def hook(module: nn.Conv2d | nn.ConvTranspose2d, _inputs: object, output: Tensor) -> None:
            entries, pixels = output.shape[:-3].numel(), output.shape[-2:].numel()
            products.append((name, module.weight.numel() * entries * pixels))

        return hook

    def linear(name: str) -> Callable[..., None]:
        def hook(module: nn.Linear, _inputs: object, output: Tensor) -> None:
            products.append((name, module.in_features * output.numel()))

        return hook

    hooks = []
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            hooks.append(module.register_forward_hook(convolution(name)))
        if isinstance(module, nn.Linear):
            hooks.append(module.register_forward_hook(linear(name)))
    try:
        yield products
    finally:
        for hook in hooks:
            hook.remove()
