"""Poses in images and videos with the networks of finished runs, as a user finds them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from head_kapao.space import YoloSpace
from nas_ofa_elastic.space import ElasticSpace
from numpy.typing import NDArray
from posenas.cli import main
from posenas.contract.samples import Sample
from posenas.contract.scores import Predictions
from posenas.data.person_crop import person_crops
from posenas.data.whole_images import EvaluatedImages
from posenas.learning.inference import predict
from posenas.prediction.display import FrameLines
from posenas.prediction.frames import Frame
from posenas.prediction.image_files import ImageFiles
from posenas.prediction.predictors import make_predictor
from posenas.prediction.trained import load_trained
from posenas.standard.synthetic.dataset import SyntheticDataset
from posenas.standard.yolo.dataset import YoloDataset
from running import SMALL, Answer

Posenas = Callable[..., Answer]

DATA = Path(os.environ.get("POSENAS_TEST_DATA", Path(__file__).parents[2] / "shared" / "data"))
# FFmpeg hears of it before its first use alone, and tests write videos before posenas reads any.
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
VTEST = DATA / "video" / "vtest.avi"
VAL = SyntheticDataset(train_images=24, val_images=8).split("val")
SPACES = {"heatmap": ElasticSpace(), "kapao": YoloSpace()}
HEADS = tuple(SPACES)
# Of whole images so little is learnt in a few seconds that every pose has to pass.
TRAINED = {
    "heatmap": ("--space", "ofa", "--epochs", "1"),
    "kapao": (
        *("--space", "yolo", "--epochs", "3", "-o", "training.learning_rate=0.01"),
        *("-o", "head.input_size=128,128", "-o", "augmentation.mosaic=0"),
        *("-o", "head.pose_threshold=0", "-o", "head.limit=20"),
    ),
}
IDS = ("--ids-of", "ids.json")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Finished runs by their heads."""
    folder = tmp_path_factory.mktemp("trained")
    paths = {}
    for head, space in SPACES.items():
        genotype, paths[head] = folder / f"{head}.json", folder / head
        genotype.write_text(json.dumps(space.smallest()))
        flags = (*SMALL, *TRAINED[head], "--head", head, "--run", str(paths[head]))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["posenas", "train", str(genotype), *flags])
            main()
    return paths


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The synthetic validation images, called by their ids, and ids.json that tells them."""
    folder = tmp_path / "images"
    folder.mkdir()
    entries = [{"id": sample.id, "file_name": f"{sample.id:04}.png"} for sample in VAL]
    (tmp_path / "ids.json").write_text(json.dumps({"images": entries}))
    for sample in VAL:
        cv2.imwrite(
            str(folder / f"{sample.id:04}.png"), cv2.cvtColor(sample.source.read(), cv2.COLOR_RGB2BGR)
        )
    return folder


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Eight frames, the synthetic validation images."""
    path = tmp_path / "people.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 5.0, (320, 240))
    for sample in VAL:
        writer.write(cv2.cvtColor(sample.source.read(), cv2.COLOR_RGB2BGR))
    writer.release()
    return path


def rows(path: str | Path) -> list[dict[str, Any]]:
    read: list[dict[str, Any]] = json.loads(Path(path).read_text())
    return read


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def frames_of(video: Path) -> int:
    capture = cv2.VideoCapture(str(video))
    count = 0
    while capture.read()[0]:
        count += 1
    return count


def write_boxes(path: Path) -> Path:
    """The annotated ones, in the order in which evaluation looks at them."""
    boxes = [
        {"file_name": f"{VAL[crop.sample].id:04}.png", "category_id": 1, "bbox": crop.box, "score": 1.0}
        for crop in person_crops(VAL)
    ]
    path.write_text(json.dumps(boxes))
    return path


@pytest.mark.parametrize("head", HEADS)
def test_poses_are_those_that_were_scored(
    posenas: Posenas, runs: Mapping[str, Path], images: Path, tmp_path: Path, head: str
) -> None:
    """The run's boxes are annotated ones, where every keypoint makes up the score and every pose stays."""
    as_annotated = ("-o", "evaluation.keypoint_threshold=0", "-o", "evaluation.oks_nms=1")
    boxes = ("--boxes", write_boxes(tmp_path / "boxes.json"), *as_annotated) if head == "heatmap" else ()
    flags = (*IDS, *boxes, "--batch-size", "8", "--output", "out", "--json")
    answer = posenas("predict", runs[head], images, *flags)
    assert answer.status == 0, answer.err
    told = answer.last_json
    trial = json.loads((runs[head] / "best" / "trial.json").read_text())
    scored = rows(runs[head] / "predictions" / trial["predictions"])
    found = rows("out/predictions.json")
    assert told["poses"] == len(found) == len(scored) > 0
    assert told["results"] == "out/predictions.json"
    for row, other in zip(found, scored, strict=True):
        assert row["image_id"] == other["image_id"]
        assert row["file_name"] == f"{row['image_id']:04}.png"
        assert row["keypoints"] == pytest.approx(other["keypoints"], abs=0.01)
        assert row["score"] == pytest.approx(other["score"], abs=1e-5)
    assert names_in(Path("out/drawn")) == names_in(images)


def test_images_are_numbered_as_their_annotations_and_become_annotations(
    posenas: Posenas, runs: Mapping[str, Path], images: Path, tmp_path: Path
) -> None:
    """As CVAT numbers 1.jpg, 10.jpg, 2.jpg, ...: in the order of the names, not by the numbers in them."""
    names = sorted(f"{number}.png" for number in range(6, 6 + len(VAL)))
    for file, number in zip(sorted(images.iterdir()), range(6, 6 + len(VAL)), strict=True):
        file.rename(images / f"{number}.png")
    ids = {name: number for number, name in enumerate(names, 1)}
    category = {"id": 1, "name": "figure", "supercategory": "toy"}
    entries = [{"id": 100 + ids[name], "file_name": f"somewhere/{name}"} for name in names]
    (tmp_path / "task.json").write_text(json.dumps({"images": entries, "categories": [category]}))
    answer = posenas("predict", runs["kapao"], images, "--output", "plain")
    assert f"image_id: 1 to {len(VAL)}, in the order of the files' names; --ids-of FILE takes" in answer.out
    plain = rows("plain/predictions.json")
    assert {(row["image_id"], row["file_name"]) for row in plain} == {(ids[name], name) for name in names}
    flags = ("--ids-of", "task.json", "--annotations", "labels.json", "--threshold")
    answer = posenas("predict", runs["kapao"], images, "--output", "as", *flags, "0")
    assert answer.status == 0, answer.err
    assert "image_id: as in task.json" in answer.out
    assert "annotations: labels.json" in answer.out
    given = rows("as/predictions.json")
    assert [row["image_id"] for row in given] == [100 + row["image_id"] for row in plain]
    labels = json.loads(Path("labels.json").read_text())
    assert [(each["id"], each["file_name"]) for each in labels["images"]] == [
        (100 + number, name) for name, number in ids.items()
    ]
    assert [each["score"] for each in labels["annotations"]] == [row["score"] for row in given]
    assert (labels["categories"][0]["name"], labels["categories"][0]["supercategory"]) == ("figure", "toy")
    again = posenas("predict", runs["kapao"], images, "--output", "again", *flags, "0")
    assert again.err == "posenas: labels.json: exists; choose another --annotations\n"
    Path("labels.json").unlink()
    high = posenas("predict", runs["kapao"], images, "--output", "high", *flags, "2")
    assert json.loads(Path("labels.json").read_text())["annotations"] == []
    assert f"{len(given)} poses are not in the annotations: they score below 2" in high.out


def test_images_become_ultralytics_labels_which_the_dataset_reads(
    posenas: Posenas, runs: Mapping[str, Path], images: Path
) -> None:
    flags = ("--annotations", "labels", "--format", "yolo", "--threshold", "0", "--json")
    answer = posenas("predict", runs["kapao"], images, "--output", "out", *flags)
    assert answer.status == 0, answer.err
    assert answer.last_json["annotations"] == "labels"
    assert "the pictures belong into labels/images; scores are in labels/scores.csv" in answer.err
    images.rename("labels/images")
    people = [each for sample in YoloDataset(root="labels").split("train") for each in sample.people]
    found = rows("out/predictions.json")
    places = [np.reshape(row["keypoints"], (-1, 3))[:, :2] for row in found]
    inside = [((each >= 0) & (each <= (320, 240))).all(axis=1) for each in places]
    kept = [number for number, each in enumerate(inside) if each.any()]
    assert f"{len(found) - len(kept)} poses are not in the annotations: none of their keypoints" in answer.err
    scores = Path("labels/scores.csv").read_text().splitlines()[1:]
    assert [float(line.rpartition(",")[2]) for line in scores] == [found[number]["score"] for number in kept]
    assert len(people) == len(kept) > 0
    for person, number in zip(people, kept, strict=True):
        assert (person.keypoints[:, 2] > 0).tolist() == inside[number].tolist()
        assert np.abs(person.keypoints[:, :2] - places[number])[inside[number]].max() < 1e-6
    alone = posenas("predict", runs["kapao"], "labels/images", "--output", "again", "--format", "yolo")
    assert alone.err == "posenas: --format yolo is of --annotations; add --annotations FOLDER\n"


@pytest.mark.parametrize("head", HEADS)
def test_a_video_becomes_a_drawn_video(
    posenas: Posenas, runs: Mapping[str, Path], video: Path, head: str
) -> None:
    answer = posenas("predict", runs[head], video, "--threshold", "0", "--json")
    assert answer.status == 0, answer.err
    told = answer.last_json
    assert told["results"] == "predictions/people-1/predictions.json"
    assert told["frames"] == frames_of(Path(told["drawn"])) == len(VAL)
    found = rows(told["results"])
    assert {row["image_id"] for row in found} == set(range(len(VAL)))
    assert told["drawn_poses"] == told["poses"] == len(found)
    stages = ["reading", "preparing", "forward", "decoding", "drawing", "writing"]
    if head == "kapao":
        stages[4:4] = ["suppression", "fusion"]
    assert list(told["milliseconds"]) == stages
    assert min(told["milliseconds"].values()) > 0
    total = sum(told["milliseconds"].values()) / 1000
    assert total <= 1 / told["frames_per_second"] * 1.001
    assert all(stage in answer.err for stage in stages)
    drawn, plain = (cv2.VideoCapture(str(path)).read()[1] for path in (told["drawn"], video))
    assert np.abs(drawn.astype(int) - plain).max() > 100
    again = posenas("predict", runs[head], video, "--frames", "2", "--json").last_json
    assert (again["results"], again["frames"]) == ("predictions/people-2/predictions.json", 2)
    assert rows(again["results"]) == [row for row in found if row["image_id"] < 2]


@pytest.mark.parametrize("head", HEADS)
def test_batches_change_nothing(posenas: Posenas, runs: Mapping[str, Path], images: Path, head: str) -> None:
    cv2.imwrite(str(images / "0100.png"), np.full((50, 300, 3), 90, np.uint8))  # of another shape
    results = []
    for size in ("1", "4"):
        answer = posenas("predict", runs[head], images, "--batch-size", size, "--output", size)
        assert answer.status == 0, answer.err
        assert "milliseconds per frame" in answer.out
        results.append(rows(f"{size}/predictions.json"))
    alone, together = (
        {row["image_id"]: row for row in reversed(each)} for each in results
    )  # each one's best
    assert list(alone) == list(together)
    for image in range(1, len(VAL) + 2):
        assert alone[image]["score"] == pytest.approx(together[image]["score"], rel=1e-3)
        assert alone[image]["keypoints"] == pytest.approx(together[image]["keypoints"], abs=0.1)


@dataclass(frozen=True)
class Memory:
    """An image that needs no file."""

    pixels: NDArray[np.uint8]

    def read(self) -> NDArray[np.uint8]:
        return self.pixels

    def __str__(self) -> str:
        return "memory"


def samples_of_many_shapes() -> list[Sample]:
    """The synthetic validation images, cut to sizes of their own."""
    rng = np.random.default_rng(0)
    cut = []
    for number, sample in enumerate([*VAL, *VAL]):
        width, height = rng.integers(80, (320, 240)).tolist()
        pixels = np.ascontiguousarray(sample.source.read()[:height, :width])
        cut.append(Sample(number, Memory(pixels), width, height, ()))
    return cut


def best_by_image(predictions: Predictions) -> dict[int, tuple[float, NDArray[np.float64]]]:
    """The score of each image's best pose, and its keypoints."""
    return {
        image: (max(predictions.scores[own]), predictions.keypoints[own][predictions.scores[own].argmax()])
        for image in sorted(set(predictions.image_ids.tolist()))
        for own in [predictions.image_ids == image]
    }


def test_evaluations_batch_size_changes_nothing(runs: Mapping[str, Path]) -> None:
    trained = load_trained(runs["kapao"], assignments=(), flags={})
    samples = samples_of_many_shapes()
    predictor = make_predictor(trained, ImageFiles(Path(), [], [], warn=print), boxes=None, warn=print)
    alone = {
        image: best
        for sample in samples
        for found in predictor([Frame(sample.id, sample.source.read())])
        for image, best in best_by_image(found).items()
    }
    assert len(alone) == len(samples)
    for size in (1, 2, 8, 64):
        views = EvaluatedImages(
            samples, trained.view, trained.keypoints, rectangular=True, workers=0, on_unreadable=str
        )
        settings = replace(trained.settings, batch_size=size)
        found = best_by_image(predict(trained.network, views, settings=settings, device=trained.device))
        assert list(found) == list(alone)
        for image, (score, keypoints) in found.items():
            assert score == pytest.approx(alone[image][0], rel=1e-3)
            np.testing.assert_allclose(keypoints, alone[image][1], atol=0.1)


@pytest.mark.parametrize("head", HEADS)
def test_one_pixel(posenas: Posenas, runs: Mapping[str, Path], head: str) -> None:
    cv2.imwrite("dot.png", np.zeros((1, 1, 3), np.uint8))
    answer = posenas("predict", runs[head], "dot.png", "--output", "out", "--threshold", "0")
    assert answer.status == 0, answer.err
    assert cv2.imread("out/drawn/dot.png").shape == (1, 1, 3)
    assert np.isfinite([row["keypoints"] for row in rows("out/predictions.json")]).all()


def test_poses_in_a_detectors_boxes_are_those_that_were_scored(
    posenas: Posenas, images: Path, tmp_path: Path
) -> None:
    """By the papers' settings: their maps, their crop and their judgement of boxes, here each given twice."""
    boxes = [
        {"image_id": VAL[crop.sample].id, "category_id": 1, "bbox": crop.box, "score": score}
        for score in (0.9, 0.6)
        for crop in person_crops(VAL)
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    (tmp_path / "genotype.json").write_text(json.dumps(SPACES["heatmap"].smallest()))
    flags = (
        *(
            *SMALL,
            *TRAINED["heatmap"],
            "--head",
            "heatmap",
            "-o",
            "head.encoding=gaussian",
            "-o",
            "head.loss=mse",
        ),
        *("-o", "evaluation.boxes=boxes.json", "-o", "evaluation.keypoint_threshold=0.001", "--run", "run"),
    )
    assert posenas("train", "genotype.json", *flags).status == 0
    answer = posenas("predict", "run", images, *IDS, "--boxes", "boxes.json", "--output", "out")
    assert answer.status == 0, answer.err
    trial = json.loads(Path("run/best/trial.json").read_text())
    scored, found = rows(Path("run/predictions") / trial["predictions"]), rows("out/predictions.json")
    scored.sort(key=lambda row: row["image_id"])
    assert 0 < len(found) == len(scored) <= len(boxes) // 2
    for row, other in zip(found, scored, strict=True):
        assert row["image_id"] == other["image_id"]
        assert row["keypoints"] == pytest.approx(other["keypoints"], abs=0.01)
        assert row["score"] == pytest.approx(other["score"], abs=1e-5)
    assert max(row["score"] for row in found) > 0


def test_a_detectors_boxes_are_judged_as_evaluation_judges_them(
    posenas: Posenas, runs: Mapping[str, Path], images: Path, tmp_path: Path
) -> None:
    """A box that is given twice, and one almost like it, make one pose; another person's stays."""
    boxes = json.loads(write_boxes(tmp_path / "boxes.json").read_text())[:2]
    x, y, width, height = boxes[0]["bbox"]
    near = [x + 0.25, y, width, height]
    again = [boxes[0] | {"score": 0.5}, boxes[0] | {"bbox": near, "score": 0.75}]
    (tmp_path / "boxes.json").write_text(json.dumps([*again, *boxes]))
    found = {}
    for name, options in {"all": ("-o", "evaluation.oks_nms=1"), "best": ()}.items():
        flags = ("--boxes", "boxes.json", *options, "-o", "evaluation.keypoint_threshold=0", "--output", name)
        answer = posenas("predict", runs["heatmap"], images, *flags)
        assert answer.status == 0, answer.err
        found[name] = rows(f"{name}/predictions.json")
    assert len(found["all"]) == 4
    assert found["best"] == found["all"][2:]


def test_a_frame_without_boxes_has_no_poses(
    posenas: Posenas, runs: Mapping[str, Path], images: Path, tmp_path: Path
) -> None:
    box = {"image_id": VAL[1].id, "category_id": 1, "bbox": [10, 10, 50, 90], "score": 0.8}
    (tmp_path / "boxes.json").write_text(json.dumps([box, box | {"score": 0.1}]))
    flags = ("--boxes", "boxes.json", "-o", "evaluation.box_threshold=0.5", "--threshold", "2")
    answer = posenas("predict", runs["heatmap"], images, *IDS, *flags, "--output", "out")
    assert [row["image_id"] for row in rows("out/predictions.json")] == [VAL[1].id]
    assert "no pose is drawn" in answer.err
    for sample in VAL:
        drawn = cv2.cvtColor(cv2.imread(f"out/drawn/{sample.id:04}.png"), cv2.COLOR_BGR2RGB)
        assert (drawn == sample.source.read()).all()


def test_boxes_that_cannot_be_used_are_told(
    posenas: Posenas, runs: Mapping[str, Path], images: Path, tmp_path: Path
) -> None:
    """And boxes far larger than their frame do no harm."""
    box = {"image_id": VAL[1].id, "category_id": 1, "bbox": [-5e8, -5e8, 1e9, 1e9], "score": 0.8}
    boxes = [box, box | {"bbox": [400, 0, 9, 9]}, box | {"image_id": 77}, box | {"bbox": [5, 5, 1e9, 1e300]}]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    flags = ("--boxes", "boxes.json", "--threshold", "0")
    answer = posenas("predict", runs["heatmap"], images, *flags, "--output", "out", "--json")
    assert answer.status == 0, answer.err
    assert answer.last_json["poses"] == 2
    warnings = [line for line in answer.err.splitlines() if "warning" in line]
    assert warnings == [
        f"warning: boxes.json: 1 of 4 boxes name none of the {len(VAL)} frames, such as 77; "
        "they are left out",
        "warning: boxes.json: 1 boxes lie beside their frames; they are left out",
    ]


def test_unreadable_images_are_named(posenas: Posenas, runs: Mapping[str, Path], images: Path) -> None:
    (images / "0001.png").write_text("words")
    answer = posenas("predict", runs["kapao"], images, "--output", "out", "--json")
    assert answer.status == 0
    assert answer.err.count("warning: ") == 1
    assert "0001.png: not an image" in answer.err
    assert answer.last_json["frames"] == len(VAL) - 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("kapao", "absent.jpg"), "absent.jpg: no such file or folder"),
        (("kapao", "empty"), "empty: no image lies directly in this folder"),
        (("kapao", "words.png"), "words.png: not an image, and no frame of a video"),
        (("kapao", "none.avi"), "none.avi: not an image, and no frame of a video"),
        (("kapao", "dot.png", "--boxes", "boxes.json"), "finds people by itself; leave the boxes out"),
        (("heatmap", "dot.png", "--boxes", "boxes.json"), "boxes.json: cannot be read"),
        (("heatmap", "dot.png", "--boxes", "words.png"), "words.png: "),
        (("heatmap", "dot.png", "--output", "full"), "full: exists and is not an empty folder"),
        (("heatmap", "dot.png", "--threshold", "nan"), "--threshold nan: not a number"),
        (("heatmap", "dot.png", "--device", "cuds"), "did you mean 'cuda'"),
        (("heatmap", "dot.png", "-o", "training.workers=0"), "predictions depend on options of the head"),
        (("heatmap", "dot.png", "-o", "evaluation.held_out=0"), "evaluation.box_threshold alone"),
        (("heatmap", "dot.png", "-o", "head.sigma=0"), "sigma"),
        (("heatmap", "dot.png", "--ids-of", "absent.json"), "absent.json: cannot be read"),
        (("heatmap", "dot.png", "--ids-of", "words.png"), "words.png: not JSON"),
        (("unfinished", "dot.png"), "this run has no result yet; `posenas resume"),
        (("missing", "dot.png"), "head 'gone'"),
        (("damaged", "dot.png"), "weights.safetensors: is damaged"),
        (("nowhere", "dot.png"), "no run here (no recipe.toml)"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    posenas: Posenas, runs: Mapping[str, Path], tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    for name in ("empty", "full"):
        (tmp_path / name).mkdir()
    for name in ("words.png", "full/mine.txt"):
        (tmp_path / name).write_text("words")
    cv2.imwrite("dot.png", np.zeros((1, 1, 3), np.uint8))
    cv2.VideoWriter("none.avi", cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (32, 32)).release()
    run = runs.get(arguments[0]) or broken(runs["kapao"], tmp_path / arguments[0])
    before = sorted(tmp_path.rglob("*"))
    answer = posenas("predict", run, *arguments[1:])
    assert answer.status == 2
    assert says in answer.err
    assert len(answer.err.splitlines()) == 1, answer.err
    assert answer.out == ""
    assert sorted(tmp_path.rglob("*")) == before


def broken(run: Path, path: Path) -> Path:
    """A copy of the run with what is called so."""
    if path.name == "nowhere":
        return path
    shutil.copytree(run, path)
    if path.name == "unfinished":
        (path / "best" / "genotype.json").unlink()
    if path.name == "missing":
        (path / "journal.jsonl").unlink()  # which knows the recipe
        recipe = (path / "recipe.toml").read_text()
        (path / "recipe.toml").write_text(recipe.replace('name = "kapao"', 'name = "gone"'))
    if path.name == "damaged":
        (path / "best" / "weights.safetensors").write_bytes(b"no tensors")
    return path


def test_a_video_that_ends_early_is_told(posenas: Posenas, runs: Mapping[str, Path], video: Path) -> None:
    content = video.read_bytes()
    video.write_bytes(content[: len(content) * 3 // 4])
    answer = posenas("predict", runs["kapao"], video, "--json")
    assert answer.status == 0
    frames = answer.last_json["frames"]
    assert 2 < frames < len(VAL)
    assert (
        f"warning: {video}: ends, or lacks frames: {frames} can be read, and its header tells of {len(VAL)};"
        in answer.err
    )


class InterruptedImport:
    """Ctrl-C while a module is looked for."""

    def __init__(self, module: str) -> None:
        self._module = module

    def find_spec(self, name: str, *_: object) -> None:
        if name == self._module:
            raise KeyboardInterrupt


@pytest.mark.parametrize("module", ["posenas.prediction.predictors", "posenas.prediction.display"])
def test_ctrl_c_while_modules_are_imported(
    posenas: Posenas, runs: Mapping[str, Path], video: Path, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr(sys, "meta_path", [InterruptedImport(module), *sys.meta_path])
    answer = posenas("predict", runs["kapao"], video, "--output", "out")
    assert answer.status == 2
    assert answer.err == "posenas: stopped before the first frame; nothing was written\n"
    assert not Path("out").exists()


def test_ctrl_c_leaves_whole_files_and_one_line(
    posenas: Posenas, runs: Mapping[str, Path], video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def advanced(self: FrameLines, done: int, total: int | None) -> None:  # noqa: ARG001
        if done == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(FrameLines, "advanced", advanced)
    answer = posenas("predict", runs["kapao"], video, "--output", "out")
    assert answer.status == 2
    assert answer.err == "posenas: stopped after 3 of 8 frames; out holds what was done\n"
    assert {row["image_id"] for row in rows("out/predictions.json")} == {0, 1, 2}
    assert frames_of(Path("out/drawn.avi")) == 3
    assert names_in(Path("out")) == ["drawn.avi", "predictions.json"]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.skipif(not VTEST.is_file(), reason="no video: POSENAS_TEST_DATA is not set")
def test_a_real_video(posenas: Posenas, runs: Mapping[str, Path], head: str) -> None:
    answer = posenas("predict", runs[head], VTEST, "--frames", "4", "--batch-size", "3", "--json")
    assert answer.status == 0, answer.err
    assert answer.err.count("warning") == 0
    assert answer.last_json["frames"] == frames_of(Path(answer.last_json["drawn"])) == 4
    assert cv2.VideoCapture(answer.last_json["drawn"]).get(cv2.CAP_PROP_FPS) == 10


CHANGED = {
    "heatmap": ("head.input_size=128,128", "head.sigma=2", "head.encoding=gaussian", "head.name=kapao"),
    "kapao": ("head.input_size=256,256", "head.keypoint_size=0.1", "head.box_gain=1", "space.size=s"),
}


@pytest.mark.parametrize("head", HEADS)
def test_what_the_weights_depend_on_is_refused_and_the_line_says_what_can_change(
    posenas: Posenas, runs: Mapping[str, Path], images: Path, head: str
) -> None:
    for assignment in CHANGED[head]:
        evaluated = posenas("evaluate", runs[head], "-o", assignment)
        predicted = posenas("predict", runs[head], images, "-o", assignment, "--output", "out")
        for answer in (evaluated, predicted) if assignment.startswith("head") else (evaluated,):
            (line,) = answer.err.splitlines()
            assert answer.status == 2
            assert assignment in line
            assert "was trained with" in line
            assert ("evaluation.scales" in line) == (head == "kapao")
            assert ("head.pose_threshold" in line) == (head == "kapao")
            assert "flip_test" in line


def test_what_they_do_not_depend_on_can_change(
    posenas: Posenas, runs: Mapping[str, Path], images: Path
) -> None:
    same = posenas("evaluate", runs["heatmap"], "-o", "head.input_size=64,64", "--json")
    assert same.status == 0, same.err
    free = ("evaluation.scales=2.0", "head.fusion=false", "head.pose_threshold=0", "head.limit=7")
    flags = [flag for assignment in free for flag in ("-o", assignment)]
    assert posenas("evaluate", runs["kapao"], *flags).status == 0
    assert posenas("predict", runs["kapao"], images, *flags, "--output", "out").status == 0
    assert (
        max(sum(row["image_id"] == image for row in rows("out/predictions.json")) for image in range(9)) <= 7
    )


def test_a_head_of_whole_images_tells_the_anchor_slots_that_are_shared(posenas: Posenas) -> None:
    crowd = ("--space", "yolo", "--head", "kapao", "--dry-run", "-o", "dataset.max_people=6")
    small = posenas("compose", *crowd, "-o", "dataset.train_images=24")
    assert small.status == 0, small.err
    assert "keypoint objects of 24 training images have no anchor slot of their own" in small.err
    large = posenas("compose", *crowd, "-o", "dataset.train_images=24", "-o", "head.input_size=1280,1280")
    assert "anchor slot" not in large.err
    assert "anchor slot" not in posenas("compose", "--dry-run").err
