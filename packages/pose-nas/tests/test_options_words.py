"""Options that are one of a few words, or else a list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from posenas.composing.options import make_component, option_values
from posenas.contract.errors import PosenasError


@dataclass(frozen=True)
class Sized:
    size: Annotated[Literal["auto", "full"] | tuple[int, int], "of a thing"] = "auto"
    names: Annotated[Literal["all"] | tuple[tuple[str, ...], ...], "of things"] = "all"


@pytest.mark.parametrize(
    "values",
    [{"size": "full"}, {"size": [2, 3]}, {"names": "all"}, {"names": [["a", "b"], ["c"]]}, {"names": []}],
)
def test_words_and_lists_survive_a_round_trip(values: dict[str, Any]) -> None:
    component = make_component(Sized, values, where="sized")
    assert option_values(component) == {"size": "auto", "names": "all", **values}
    assert make_component(Sized, option_values(component), where="sized") == component


def test_commas_still_make_a_list() -> None:
    assert make_component(Sized, {"size": "2,3"}, where="sized") == Sized(size=(2, 3))


@pytest.mark.parametrize("values", [{"size": "ful"}, {"names": "al"}, {"size": 2}])
def test_another_word_is_refused_and_no_list_of_one(values: dict[str, Any]) -> None:
    with pytest.raises(PosenasError, match="expected one of"):
        make_component(Sized, values, where="sized")
