"""The drawn dataset: the same people for the same seed, and keypoints where they are drawn."""

from __future__ import annotations

import pickle
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from posenas.contract.errors import PosenasError
from posenas.contract.keypoint_sets import COCO_17, COCO_WHOLEBODY_133
from posenas.contract.samples import Person, Sample
from posenas.standard.synthetic.body import Build, posed_body, rotation
from posenas.standard.synthetic.dataset import SyntheticDataset
from posenas.standard.synthetic.pose import JointAngles
from posenas.standard.synthetic.scene import scenes
from posenas.standard.synthetic.visibility import visibility
from posenas.standard.synthetic.world import World

SMALL = SyntheticDataset(train_images=40, val_images=8)
WORLD = World(seed=0, split=0, height=240, width=320, max_people=3)
NAMES = COCO_WHOLEBODY_133.names


def people(samples: list[Sample]) -> list[Person]:
    return [person for sample in samples for person in sample.people]


def every_person(dataset: SyntheticDataset) -> list[Person]:
    return people(list(dataset.split("train")))


def upright_body(**changed: np.ndarray) -> np.ndarray:
    """(133, 3) of somebody who stands at attention and faces the camera."""
    angles = JointAngles(trunk=np.zeros(8), arms=np.zeros((2, 8)), legs=np.zeros((2, 5)))
    build = Build(**dict.fromkeys(("arms", "legs", "shoulders", "hips", "head", "girth"), np.ones(())))
    return posed_body(replace(angles, **changed), build, np.eye(3)).keypoints


def index(name: str) -> int:
    return NAMES.index(name)


def test_contract() -> None:
    assert SMALL.splits() == ("train", "val")
    assert SMALL.keypoints() is COCO_17
    assert replace(SMALL, points=133).keypoints() is COCO_WHOLEBODY_133
    assert SMALL.instructions()
    train, val = SMALL.split("train"), SMALL.split("val")
    assert (len(train), len(val)) == (40, 8)
    assert [sample.id for sample in train] == list(range(40))
    assert str(train[3].source) == "synthetic/train/000003"
    identities = [person.id for person in every_person(SMALL)]
    assert len(identities) == len(set(identities))
    assert min(identities) > 0


def test_unknown_split_is_explained() -> None:
    with pytest.raises(PosenasError, match=r"no split 'trian'; did you mean 'train'\?"):
        SMALL.split("trian")


def test_pictures_are_rgb_of_the_stated_size() -> None:
    sample = SyntheticDataset(train_images=1, height=96, width=128).split("train")[0]
    pixels = sample.source.read()
    assert pixels.shape == (sample.height, sample.width, 3) == (96, 128, 3)
    assert pixels.dtype == np.uint8
    assert pixels.std() > 5.0


def test_another_process_draws_the_same_picture() -> None:
    source = SMALL.split("train")[5].source
    script = "import pickle, sys; sys.stdout.buffer.write(pickle.load(sys.stdin.buffer).read().tobytes())"
    ended = subprocess.run(
        [sys.executable, "-c", script],
        input=pickle.dumps(source),
        capture_output=True,
        check=True,
        timeout=60,
    )
    assert ended.stdout == source.read().tobytes()


def test_a_sample_depends_on_seed_split_and_index_alone() -> None:
    first = SMALL.split("train")
    longer = SyntheticDataset(train_images=100).split("train")
    for one, other in zip(first, longer, strict=False):
        assert len(one.people) == len(other.people)
        for person, same in zip(one.people, other.people, strict=True):
            np.testing.assert_allclose(person.keypoints, same.keypoints, atol=1e-9)
    firsts = [SMALL.split("train"), SMALL.split("val"), replace(SMALL, seed=1).split("train")]
    pictures = {samples[0].source.read().tobytes() for samples in firsts}
    assert len(pictures) == 3


def test_keypoints_lie_inside_boxes_and_boxes_inside_pictures() -> None:
    for person in every_person(replace(SMALL, points=133)):
        x, y, width, height = person.box
        assert x >= 0
        assert y >= 0
        assert x + width <= 319
        assert y + height <= 239
        assert person.area == pytest.approx(0.53 * width * height)
        labelled = person.keypoints[person.keypoints[:, 2] > 0]
        assert (labelled[:, :2] >= np.array([x, y]) - 0.51).all()
        assert (labelled[:, :2] <= np.array([x + width, y + height]) + 0.51).all()
        reach = np.ptp(labelled[:, :2], axis=0)
        assert width < reach[0] + 0.35 * max(width, height)
        assert height < reach[1] + 0.35 * max(width, height)


def test_people_are_many_and_large_enough() -> None:
    everybody = every_person(SMALL)
    assert 1.2 < len(everybody) / 40 <= 3
    assert np.mean([max(person.box[2:]) >= 80 for person in everybody]) > 0.8
    assert all((person.keypoints[:, 2] > 0).sum() >= 6 for person in everybody)


def test_people_stand_all_over_the_picture() -> None:
    everybody = every_person(replace(SMALL, train_images=100))
    centres = np.array(
        [[x + width / 2, y + height / 2] for x, y, width, height in (p.box for p in everybody)]
    )
    assert (np.abs(centres.mean(axis=0) - [160, 120]) < [25, 25]).all()
    at_border = np.mean([person.box[0] == 0.0 for person in everybody])
    assert 0.0 < at_border < 0.25


def test_the_mean_pose_explains_little() -> None:
    """A network that only learns where keypoints usually lie in the box must not score."""
    everybody = every_person(replace(SMALL, train_images=200))
    keypoints = np.stack([person.keypoints for person in everybody])
    boxes = np.array([person.box for person in everybody])
    labelled = keypoints[..., 2] > 0
    relative = (keypoints[..., :2] - boxes[:, None, :2]) / boxes[:, None, 2:]
    mean = (relative * labelled[..., None]).sum(axis=0) / labelled.sum(axis=0)[:, None]
    squared = ((mean * boxes[:, None, 2:] + boxes[:, None, :2] - keypoints[..., :2]) ** 2).sum(axis=-1)
    areas = np.array([person.area for person in everybody])
    similarity = np.exp(-squared / (2.0 * (2.0 * np.array(COCO_17.sigmas)) ** 2 * areas[:, None]))
    oks = (similarity * labelled).sum(axis=1) / labelled.sum(axis=1)
    average_precision_at_most = np.mean([(oks >= least).mean() for least in np.arange(0.5, 1.0, 0.05)])
    assert average_precision_at_most < 0.05
    assert (oks > 0.75).mean() < 0.01


def test_visibility_values_all_occur() -> None:
    seen = np.stack([person.keypoints[:, 2] for person in every_person(SMALL)])
    assert set(np.unique(seen)) == {0.0, 1.0, 2.0}
    assert 0.6 < (seen == 2).mean() < 0.9
    unlabelled = np.stack([person.keypoints for person in every_person(SMALL)])[seen == 0]
    assert (unlabelled == 0).all()


def test_whole_body_begins_with_the_17() -> None:
    for person, whole in zip(every_person(SMALL), every_person(replace(SMALL, points=133)), strict=True):
        assert whole.keypoints.shape == (133, 3)
        np.testing.assert_array_equal(person.keypoints, whole.keypoints[:17])
        assert person.box == whole.box


def test_left_is_on_the_right_of_the_picture_when_facing_the_camera() -> None:
    body = upright_body()
    for left, right in COCO_WHOLEBODY_133.flip_pairs:
        assert body[left, 0] > body[right, 0]
        np.testing.assert_allclose(body[left] * [-1, 1, 1], body[right], atol=0.004)


def test_upright_anatomy() -> None:
    body = upright_body()
    stack = ("nose", "left_shoulder", "left_elbow", "left_hip", "left_knee", "left_ankle", "left_heel")
    heights = [body[index(name), 1] for name in stack]
    assert heights == sorted(heights, reverse=True)
    assert body[index("left_eye"), 1] > body[0, 1] > body[23 + 57, 1] > body[23 + 8, 1]
    assert body[0, 2] > body[index("left_ear"), 2] + 0.05
    assert body[index("left_big_toe"), 2] > body[index("left_heel"), 2] + 0.1
    assert body[index("left_thumb4"), 2] > body[index("left_pinky4"), 2]
    assert np.ptp(body[:, 1]) == pytest.approx(0.95, abs=0.05)


def test_joints_bend_the_way_people_do() -> None:
    bent = np.deg2rad(90.0)
    arms, legs = np.zeros((2, 8)), np.zeros((2, 5))
    arms[0, 3], arms[1, 1], legs[1, 3], legs[0, 0] = bent, bent, bent, bent
    body = upright_body(arms=arms, legs=legs)
    left_wrist, left_elbow = body[index("left_wrist")], body[index("left_elbow")]
    assert left_wrist[2] > left_elbow[2] + 0.1
    assert body[index("right_wrist"), 0] < body[index("right_shoulder"), 0] - 0.3
    assert body[index("right_ankle"), 2] < body[index("right_knee"), 2] - 0.2
    assert body[index("left_knee"), 2] > 0.2


def test_rotation_turns_about_y_then_z_then_x() -> None:
    def about(axis: int, angle: float) -> np.ndarray:
        matrix = np.eye(3)
        first, second = (axis + 1) % 3, (axis + 2) % 3
        matrix[first, first] = matrix[second, second] = np.cos(angle)
        matrix[second, first], matrix[first, second] = np.sin(angle), -np.sin(angle)
        return matrix

    expected = about(0, 0.3) @ about(2, -0.8) @ about(1, 1.1)
    np.testing.assert_allclose(rotation(np.array(0.3), np.array(1.1), np.array(-0.8)), expected, atol=1e-12)


def test_bones_keep_their_lengths_in_every_pose() -> None:
    rng = np.random.default_rng(0)
    still = upright_body()
    for _ in range(5):
        drawn = upright_body(
            trunk=rng.normal(size=8), arms=rng.normal(size=(2, 8)), legs=rng.normal(size=(2, 5))
        )
        for first, second in COCO_17.limbs:
            names = NAMES[first] + NAMES[second]
            if "shoulder" in names and ("hip" in names or "ear" in names):
                continue
            length = np.linalg.norm(drawn[first] - drawn[second])
            assert length == pytest.approx(np.linalg.norm(still[first] - still[second]), abs=1e-9)


def test_people_face_every_direction() -> None:
    scene = scenes(WORLD, range(60))
    forward = (
        scene.head_axes[..., 2, 2][scene.wanted]
        / np.linalg.norm(scene.head_axes[..., 2], axis=-1)[scene.wanted]
    )
    assert 0.55 < (forward > 0).mean() < 0.9
    assert (forward < -0.7).any()


def test_faces_are_hidden_from_behind_and_seen_from_the_front() -> None:
    scene = scenes(WORLD, range(60))
    seen = visibility(scene, WORLD, 133)
    forward = scene.head_axes[..., 2, 2] / np.linalg.norm(scene.head_axes[..., 2], axis=-1)
    noses = seen[..., 0]
    assert (noses[scene.wanted & (forward < -0.4)] != 2).all()
    assert (noses[scene.wanted & (forward > 0.6)] == 2).mean() > 0.7


def test_what_is_behind_an_object_is_hidden() -> None:
    scene = scenes(WORLD, range(4))
    left, top, right, bottom = (scene.extent[:, :1, side] for side in range(4))
    corners = np.stack([left, top, right, top, right, bottom, left, bottom], axis=-1).reshape(4, 1, 4, 2)
    covered = replace(
        scene, objects=np.repeat(corners, 2, axis=2), objects_wanted=np.ones((4, 1), dtype=np.bool_)
    )
    assert (visibility(covered, WORLD, 17)[:, 0] < 2).all()
    uncovered = replace(covered, objects_wanted=np.zeros((4, 1), dtype=np.bool_))
    assert (visibility(uncovered, WORLD, 17)[:, 0] == 2).any()


def test_what_is_behind_somebody_is_hidden() -> None:
    scene = scenes(replace(WORLD, max_people=2), range(30))
    world = replace(WORLD, max_people=2)
    both = replace(
        scene, wanted=np.ones_like(scene.wanted), objects_wanted=np.zeros_like(scene.objects_wanted)
    )
    chest = scene.keypoints[:, 0, [5, 11]].mean(axis=1)
    moved = both.keypoints.copy()
    moved[:, 1, 9] = chest
    moved[:, 1, 10] = chest - [1000.0, 0.0, 0.0]
    seen = visibility(replace(both, keypoints=moved), world, 17)
    assert (seen[:, 1, 9] < 2).all()
    assert (seen[:, 1, 10] == 0).all()


def test_a_region_is_labelled_where_half_of_it_is_visible_and_not_at_all_elsewhere() -> None:
    dataset = replace(SMALL, points=133, train_images=120)
    scene = scenes(World(0, 0, 240, 320, 2), range(120))
    raw = visibility(scene, World(0, 0, 240, 320, 2), 133)
    everybody = every_person(dataset)
    labelled = dict.fromkeys(COCO_WHOLEBODY_133.regions, 0)
    for someone in everybody:
        image, place = divmod(int(someone.id) - 1, 2)
        for name, indices in COCO_WHOLEBODY_133.regions.items():
            seen, part = raw[image, place, list(indices)], someone.keypoints[list(indices)]
            if sum(value == 2 for value in seen) < len(indices) / 2:
                assert name not in someone.regions
                assert not part.any()
                continue
            labelled[name] += 1
            assert part[:, 2].tolist() == seen.tolist()
            points = scene.keypoints[image, place, list(indices), :2]
            corners = [(min(max(x, 0.0), 319.0), min(max(y, 0.0), 239.0)) for x, y in points.tolist()]
            x, y, width, height = someone.regions[name]
            assert (x, x + width) == pytest.approx((min(c[0] for c in corners), max(c[0] for c in corners)))
            assert (y, y + height) == pytest.approx((min(c[1] for c in corners), max(c[1] for c in corners)))
    for count in labelled.values():
        assert 0.7 * len(everybody) < count < len(everybody)


def test_people_of_17_keypoints_have_no_regions() -> None:
    assert not any(person.regions for person in every_person(SMALL))
