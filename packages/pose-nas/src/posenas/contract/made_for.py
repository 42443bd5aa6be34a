"""The settings that the published networks of a space were trained with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class MadeFor:
    """Settings that a space's networks are made for.

    Composing takes them under the head that they name, each where the recipe leaves it open.

    Attributes:
        head: the head's entry-point name as `name`, beside options of it such as `input_size`.
        training: options of `[training]`. A recipe that chooses another `optimizer` takes none of them.
        views: how many views a published training saw: passes times people, or times whole images; 0 where
            none was published.
        recipe: the recipe that trains as published, such as `recipes/vipnas-res50.toml`; empty where there
            is none.
        dataset: a dataset's entry-point name as `name`, beside options of it that the space needs, such as
            the `frames` of built-in videos; taken where the recipe has this dataset.
    """

    head: Mapping[str, Any]
    training: Mapping[str, Any] = field(default_factory=dict)
    views: int = 0
    recipe: str = ""
    dataset: Mapping[str, Any] = field(default_factory=dict)
