"""Networks whose training passes torch compiles, as `training.compile` asks for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from posenas.contract.batches import Batch
from posenas.contract.errors import PosenasError
from posenas.contract.problem import Update
from posenas.learning.training import Passes, SupervisedStep, supervise
from posenas.networks.pose_network import PoseNetwork

Backend: TypeAlias = str | Callable[..., Any]
"""What makes code of a network's operations, as `torch.compile` takes it."""

_INDUCTOR = "inductor"
_COMPILER = r"torch\.(_dynamo|_functorch|_inductor|fx|jit|utils\.mkldnn)"
"""The modules of torch whose warnings are about the compiler's own code."""
_OLDEST = (2, 7)
"""The first release of torch that can refuse to give up compiling in silence."""


@dataclass(frozen=True)
class CompiledStep:
    """Plain training of one network, which runs compiled in every full batch.

    A batch that lacks people, since an image could not be read, runs as it is. So each batch gives the same
    bits, whichever batches came before it in this process.

    Attributes:
        passes: the network, compiled.
        people: of a full batch.
    """

    passes: Passes
    people: int

    def __call__(
        self, network: PoseNetwork, batch: Batch, rng: Random, *, update: Update, progress: float
    ) -> Mapping[str, Tensor]:
        """Add the gradients of the head's loss, and return the loss; for the arguments see `Step`."""
        if len(batch.images) != self.people:
            return SupervisedStep()(network, batch, rng, update=update, progress=progress)
        return supervise(network, batch, passes=self.passes)


@contextmanager
def compiled_step(network: nn.Module, people: int, *, backend: Backend = _INDUCTOR) -> Iterator[CompiledStep]:
    """Give the step that trains a network compiled, while the context is open; the first full batch compiles.

    What this process compiled before is forgotten, since torch compiles the code of a class for a few of its
    objects only. The weights and what they are called stay the network's own. Where a network draws random
    numbers, it draws those that it draws uncompiled.

    Args:
        network: the one in training, on its device.
        people: of a full batch, in this process.
        backend: what makes the code.

    Raises:
        PosenasError: where torch cannot compile the network.
    """
    options: dict[str, Any] = {"options": {"fallback_random": True}} if backend == _INDUCTOR else {}
    with _compiler_watched():
        torch.compiler.reset()
        yield CompiledStep(torch.compile(network, backend=backend, dynamic=False, **options), people)


def check_compiler(device: torch.device) -> None:
    """Compile a sum on a device, so that a missing compiler is told before anything is trained.

    Raises:
        PosenasError: where torch cannot compile there.
    """
    if tuple(map(int, torch.__version__.split(".")[:2])) < _OLDEST:
        raise PosenasError(
            f"training.compile needs torch 2.7 or newer, and this is {torch.__version__}; update it, or set "
            "training.compile=false"
        )
    with _compiler_watched(RuntimeError):
        torch.compile(torch.add, backend=_INDUCTOR, dynamic=False)(*torch.ones(2, 3, device=device))


@contextmanager
def _compiler_watched(*more: type[Exception]) -> Iterator[None]:
    """Tell an error of the compiler in one line, and keep its warnings about its own code to itself.

    Args:
        more: what is an error of the compiler too.
    """
    from torch._dynamo import config  # takes a second to load
    from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException

    errors: tuple[type[Exception], ...] = (TorchDynamoException, FailOnRecompileLimitHit, *more)
    with warnings.catch_warnings(), config.patch(fail_on_recompile_limit_hit=True):
        warnings.filterwarnings("ignore", module=_COMPILER)
        try:
            yield
        except errors as error:
            reason = " ".join(str(error).partition("\n\n")[0].split())
            raise PosenasError(
                f"training.compile: torch cannot compile this: {reason}; install what is missing, or begin a "
                "new run with training.compile=false"
            ) from error
