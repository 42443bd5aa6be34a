"""Results of whole bodies: in COCO-WholeBody's form, with the scores of the parts."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from posenas.contract.batches import Poses, View
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17, COCO_WHOLEBODY_133
from posenas.contract.samples import Sample
from posenas.contract.scores import Predictions
from posenas.data.crops import EvaluatedCrops, load_crops
from posenas.data.detected_poses import DetectionRules
from posenas.data.person_crop import PersonCrop
from posenas.prediction.frames import Frame
from posenas.prediction.image_files import ImageFiles
from posenas.prediction.output import OutputFolder
from posenas.runs.predictions_file import load_predictions, predictions_from, save_predictions
from posenas.standard.synthetic.dataset import SyntheticDataset

DATA = Path(os.environ.get("POSENAS_TEST_DATA", Path(__file__).parents[4] / "shared" / "data"))
REGIONS = COCO_WHOLEBODY_133.regions


def whole_bodies(count: int, *, parts: tuple[str, ...] = tuple(REGIONS)) -> Predictions:
    rng = np.random.default_rng(count)
    return Predictions(
        image_ids=np.arange(count),
        keypoints=rng.uniform(0, 300, (count, 133, 2)).round(3),
        keypoint_scores=rng.random((count, 133)).round(3),
        scores=rng.random(count),
        part_scores={name: rng.random(count) for name in parts},
    )


def equal(first: Predictions, second: Predictions) -> bool:
    return first.part_scores.keys() == second.part_scores.keys() and all(
        np.array_equal(one, other)
        for one, other in zip(
            (*list(vars(first).values())[:4], *first.part_scores.values()),
            (*list(vars(second).values())[:4], *second.part_scores.values()),
            strict=True,
        )
    )


@pytest.mark.parametrize("parts", [tuple(REGIONS), ("face",), ()])
def test_whole_bodies_come_back_with_the_scores_that_they_had(tmp_path: Path, parts: tuple[str, ...]) -> None:
    written = whole_bodies(5, parts=parts)
    save_predictions(tmp_path / "a.json", written, keypoints=COCO_WHOLEBODY_133)
    assert equal(load_predictions(tmp_path / "a.json", keypoints=133), written)


def test_each_part_of_a_whole_body_has_a_field(tmp_path: Path) -> None:
    written = whole_bodies(2)
    save_predictions(tmp_path / "a.json", written, keypoints=COCO_WHOLEBODY_133)
    row = json.loads((tmp_path / "a.json").read_text())[1]
    numbers = np.concatenate([written.keypoints[1], written.keypoint_scores[1, :, None]], axis=1)
    places = {
        "keypoints": slice(17),
        "foot_kpts": slice(17, 23),
        "face_kpts": slice(23, 91),
        "lefthand_kpts": slice(91, 112),
        "righthand_kpts": slice(112, 133),
    }
    for name, place in places.items():
        assert row[name] == numbers[place].ravel().tolist()
    assert row["score"] == row["foot_score"] == row["wholebody_score"] == written.scores[1]
    assert row["face_score"] == written.part_scores["face"][1]
    assert row["lefthand_score"] == written.part_scores["left_hand"][1]
    assert row["righthand_score"] == written.part_scores["right_hand"][1]


def test_predicted_frames_are_written_in_the_same_form(tmp_path: Path) -> None:
    found = whole_bodies(2).chosen(np.array([0]))
    frame = Frame(0, np.zeros((40, 30, 3), np.uint8), "a.png")
    source = ImageFiles(tmp_path, [tmp_path / "a.png"], [0], warn=print)
    with OutputFolder(tmp_path / "out", source, keypoints=COCO_WHOLEBODY_133) as folder:
        folder.write(frame, found, frame.pixels)
    (row,) = json.loads(folder.results.read_text())
    assert row["file_name"] == "a.png"
    assert len(row["lefthand_kpts"]) == 63
    assert equal(load_predictions(folder.results, keypoints=133), found)


def test_nobody_and_files_of_all_keypoints_in_one_list_are_read(tmp_path: Path) -> None:
    save_predictions(tmp_path / "a.json", whole_bodies(0), keypoints=COCO_WHOLEBODY_133)
    assert load_predictions(tmp_path / "a.json", keypoints=133).keypoints.shape == (0, 133, 2)
    other_names = replace(COCO_WHOLEBODY_133, names=tuple(map(str, range(133))))
    written = whole_bodies(3, parts=())
    save_predictions(tmp_path / "b.json", written, keypoints=other_names)
    assert len(json.loads((tmp_path / "b.json").read_text())[0]["keypoints"]) == 399
    assert equal(load_predictions(tmp_path / "b.json", keypoints=133), written)


def test_an_entry_without_a_parts_score_has_its_pose_score_there() -> None:
    parts = {"foot_kpts": [1] * 18, "face_kpts": [1] * 204, "lefthand_kpts": [1] * 63}
    entry = {"image_id": 1, "keypoints": [1] * 51, **parts, "righthand_kpts": [1] * 63}
    results = [{**entry, "score": 0.5, "face_score": 0.25}, {**entry, "score": 0.75}]
    found = predictions_from(json.dumps(results).encode(), Path("a.json"), keypoints=133)
    assert {name: scores.tolist() for name, scores in found.part_scores.items()} == {"face": [0.25, 0.75]}
    del results[1]["lefthand_kpts"]
    with pytest.raises(PosenasError, match=r"a\.json: not a COCO keypoint results file \('lefthand_kpts'\)"):
        predictions_from(json.dumps(results).encode(), Path("a.json"), keypoints=133)


def test_poses_without_regions_are_written_as_before(tmp_path: Path) -> None:
    poses = Predictions(np.array([4]), np.ones((1, 17, 2)), np.full((1, 17), 0.5), np.array([0.25]))
    save_predictions(tmp_path / "a.json", poses, keypoints=COCO_17)
    row = ", ".join(["1.0, 1.0, 0.5"] * 17)
    expected = f'[{{"image_id": 4, "category_id": 1, "keypoints": [{row}], "score": 0.25}}]'
    assert (tmp_path / "a.json").read_text() == expected


def loaded(crops: list[PersonCrop], samples: list[Sample], rules: DetectionRules | None) -> EvaluatedCrops:
    return load_crops(
        crops,
        samples,
        View("person", 64, 48),
        keypoints=COCO_WHOLEBODY_133,
        workers=0,
        on_unreadable=str,
        rules=rules,
    )


@pytest.mark.parametrize("detected", [False, True])
def test_a_parts_score_is_its_keypoints_mean_times_the_boxes(detected: bool) -> None:
    samples = list(SyntheticDataset(train_images=4, points=133, height=96, width=96).split("train"))
    boxes = [(20.0, 20.0, 40.0, 40.0)] * 2 + [(5.0, 5.0, 9.0, 9.0)]
    scores = (0.5, 0.9, 0.25)
    crops = [PersonCrop(0, box, np.zeros((133, 3)), score) for box, score in zip(boxes, scores, strict=True)]
    sigmas = COCO_WHOLEBODY_133.sigmas
    rules = DetectionRules(keypoint_threshold=0.2, oks_nms=0.9, sigmas=sigmas) if detected else None
    poses = Poses(
        torch.rand(1, 133, 2).expand(3, 133, 2) * 40, torch.rand(3, 133, generator=torch.Generator())
    )
    found = loaded(crops, samples, rules).locate([poses])
    stay = [1, 2] if detected else [0, 1, 2]  # the first box is the second one's, and less sure
    assert list(found.part_scores) == ["face", "left_hand", "right_hand"]
    for name, indices in REGIONS.items():
        expected = [
            sum(float(poses.keypoint_scores[row, index]) for index in indices) / len(indices) * scores[row]
            for row in stay
        ]
        assert found.part_scores[name] == pytest.approx(expected)
    assert len(found.scores) == len(stay)


def test_poses_of_sets_without_regions_have_no_scores_of_parts() -> None:
    (sample,) = SyntheticDataset(train_images=1).split("train")
    views = load_crops(
        [PersonCrop(0, (1.0, 1.0, 9.0, 9.0), np.ones((17, 3)))],
        [sample],
        View("person", 64, 48),
        keypoints=COCO_17,
        workers=0,
        on_unreadable=str,
    )
    assert views.locate([Poses(torch.ones(1, 17, 2), torch.ones(1, 17))]).part_scores == {}


def test_the_files_of_other_tools_are_read() -> None:
    path = DATA / "evaluator-examples" / "example_wholebody_preds.json"
    if not path.exists():
        pytest.skip(f"no {path}; set POSENAS_TEST_DATA to the folder of real data")
    found = load_predictions(path, keypoints=133)
    assert found.keypoints.shape == (26, 133, 2)
    rows = json.loads(path.read_text())
    assert found.keypoints[3, 91].tolist() == rows[3]["lefthand_kpts"][:2]
    assert found.keypoint_scores[3, 22] == rows[3]["foot_kpts"][17]
    assert found.part_scores == {}
