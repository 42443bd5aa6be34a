"""posenas: neural architecture search for human pose estimation.

This is the public face: every name that a plugin's author or a Python user needs, and no other. Each is
loaded when it is first asked for, so that importing posenas is quick. Further pages are `posenas.layers`,
`posenas.heatmaps`, `posenas.training`, `posenas.annotations`, `posenas.scoring`, `posenas.geometry`,
`posenas.charts`, `posenas.weights` and `posenas.testing`. All other modules are private and may move.
"""

import lazy_loader

__version__ = "0.2.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
