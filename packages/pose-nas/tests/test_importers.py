"""Importers that do not keep the contract's word, or cannot be asked, are named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from posenas import ImportedWeights
from posenas.composing import initial_weights
from posenas.composing.initial_weights import load_initial_weights
from posenas.composing.plugins import Plugin
from posenas.contract.errors import PosenasError
from safetensors.torch import save_file
from torch import nn

PLUGIN = Plugin("weights", "convfiles", "conv-weights", "0.1.0", "conv_weights:read")


@pytest.fixture
def answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Gives a file, where one importer of this status is installed that answers so."""

    def answer(found: Any = None, **changes: Any) -> str:
        plugin = Plugin(**{**vars(PLUGIN), **changes}) if changes else PLUGIN
        monkeypatch.setattr(initial_weights, "find_plugins", lambda _kinds: [plugin])
        monkeypatch.setattr(initial_weights, "load_entry", lambda _plugin: lambda _published: found)
        save_file({"up.weight": torch.ones(3)}, tmp_path / "plain.safetensors")
        return str(tmp_path / "plain.safetensors")

    return answer


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({}, "gives a dict, not ImportedWeights or None"),
        (ImportedWeights("conv", {}), "knows the file and gives no tensors of it"),
        (ImportedWeights("conv", {"up": [1.0]}), "gives up as list, not a tensor"),  # type: ignore[dict-item]
        (ImportedWeights("conv", {"up": torch.ones(1)}, "planes"), "gives keypoints 'planes'; known: "),
    ],
)
def test_what_an_importer_gives_wrongly_names_it(
    answering: Callable[..., str], answer: Any, says: str
) -> None:
    with pytest.raises(PosenasError, match=f"convfiles.*conv-weights 0.1.0.*{says}"):
        load_initial_weights(answering(answer))


def test_where_nothing_fits_an_importer_that_is_broken_is_named(answering: Callable[..., str]) -> None:
    weights = load_initial_weights(answering(status="broken", problem="timm is not installed"))
    with pytest.raises(PosenasError, match="nothing of it fits") as told:
        weights.fill(nn.Linear(2, 2))
    assert "is broken and was not asked: timm is not installed" in str(told.value)
