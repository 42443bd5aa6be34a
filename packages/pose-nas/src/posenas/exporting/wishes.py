"""What can be asked of an export."""

OPSETS = range(18, 24)
"""The versions of ONNX's operators that can be asked for."""
OPSET = 20
"""The one that is written unless another one is asked for; costs of exported files are measured in it."""
MAX_AP_LOSS = 0.02
"""How much of the metric a file in int8 may lose unless something else is asked for."""
DETECTION_RULES = ("box_threshold", "keypoint_threshold", "oks_nms")
"""The options of evaluations that a manifest has."""
