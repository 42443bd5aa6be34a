"""What evaluators are made of: checks of predictions, and the distances of people from predicted poses."""

from posenas.data.nearest import nearest_distances
from posenas.data.similarity import check_predictions

__all__ = [
    "check_predictions",
    "nearest_distances",
]
