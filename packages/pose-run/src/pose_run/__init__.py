"""Human poses by networks that `posenas export` wrote, without torch: `load` a file, call it on an image."""

from pose_run.errors import PoseRunError
from pose_run.model import Model, load
from pose_run.poses import Poses

__all__ = ["Model", "PoseRunError", "Poses", "load"]

__version__ = "0.2.0"
