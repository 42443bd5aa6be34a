"""The versions of ONNX's operators that networks are exported in."""

OPSETS = range(18, 24)
"""Those that can be asked for."""
OPSET = 20
"""The one that is written unless another one is asked for; costs of exported files are measured in it."""
