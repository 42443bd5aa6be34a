"""Options that datasets of files share, with their help and bounds; a dataset gives the defaults."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from annotated_types import Ge, Le, Lt

from posenas.data.held_out import Together

RootOption: TypeAlias = Annotated[str, "folder with the annotations and the images"]
AnnotationsOption: TypeAlias = Annotated[str, "annotation file below root; empty looks for the usual names"]
ImagesOption: TypeAlias = Annotated[str, "image folder below root; empty looks for the usual ones"]
ValShareOption: TypeAlias = Annotated[
    float, "share of train's images held out as val, for data without a val", Ge(0), Lt(1)
]
ValTogetherOption: TypeAlias = Annotated[
    Together, "what val_share never splits; a video's images differ in the last number of their names"
]
ValSeedOption: TypeAlias = Annotated[int, "chooses what val_share holds out", Ge(0)]
BoxMarginOption: TypeAlias = Annotated[
    float, "share of its size by which a box grows on each side", Ge(0), Le(1)
]
MaxPixelsOption: TypeAlias = Annotated[int, "images with more are refused before they are decoded", Ge(1)]
FollowLinksOption: TypeAlias = Annotated[bool, "whether images may be links to files outside root"]
