"""What a recipe's tables hold that are no components: `posenas.runs.recipe.NAMELESS_TABLES`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from posenas.data.augment import Augmentation
from posenas.data.mosaic import ImageAugmentation
from posenas.learning.inference import EvaluationSettings
from posenas.learning.settings import TrainingSettings
from posenas.networks.latency.cost import LatencySettings

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
