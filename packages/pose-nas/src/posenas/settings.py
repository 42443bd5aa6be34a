"""The tables of a recipe that are not components, `posenas.recipe.NAMELESS_TABLES`, and what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from posenas.data.augment import Augmentation
from posenas.data.mosaic import ImageAugmentation
from posenas.evaluation import EvaluationSettings
from posenas.latency.cost import LatencySettings
from posenas.training_settings import TrainingSettings

SETTINGS_TABLES: Mapping[str, type[Any]] = MappingProxyType(
    {
        "training": TrainingSettings,
        "augmentation": Augmentation,
        "evaluation": EvaluationSettings,
        "latency": LatencySettings,
    }
)
AUGMENTATIONS: Mapping[str, type[Any]] = MappingProxyType(
    {"person": SETTINGS_TABLES["augmentation"], "image": ImageAugmentation}
)
"""What `[augmentation]` holds, by the kind of view that the head wants."""
