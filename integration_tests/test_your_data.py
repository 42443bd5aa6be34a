"""The table of tools in docs/your-data.md: each row is run on files that the tool, or one like it, wrote."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from exported import EXPORTS, LACKING, are_there, draw, truth
from posenas.composing.building import make
from posenas.contract.components import Dataset
from posenas.contract.keypoint_sets import COCO_17
from posenas.contract.scores import Predictions
from posenas.data.checking.findings import find
from posenas.prediction.frames import Frame
from posenas.prediction.labelling import make_labels
from posenas.runs.recipe import merge, parse_assignment, recipe_from_tables

PAGE = (Path(__file__).parents[1] / "docs" / "your-data.md").read_text()
TABLE = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.partition("\n## ")[0].splitlines()
    if line.startswith("|")
]
ROWS = {tool: cells for tool, *cells in TABLE[2:]}
LABEL_STUDIO, LABELME = re.findall(r"^```python\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)
"""The page's scripts."""

pytestmark = pytest.mark.skipif(not are_there(), reason=LACKING)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw(tmp_path_factory.mktemp("pictures"))


Build = Callable[[Path, Path], object]


def laid(places: Mapping[str, str]) -> Build:
    """Copies exports and pictures to where the tool puts them: a source by its place in the folder."""

    def build(root: Path, pictures: Path) -> None:
        for place, source in places.items():
            found = EXPORTS / source if (EXPORTS / source).exists() else pictures / source
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            if found.is_dir():
                shutil.copytree(found, root / place)
            else:
                shutil.copy(found, root / place)

    return build


def roboflow_yolo(root: Path, pictures: Path) -> None:
    text = (EXPORTS / "ultralytics" / "data.yaml").read_text()
    for split, folder in (("train", "train"), ("val", "valid")):
        shutil.copytree(pictures / split, root / folder / "images")
        shutil.copytree(EXPORTS / "ultralytics" / "labels" / split, root / folder / "labels")
        text = re.sub(rf"^{split}:.*$", f"{split}: ../{folder}/images", text, flags=re.MULTILINE)
    (root / "data.yaml").write_text(re.sub(r"^path:.*\n", "", text, flags=re.MULTILINE))


def labelled(split: str) -> Iterator[tuple[str, dict[str, list[float]]]]:
    """The name of each picture, and the labelled places by keypoint."""
    for number, pose in truth(split).items():
        yield (
            f"{number:06}.jpg",
            {name: [x, y] for name, (x, y, seen) in zip(COCO_17.names, pose.tolist(), strict=True) if seen},
        )


def deeplabcut(root: Path, pictures: Path) -> None:
    place = root / "labeled-data" / "walk"
    shutil.copytree(pictures / "train", place)
    with (place / "CollectedData_Ann.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        for word, values in (("scorer", ["Ann"] * 17), ("bodyparts", COCO_17.names), ("coords", None)):
            cells = [each for value in values for each in (value, value)] if values else ["x", "y"] * 17
            rows.writerow([word, "", "", *cells])
        for name, points in labelled("train"):
            places = (points.get(each, ["", ""]) for each in COCO_17.names)
            rows.writerow(["labeled-data", "walk", name, *(value for place in places for value in place)])


def sleap(root: Path, pictures: Path) -> None:
    import sleap_io

    labels = sleap_io.load_file(
        str(EXPORTS / "sleap_io" / "coco" / "train.json"), format="coco", dataset_root=str(pictures / "train")
    )
    labels.save(str(root / "labels.pkg.slp"), embed="user", verbose=False)


def labelme(root: Path, pictures: Path) -> None:
    """Lays pictures and labelme's files, and runs the page's script there: it is the working directory."""
    shutil.copytree(pictures / "train", root, dirs_exist_ok=True)
    for name, points in labelled("train"):
        shapes = [
            {"label": label, "points": [place], "group_id": None, "shape_type": "point", "flags": {}}
            for label, place in points.items()
        ]
        content = {"version": "7.9.1", "flags": {}, "shapes": shapes, "imagePath": name, "imageData": None}
        size = {"imageHeight": 200, "imageWidth": 160}
        (root / name).with_suffix(".json").write_text(json.dumps({**content, **size}))
    exec(re.sub(r"^NAMES = .*$", f"NAMES = {list(COCO_17.names)}", LABELME, flags=re.MULTILINE), {})


SPLITS = {"images/Train": "train", "images/Validation": "val"}
FOLDERS: Mapping[str, Build] = {
    "COCO": laid(
        {
            "annotations/person_keypoints_train2017.json": "source/train.json",
            "annotations/person_keypoints_val2017.json": "source/val.json",
            "train2017": "train",
            "val2017": "val",
        }
    ),
    "CVAT": laid({"annotations": "cvat_datumaro/names_1_to_12", "images/default": "numbered"}),
    "CVAT, several labels": laid(
        {
            "train": "cvat_datumaro/second_label/train",
            "val": "cvat_datumaro/second_label/val",
            "train/images/default": "train",
            "val/images/default": "val",
        }
    ),
    "CVAT, points called 1 to 17": laid(
        {"annotations": "cvat_datumaro/numbered_subsets/annotations", **SPLITS}
    ),
    "Label Studio, COCO": laid({"result.json": "label_studio/coco_train/result.json", "images": "train"}),
    "Label Studio, YOLO": laid({"labels": "label_studio/yolo_train", "images": "train"}),
    "FiftyOne": laid(
        {
            "train/labels.json": "fiftyone/default_train/labels.json",
            "val/labels.json": "fiftyone/default_val/labels.json",
            "train/data": "train",
            "val/data": "val",
        }
    ),
    "ultralytics": laid(
        {
            "data.yaml": "ultralytics/data.yaml",
            "labels": "ultralytics/labels",
            "images/train": "train",
            "images/val": "val",
        }
    ),
    "Roboflow, COCO": laid(
        {
            "train": "train",
            "valid": "val",
            "train/_annotations.coco.json": "source/train.json",
            "valid/_annotations.coco.json": "source/val.json",
        }
    ),
    "Roboflow, YOLO": roboflow_yolo,
    "SLEAP": sleap,
    "SLEAP, COCO": laid(
        {
            "train.json": "sleap_io/coco/train.json",
            "val.json": "sleap_io/coco/val.json",
            "train": "train",
            "val": "val",
        }
    ),
    "DeepLabCut": deeplabcut,
    "labelme": labelme,
}
TOLERANCES = {"Label Studio, COCO": 0.51, "FiftyOne": 1.0}
"""Pixels by which an export's places differ from what was labelled; elsewhere a hundredth."""


def opened(command: str, folder: Path) -> Dataset:
    """The dataset that a command of the table opens."""
    posenas, data, check, name, *words = shlex.split(command.strip("`").replace("FOLDER", str(folder)))
    assert (posenas, data, check, words[::2]) == ("posenas", "data", "check", ["-o"] * (len(words) // 2))
    assignments = [parse_assignment(each) for each in words[1::2]]
    return make("dataset", recipe_from_tables(merge({}, assignments, flags={"dataset": name})).dataset)


def test_every_row_is_run() -> None:
    assert [*ROWS] == [*FOLDERS]
    assert TABLE[0] == ["tool", "what to export", "what reads it", "how poses go back"]


@pytest.mark.parametrize(
    "tool", [pytest.param(tool, marks=pytest.mark.slow if tool == "SLEAP" else ()) for tool in FOLDERS]
)
def test_the_row_reads_what_was_labelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pictures: Path, tool: str
) -> None:
    monkeypatch.chdir(tmp_path)
    FOLDERS[tool](tmp_path, pictures)
    dataset = opened(ROWS[tool][1], tmp_path)
    samples = {split: dataset.split(split) for split in ("train", "val")}
    divided = "val_share" in ROWS[tool][1]
    assert {split: len(each) for split, each in samples.items()} == (
        {"train": 9, "val": 3} if divided else {"train": 12, "val": 6}
    )
    order = [dataset.keypoints().names.index(name) for name in COCO_17.names]
    poses = truth("train") | truth("val")
    for sample in (*samples["train"], *samples["val"]):
        pose = poses[int(re.findall(r"\d+", str(sample.source) or str(sample.file_id))[-1])]
        (person,) = sample.people
        keypoints, seen = person.keypoints[order], pose[:, 2] > 0
        assert (keypoints[:, 2] > 0).tolist() == seen.tolist()
        assert np.abs(keypoints - pose)[seen, :2].max() <= TOLERANCES.get(tool, 0.01)
        assert sample.source.read().shape == (200, 160, 3)
    assert not [str(each) for each in find(dataset) if "eyes farther apart" in str(each)]


def test_label_studio_gets_names_places_and_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    labels = make_labels(Path("labels.json"), "coco", keypoints=COCO_17, threshold=0)
    poses = np.random.default_rng(0).uniform(0, 200, (3, 17, 2)).round(3)
    poses[1, 4] = np.nan
    for number, (name, places) in enumerate(
        {"a.jpg": poses[:2], "b.jpg": poses[2:], "c.jpg": poses[:0]}.items()
    ):
        scores = np.array([0.75, 0.5, 1][: len(places)])
        found = Predictions(np.full(len(places), number), places, np.ones(places.shape[:2]), scores)
        labels.add(Frame(number, np.zeros((200, 400, 3), np.uint8), name), found)
    labels.close()
    exec(LABEL_STUDIO, {})
    config = ElementTree.parse("config.xml")
    (named,) = config.iter("KeyPointLabels")
    assert [each.attrib["value"] for each in named] == list(COCO_17.names)
    tasks = json.loads(Path("tasks.json").read_text())
    assert [task["data"]["image"].rpartition("/")[2] for task in tasks] == ["a.jpg", "b.jpg", "c.jpg"]
    assert [[each["score"] for each in task["predictions"]] for task in tasks] == [[0.5], [0.75], []]
    regions = [region for task in tasks for each in task["predictions"] for region in each["result"]]
    people = {region["id"]: region for region in regions if region["type"] == "rectanglelabels"}
    assert [each["score"] for each in people.values()] == [0.75, 0.5, 0.75]
    for pose, (person, box) in zip(poses, people.items(), strict=True):
        points = [region["value"] for region in regions if region.get("parentID") == person]
        seen = np.isfinite(pose[:, 0])
        assert [each["keypointlabels"] for each in points] == [
            [name] for name in np.array(COCO_17.names)[seen]
        ]
        np.testing.assert_allclose([(each["x"] * 4, each["y"] * 2) for each in points], pose[seen])
        corner = box["value"]["x"] * 4, box["value"]["y"] * 2
        assert corner == pytest.approx(tuple(np.nanmin(pose, axis=0)))


def test_the_commands_that_write_poses_are_those_of_the_command_line() -> None:
    from posenas.cli.predict_command import predict

    commands = re.findall(r"^\$ posenas predict (.*)$", PAGE, flags=re.MULTILINE)
    assert len(commands) == 3
    for command in commands:
        predict.make_context("predict", shlex.split(command))
