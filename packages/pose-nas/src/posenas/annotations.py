"""Annotation files in COCO's format: where they lie, and how a dataset with fields of its own reads them."""

from posenas.data.coco.annotations import PeopleEntries, ReadPeople
from posenas.data.coco.files import SPLITS, AnnotationFiles, check_split
from posenas.data.coco.people import TURNED, has_negative_box, read_box, read_person, read_pose
from posenas.data.coco.split import AnnotatedSplit, Reading, image_size, read_split
from posenas.data.coco.values import flag, quoted
from posenas.data.held_out import Together, hold_out
from posenas.data.images.file_image import MOST_PIXELS

__all__ = [
    "MOST_PIXELS",
    "SPLITS",
    "TURNED",
    "AnnotatedSplit",
    "AnnotationFiles",
    "PeopleEntries",
    "ReadPeople",
    "Reading",
    "Together",
    "check_split",
    "flag",
    "has_negative_box",
    "hold_out",
    "image_size",
    "quoted",
    "read_box",
    "read_person",
    "read_pose",
    "read_split",
]
