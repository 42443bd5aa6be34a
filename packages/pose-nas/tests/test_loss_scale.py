"""Loss scaling of fp16: true gradients for every step, small ones that survive, and steps left out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
import torch
from posenas.contract.batches import Batch
from posenas.contract.errors import PosenasError
from posenas.learning.settings import TrainingSettings
from posenas.learning.training import Watch, train
from posenas.learning.updates import DivergedError
from posenas.networks import devices
from posenas.networks.devices import Compute, choose_compute
from posenas.networks.loss_scale import LossScale
from posenas.networks.pose_network import PoseNetwork
from torch import Tensor, nn

CPU = torch.device("cpu")


class Backbone(nn.Module):
    """A convolution, with a normalisation whose statistics must still move."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 4, 3)
        self.normalisation = nn.BatchNorm2d(4)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        return {"features": torch.relu(self.normalisation(self.convolution(images)))}


class Head(nn.Module):
    """Maps, of which a second output is made: gradients of one come through the other too."""

    def __init__(self) -> None:
        super().__init__()
        self.last = nn.Conv2d(4, 2, 1)

    def forward(self, features: Mapping[str, Tensor], targets: object = None) -> Any:  # noqa: ARG002
        maps = self.last(features["features"])
        return {"maps": maps, "sums": [maps.float().sum((2, 3)), None]}


def pose_network(compute: Compute) -> PoseNetwork:
    torch.manual_seed(0)
    return PoseNetwork(Backbone(), Head(), compute)


def loss_of(outputs: Any) -> Tensor:
    return outputs["maps"].float().square().mean() + outputs["sums"][0].square().mean()


IMAGES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def gradients(network: PoseNetwork, factor: float = 1.0) -> dict[str, Tensor]:
    (factor * loss_of(network(IMAGES))).backward()
    return {name: each.grad for name, each in network.named_parameters() if each.grad is not None}


def test_gradients_are_the_true_ones_however_large_the_scale() -> None:
    plain, scaled = (pose_network(Compute(CPU, None, scale)) for scale in (None, LossScale()))
    expected, found = gradients(plain), gradients(scaled)
    assert expected.keys() == found.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], rtol=1e-5, atol=1e-7)
    running = [network.backbone.normalisation.running_mean for network in (plain, scaled)]
    assert torch.equal(*running), "statistics move as ever"


def test_gradients_of_gradients_are_refused() -> None:
    network = pose_network(Compute(CPU, None, LossScale()))
    weights = list(network.head.parameters())
    with pytest.raises(PosenasError, match="this training differentiates a gradient again"):
        torch.autograd.grad(loss_of(network(IMAGES)), weights, create_graph=True)


def test_small_gradients_survive_half_precision() -> None:
    expected = gradients(pose_network(Compute(CPU, None)), 1e-8)
    lost = gradients(pose_network(Compute(CPU, torch.float16)), 1e-8)
    found = gradients(pose_network(Compute(CPU, torch.float16, LossScale())), 1e-8)
    name = "backbone.convolution.weight"
    assert not lost[name].any(), "without a scale they are zero"
    torch.testing.assert_close(found[name], expected[name], rtol=0.1, atol=1e-10)


def test_the_scale_moves_as_torchs_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posenas.networks.loss_scale._PATIENCE", 20)
    ours, theirs = LossScale(), torch.amp.GradScaler("cpu", growth_interval=20)
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    for step in range(100):
        infinite = step in (0, 1, 15, 70, 71)
        gradient = torch.tensor([torch.inf if infinite else 1e-6])
        parameter.grad = theirs.scale(gradient.clone())
        theirs.step(optimizer)
        theirs.update()
        assert ours.admits([gradient]) != infinite
        assert ours.value == theirs.get_scale(), step


class Pair(NamedTuple):
    first: Tensor
    second: Tensor


@dataclass(frozen=True)
class Parts:
    maps: Tensor
    size: int


@pytest.mark.parametrize("make", [lambda maps: Pair(maps, maps), lambda maps: (Parts(maps, 3),), list])
def test_outputs_keep_their_structure(make: Any) -> None:
    maps = torch.ones(3, requires_grad=True)
    scale = LossScale()
    outputs = scale.entering(make(maps))
    assert type(outputs) is type(make(maps))
    tensor = outputs[0].maps if isinstance(outputs[0], Parts) else outputs[0]
    tensor.sum().backward()
    assert maps.grad is not None
    assert float(maps.grad.max()) == scale.value


def test_outputs_that_cannot_be_scaled_are_refused() -> None:
    with pytest.raises(PosenasError, match="outputs of type object cannot be scaled"):
        LossScale().entering([object()])


class Pictures:
    steps = 3

    def epoch(self, number: int) -> Iterator[Batch]:
        generator = torch.Generator().manual_seed(number)
        for _ in range(self.steps):
            yield Batch(torch.randn(2, 3, 8, 8, generator=generator), torch.zeros(2), torch.zeros(2))


@dataclass(frozen=True)
class Overflowing:
    """A step whose gradients are infinite in the given batches of all."""

    at: tuple[int, ...] = ()

    def __call__(
        self, network: Any, batch: Batch, rng: Random, *, progress: float, **_: object
    ) -> Mapping[str, float]:
        loss = 1e-4 * loss_of(network(batch.images))
        large = 1e30 if round(progress * 9) in self.at else 1.0
        (loss * large).backward()
        return {"loss": float(loss.detach()) + 0 * rng.random()}


class StopError(Exception):
    pass


def trained(
    file: Path, step: Overflowing, *, stop_at: int = 0, scale: LossScale | None = None
) -> tuple[dict[str, Tensor], float]:
    """The weights at the end, and the scale."""

    def stop(done: int, _total: int) -> None:
        if done == stop_at:
            raise StopError

    scale = scale or LossScale()
    network = pose_network(Compute(CPU, torch.float16, scale))
    train(
        network,
        Pictures(),
        step=step,
        epochs=3,
        settings=TrainingSettings(learning_rate=0.01, ema_decay=0.5),
        seed=1,
        checkpoint=file,
        watch=Watch(stop, lambda *_: None),
        loss_scale=scale,
    )
    return network.state_dict(), scale.value


@pytest.mark.parametrize("stop_at", [1, 4, 9])
def test_killed_and_resumed_in_half_precision_is_straight(tmp_path: Path, stop_at: int) -> None:
    step = Overflowing(at=(1, 5))
    straight, scale = trained(tmp_path / "a", step)
    assert scale == 2.0**14
    used = LossScale()
    with suppress(StopError):
        trained(tmp_path / "b", step, stop_at=stop_at, scale=used)
    resumed, again = trained(tmp_path / "b", step, scale=used)
    assert again == scale
    assert all(torch.equal(tensor, straight[name]) for name, tensor in resumed.items())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_gradients_that_stay_infinite_end_the_training(tmp_path: Path) -> None:
    scale = LossScale()
    step = Overflowing(at=tuple(range(9)))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("posenas.networks.loss_scale._FIRST", 4.0)
        with pytest.raises(DivergedError, match="gradients are infinite in fp16; start a new run with prec"):
            trained(tmp_path / "a", step, scale=scale)


def test_half_precision_is_refused_on_a_cpu_and_auto_on_older_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PosenasError, match="precision 'fp16' is for CUDA devices; on a CPU use"):
        choose_compute("cpu", "fp16")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(devices, "_multiplies_bfloat16", lambda device: device == "cpu")
    found = choose_compute("auto", "auto")
    assert (found.device.type, found.autocast_dtype, found.precision) == ("cuda", torch.float16, "fp16")
    assert isinstance(found.loss_scale, LossScale)
    monkeypatch.setattr(devices, "_multiplies_bfloat16", lambda _device: True)
    assert choose_compute("cuda", "auto").precision == "bf16"
    assert choose_compute("cuda", "32").precision == "32"
    assert choose_compute("cuda", "auto").loss_scale is None
