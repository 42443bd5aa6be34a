"""EvoPose2D in its four sizes, and the ancestor that it evolved from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from posenas import ZooEntry

from nas_evo.genes import ANCESTOR, Quartet, genotype_of

_SEARCHED = (256, 192)
"""Height and width in pixels of the inputs that the networks evolved for."""

_S = (
    Quartet(1, 3, 16, 1),
    Quartet(3, 3, 24, 2),
    Quartet(2, 5, 40, 2),
    Quartet(4, 3, 80, 2),
    Quartet(2, 5, 112, 1),
    Quartet(4, 5, 128, 1),
    Quartet(2, 3, 80, 1),
)
_XS = (*_S[:5], Quartet(4, 5, 128, 2), _S[6])


def _entry(
    modules: Sequence[Quartet],
    input_size: tuple[int, int],
    *,
    published: Mapping[str, float],
    tables: str,
) -> ZooEntry:
    """Return the network of these modules, scaled to inputs that are larger than those of the search.

    Args:
        modules: the seven modules as they evolved, before any scaling.
        input_size: (height, width) in pixels.
        published: what the thesis prints.
        tables: where it prints them, and what the network is.
    """
    scaling = {} if input_size == _SEARCHED else {"scaled_for": list(input_size)}
    return ZooEntry(
        space="evo",
        options={**scaling, "width": 1.0},
        genotype=genotype_of(modules),
        input_size=input_size,
        keypoints="coco-17",
        published=published,
        source=f"EvoPose2D, McNally, thesis (2022), {tables}",
        head={"name": "heatmap", "encoding": "gaussian", "loss": "mse", "sigma": input_size[0] / 128},
    )


EVOPOSE2D_XS = _entry(
    _XS,
    _SEARCHED,
    published={"parameters_with_statistics": 2.53e6, "thesis_gflops": 0.47, "oks.AP": 0.680},
    tables="tables 3.3 and 3.5 (XS: S with stride 2 in module 6)",
)

EVOPOSE2D_S = _entry(
    _S,
    _SEARCHED,
    published={"parameters_with_statistics": 2.53e6, "thesis_gflops": 1.07, "oks.AP": 0.702},
    tables="tables 3.3 and 3.5 (S)",
)

EVOPOSE2D_M = _entry(
    _S,
    (384, 288),
    published={"parameters_with_statistics": 7.34e6, "thesis_gflops": 5.59, "oks.AP": 0.751},
    tables="table 3.5 (M: S scaled to 384x288)",
)

EVOPOSE2D_L = _entry(
    _S,
    (512, 384),
    published={"parameters_with_statistics": 14.7e6, "thesis_gflops": 17.7, "oks.AP": 0.766},
    tables="table 3.5 (L: S scaled to 512x384)",
)

# The thesis's figures of EfficientNet-B0 (5.82 M, 0.60 GFLOPs, AP 0.684) are with the 1280 channels on top.
EFFICIENTNET_B0_POSE = _entry(ANCESTOR, _SEARCHED, published={}, tables="table 3.1 (the common ancestor)")
