"""Files of known other formats, named wherever annotations or boxes are expected."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from posenas.contract.errors import PosenasError
from posenas.data.coco.dataset import CocoDataset
from posenas.data.detections import read_detections
from posenas.data.other_formats import first_other_format, other_format
from posenas.prediction.annotated_images import read_annotated_images
from posenas.standard.yolo.dataset import YoloDataset

HDF5 = b"\x89HDF\r\n\x1a\n" + bytes(100)
LABEL = "0 0.5 0.5 0.25 1 0.1 0.2 2 1e-05 -0.3 0\n"
LABELME = {"version": "7.9.1", "flags": {}, "shapes": [], "imagePath": "a.jpg", "imageData": None}
TASK = {"id": 1, "annotations": [{"id": 1, "result": []}], "data": {"img": "/data/upload/1/a.jpg"}}
SHORT = {"img": "/data/upload/1/a.jpg", "id": 1, "annotator": 1, "annotation_id": 1, "kp": []}
COCO = {"images": [], "categories": [], "annotations": []}
OTHERS: Mapping[str, tuple[str, bytes | str | Any, str]] = {
    "CVAT": (
        "annotations.xml",
        '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n',
        "CVAT's XML; export 'COCO Keypoints 1.0' instead",
    ),
    "Pascal VOC": (
        "a.xml",
        "<annotation>\n  <folder/>",
        "Pascal VOC's XML, which has boxes and no keypoints; export COCO keypoints",
    ),
    "XML": (
        "a.xml",
        "<?xml version='1.0'?>\n<svg>",
        "XML; export COCO keypoints from the tool that wrote it",
    ),
    "labelme": (
        "a.json",
        LABELME,
        "labelme's JSON; docs/your-data.md has a script that makes COCO keypoints of it",
    ),
    "Label Studio": ("result.json", [TASK], "Label Studio's own JSON; export 'COCO' instead"),
    "Label Studio, JSON-MIN": ("result.json", [SHORT], "Label Studio's own JSON; export 'COCO' instead"),
    "Datumaro": ("a.json", {"info": {}, "categories": {}, "items": []}, "Datumaro's own JSON; export 'COCO "),
    "FiftyOne": ("samples.json", {"samples": []}, "FiftyOne's own JSON; export COCODetectionDataset instead"),
    "SLEAP": (
        "a.slp",
        HDF5 + b"videos_json",
        "SLEAP's labels; dataset sleap reads it (pip install pose-nas[sl",
    ),
    "DeepLabCut, HDF5": (
        "CollectedData_me.h5",
        HDF5,
        "HDF5, as DeepLabCut writes it beside its CSV; dataset sleap reads the CSV",
    ),
    "DeepLabCut, CSV": (
        "CollectedData_me.csv",
        "scorer,,,me,me\nbodyparts,,,nose,nose\ncoords,,,x,y\n",
        "DeepLabCut's CSV; dataset sleap reads it (pip install pose-nas[sleap])",
    ),
    "CSV": ("a.csv", "\ufefffile;x;y\na.jpg;1;2\n", "a CSV table; export COCO keypoints from the tool"),
    "Parquet": ("a.parquet", b"PAR1\x15\x04", "a Parquet table; export COCO keypoints from the tool"),
    "zip": ("export.zip", b"PK\x03\x04\x14\x00", "a zip archive; unpack it and give the folder"),
    "gzip": ("export.zip", b"\x1f\x8b\x08", "a gzip archive; unpack it and give the folder"),
    "text labels": ("a.txt", LABEL, "a text file of ultralytics' labels; dataset yolo reads its folder"),
    "data.yaml": (
        "data.yaml",
        "# a comment\ntrain: images\nkpt_shape: [17, 3]\nnames: [person]\n",
        "ultralytics' data.yaml; dataset yolo reads its folder",
    ),
}
READERS: Mapping[str, Callable[[Path], object]] = {
    "a folder": lambda path: CocoDataset(root=str(path.parent)).split("train"),
    "one file of a folder": lambda path: CocoDataset(root=str(path.parent), val_share=0.2).split("train"),
    "dataset.train": lambda path: CocoDataset(root=str(path.parent), train=path.name).split("train"),
    "dataset.root": lambda path: CocoDataset(root=str(path)).split("train"),
    "a detector's boxes": lambda path: read_detections(path, image=lambda row: row["image_id"]),
    "--ids-of": read_annotated_images,
}
READ_BY_YOLO = ("text labels", "data.yaml")


def write(folder: Path, other: str) -> Path:
    name, content, _ = OTHERS[other]
    if not isinstance(content, bytes):
        content = (content if isinstance(content, str) else json.dumps(content)).encode()
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("reader", READERS)
def test_is_named_with_what_to_do(tmp_path: Path, other: str, reader: str) -> None:
    path = write(tmp_path, other)
    with pytest.raises(PosenasError) as caught:
        READERS[reader](path)
    assert OTHERS[other][2] in str(caught.value)
    assert str(path.name) in str(caught.value)
    assert "set dataset." not in str(caught.value)


@pytest.mark.parametrize("other", [*(each for each in OTHERS if each not in READ_BY_YOLO), "COCO"])
def test_is_named_where_ultralytics_files_are_expected(tmp_path: Path, other: str) -> None:
    if other == "COCO":
        (tmp_path / "a.json").write_text(json.dumps(COCO))
        says, root = "a.json is COCO's JSON; dataset coco reads its folder", tmp_path
    else:
        says, root = OTHERS[other][2], write(tmp_path, other).parent
    with pytest.raises(PosenasError) as caught:
        YoloDataset(root=str(root)).split("train")
    assert says in str(caught.value)


def test_data_yaml_of_another_format_is_named(tmp_path: Path) -> None:
    for name, content, says in (
        ("a.xml", OTHERS["CVAT"][1], "a.xml: this is CVAT's XML"),
        ("coco.yaml", json.dumps(COCO), "coco.yaml: this is COCO's JSON; dataset coco reads its folder"),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(PosenasError, match=says):
            YoloDataset(root=str(tmp_path), description=name).split("train")


def test_coco_beside_other_files_is_read_or_missed_as_before(tmp_path: Path) -> None:
    for other in ("CSV", "zip", "labelme"):
        write(tmp_path, other)
    (tmp_path / "train.json").write_text(json.dumps(COCO))
    assert other_format(tmp_path / "train.json", dataset="coco") is None
    with pytest.raises(PosenasError) as caught:
        CocoDataset(root=str(tmp_path)).split("val")
    assert "dataset.val_share=0.2 holds out a part of train" in str(caught.value)


@pytest.mark.parametrize(
    "content", ["words", "", "1, 2", '{"images": 1, 2, 3}', "[1, 2, 3", "names", "a\nb\n"]
)
def test_what_is_unknown_is_not_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.txt").write_text(content)
    (tmp_path / "a.json").write_text(content)
    assert first_other_format(tmp_path, ["a.txt", "a.json", "missing.csv"], dataset="coco") is None


@pytest.mark.parametrize(
    "start", ["0 0 0 0 0 " + "0" * 20_000, "," * 20_000, "<?xml " + " " * 20_000, "\n" * 20_000]
)
def test_long_beginnings_are_read_at_once(tmp_path: Path, start: str) -> None:
    (tmp_path / "a.txt").write_text(start + "{x")
    other_format(tmp_path / "a.txt", dataset="coco")  # a pattern that tries every division would take minutes


def test_a_list_of_results_does_not_hide_another_format(tmp_path: Path) -> None:
    write(tmp_path, "data.yaml")
    (tmp_path / "predictions.json").write_text(json.dumps([{"image_id": 1, "keypoints": [1, 2, 2]}]))
    with pytest.raises(PosenasError, match=r"data\.yaml is ultralytics' data\.yaml; dataset yolo"):
        CocoDataset(root=str(tmp_path)).split("val")
