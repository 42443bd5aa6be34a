"""Layers made as copies of earlier ones, against layers made anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from posenas.networks.layers.attention import GlobalContext
from posenas.networks.layers.convolution import convolution
from posenas.networks.layers.inverted import InvertedResidual
from posenas.networks.layers.residual import Bottleneck
from posenas.networks.without_values import WithoutValues, _prototype, made
from torch import nn


class Everything(nn.Module):
    """What a module may hold: a part in two places, absent parts, and buffers that are not saved."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 1)
        self.again = self.first
        self.absent: nn.Module | None
        self.register_module("absent", None)
        self.register_parameter("none", None)
        self.register_buffer("scratch", torch.zeros(channels), persistent=False)
        self.frozen = nn.Parameter(torch.zeros(channels), requires_grad=False)
        self.names = ["a", "b"]
        self.sizes = (channels, (1, 1))
        self.first.eval()


def copied(kind: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Never the first of its kind."""
    with WithoutValues():
        made(kind, *arguments, **options)
        return made(kind, *arguments, **options)


def fresh(kind: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    with torch.device("meta"):
        return kind(*arguments, **options)


def test_outside_a_layer_is_made_with_its_values() -> None:
    torch.manual_seed(0)
    expected = nn.Conv2d(3, 4, 3)
    torch.manual_seed(0)
    assert torch.equal(made(nn.Conv2d, 3, 4, 3).weight, expected.weight)
    copied(nn.Conv2d, 3, 4, 3)
    assert not made(nn.Conv2d, 3, 4, 3).weight.is_meta


def test_after_an_error_layers_have_values_again() -> None:
    with pytest.raises(ValueError, match="divisible"), WithoutValues(), WithoutValues():
        made(nn.Conv2d, 3, 4, 3, groups=2)
    assert not made(nn.Conv2d, 3, 4, 3).weight.is_meta


@pytest.mark.parametrize(
    ("kind", "arguments", "options"),
    [
        (Everything, (4,), {}),
        (GlobalContext, (32,), {}),
        (convolution, (3, 8), {"kernel": 3, "stride": 2}),
        (
            InvertedResidual,
            (8, 8),
            {
                "mid": 16,
                "kernel": 5,
                "groups": 16,
                "stride": 1,
                "attention": True,
                "activation": nn.Hardswish,
                "expand": True,
            },
        ),
        (
            Bottleneck,
            (8, 16),
            {
                "mid": 8,
                "kernel": 3,
                "groups": 2,
                "stride": 2,
                "attention": None,
                "project": True,
            },
        ),
    ],
)
def test_a_copy_is_what_would_be_made(kind: Any, arguments: Any, options: Any) -> None:
    copy, expected = copied(kind, *arguments, **options), fresh(kind, *arguments, **options)
    assert str(copy) == str(expected)
    modules = zip(
        copy.named_modules(remove_duplicate=False),
        expected.named_modules(remove_duplicate=False),
        strict=True,
    )
    for (name, module), (expected_name, other) in modules:
        assert (name, type(module)) == (expected_name, type(other))
        assert list(vars(module)) == list(vars(other))
        for attribute, value in vars(other).items():
            if attribute not in ("_parameters", "_buffers", "_modules"):
                assert vars(module)[attribute] == value, f"{name}.{attribute}"
    assert list(copy.state_dict()) == list(expected.state_dict())
    for tensors in ("named_parameters", "named_buffers"):
        pairs = zip(getattr(copy, tensors)(), getattr(expected, tensors)(), strict=True)
        for (name, tensor), (expected_name, other) in pairs:
            assert (name, type(tensor)) == (expected_name, type(other))
            assert (tensor.shape, tensor.dtype, tensor.device) == (other.shape, other.dtype, other.device)
            assert tensor.requires_grad == other.requires_grad


def test_a_part_in_two_places_stays_one() -> None:
    copy = copied(Everything, 4)
    assert copy.first is copy.again


def test_nothing_done_to_a_copy_is_seen_in_another() -> None:
    changed, other = copied(Everything, 4), copied(Everything, 4)
    changed.first.train()
    changed.requires_grad_(False)
    changed.double()
    changed.names.append("c")
    changed.first.register_forward_hook(lambda *_: None)
    changed.register_state_dict_post_hook(lambda *_: None)
    changed.register_buffer("another", torch.zeros(1), persistent=False)
    changed.first.bias = nn.Parameter(torch.ones(4))
    changed.again = nn.Identity()
    for untouched in (other, copied(Everything, 4)):
        expected = fresh(Everything, 4)
        assert str(untouched) == str(expected)
        assert untouched.names == expected.names
        assert not untouched.first.training
        assert not untouched.first._forward_hooks
        assert not untouched._state_dict_hooks
        assert [name for name, _ in untouched.named_buffers()] == ["scratch"]
        assert untouched._non_persistent_buffers_set == {"scratch"}
        for name, parameter in untouched.named_parameters():
            assert parameter.is_meta
            assert parameter.dtype == torch.float32
            assert parameter.requires_grad == (name != "frozen")


def test_equal_arguments_of_other_types_make_other_layers() -> None:
    assert [copied(nn.Dropout, value).p for value in (1, 1.0, True)] == [1, 1.0, True]
    assert [type(copied(nn.Dropout, value).p) for value in (1, 1.0, True)] == [int, float, bool]


def test_layers_follow_torchs_default_type() -> None:
    copied(nn.Linear, 2, 3)
    torch.set_default_dtype(torch.float64)
    try:
        assert copied(nn.Linear, 2, 3).weight.dtype == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)


def hooked() -> nn.Module:
    layer = nn.Linear(1, 1)
    layer.register_forward_hook(lambda *_: None)
    return layer


def with_values() -> nn.Module:
    layer = nn.Identity()
    layer.register_buffer("places", torch.linspace(0, 1, 3, device="cpu"))
    return layer


def hiding(value: Any) -> Callable[[], nn.Module]:
    def make() -> nn.Module:
        layer = nn.Identity()
        object.__setattr__(layer, "hidden", value)
        return layer

    return make


@pytest.mark.parametrize(
    "kind",
    [
        hooked,
        with_values,
        hiding(torch.zeros(1)),
        hiding(nn.Identity()),
        hiding([nn.Identity()]),
        hiding({"part": [1]}),
        hiding((1, [2])),
    ],
)
def test_what_copies_would_share_is_refused(kind: Any) -> None:
    kind()
    with pytest.raises(TypeError, match="cannot be copied safely"), WithoutValues():
        made(kind)


def test_no_more_than_so_many_layers_are_remembered() -> None:
    most = _prototype.cache_info().maxsize
    assert most is not None
    with WithoutValues():
        for channels in range(most + 10):
            assert made(nn.BatchNorm2d, channels).num_features == channels
    assert _prototype.cache_info().currsize == most
