"""The garbage collector: paused while composing makes the objects of a whole dataset, and then as before."""

from __future__ import annotations

import gc
import importlib
from typing import NoReturn

import pytest
from posenas.composing.compose import compose
from posenas.contract.errors import PosenasError
from posenas.networks.collection import collection_paused
from posenas.runs.recipe import Recipe


def test_the_outer_pause_ends_it() -> None:
    assert gc.isenabled()
    with collection_paused():
        with collection_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_composing_pauses_it_and_starts_it_again_where_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bool] = []

    def refuse(*_: object) -> NoReturn:
        seen.append(gc.isenabled())
        raise PosenasError("no such device")

    monkeypatch.setattr(importlib.import_module("posenas.composing.compose"), "choose_compute", refuse)
    with pytest.raises(PosenasError, match="no such device"):
        compose(Recipe())
    assert seen == [False]
    assert gc.isenabled()
