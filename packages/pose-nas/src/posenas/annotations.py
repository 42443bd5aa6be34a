"""What datasets of files are made of: where files lie, how they are read, and what is told about them."""

from posenas.contract.file_ids import numbered
from posenas.contract.finding import finding
from posenas.contract.keypoint_sets import parse_pairs, told_pairs
from posenas.data.coco.annotations import PeopleEntries, PeopleRule, ReadPeople
from posenas.data.coco.files import (
    SPLIT_WORDS,
    SPLITS,
    AnnotationFiles,
    FileOptions,
    annotation_files,
    check_split,
)
from posenas.data.coco.people import TURNED, has_negative_box, read_box, read_person, read_pose, with_margin
from posenas.data.coco.split import AnnotatedSplit, Reading, divide, image_size, read_split, reads_once
from posenas.data.coco.values import flag, quoted
from posenas.data.file_options import (
    AnnotationsOption,
    BoxMarginOption,
    FollowLinksOption,
    ImagesOption,
    MaxPixelsOption,
    RootOption,
    ValSeedOption,
    ValShareOption,
    ValTogetherOption,
)
from posenas.data.held_out import HeldOutOptions, Together, hold_out
from posenas.data.images.file_image import MOST_PIXELS, FileImage
from posenas.data.images.headers import image_size as encoded_size
from posenas.data.images.search import Located, files_below, locate, says
from posenas.data.images.upright import upright_size
from posenas.data.other_formats import first_other_format, other_format

__all__ = [
    "MOST_PIXELS",
    "SPLITS",
    "SPLIT_WORDS",
    "TURNED",
    "AnnotatedSplit",
    "AnnotationFiles",
    "AnnotationsOption",
    "BoxMarginOption",
    "FileImage",
    "FileOptions",
    "FollowLinksOption",
    "HeldOutOptions",
    "ImagesOption",
    "Located",
    "MaxPixelsOption",
    "PeopleEntries",
    "PeopleRule",
    "ReadPeople",
    "Reading",
    "RootOption",
    "Together",
    "ValSeedOption",
    "ValShareOption",
    "ValTogetherOption",
    "annotation_files",
    "check_split",
    "divide",
    "encoded_size",
    "files_below",
    "finding",
    "first_other_format",
    "flag",
    "has_negative_box",
    "hold_out",
    "image_size",
    "locate",
    "numbered",
    "other_format",
    "parse_pairs",
    "quoted",
    "read_box",
    "read_person",
    "read_pose",
    "read_split",
    "reads_once",
    "says",
    "told_pairs",
    "upright_size",
    "with_margin",
]
