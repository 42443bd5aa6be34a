"""Heat maps: keypoints as maps, maps as keypoints, and losses between maps."""

from posenas.networks.heatmaps.decoding import find_peaks, peak_masses, peak_values, refine
from posenas.networks.heatmaps.encoding import (
    QUARTER,
    Encoding,
    HeatmapTargets,
    encode,
    gaussians,
    in_view,
    to_view,
)
from posenas.networks.heatmaps.exported import DecodedMaps
from posenas.networks.heatmaps.losses import (
    counted,
    cross_entropy_to_teacher,
    divergence,
    log_probabilities,
    mean_squared_difference,
    mean_squared_error,
    probabilities,
)
from posenas.networks.heatmaps.view import (
    CropOption,
    EncodingOption,
    InputSizeOption,
    check_input_size,
    person_view,
    undo_mirror,
)

__all__ = [
    "QUARTER",
    "CropOption",
    "DecodedMaps",
    "Encoding",
    "EncodingOption",
    "HeatmapTargets",
    "InputSizeOption",
    "check_input_size",
    "counted",
    "cross_entropy_to_teacher",
    "divergence",
    "encode",
    "find_peaks",
    "gaussians",
    "in_view",
    "log_probabilities",
    "mean_squared_difference",
    "mean_squared_error",
    "peak_masses",
    "peak_values",
    "person_view",
    "probabilities",
    "refine",
    "to_view",
    "undo_mirror",
]
