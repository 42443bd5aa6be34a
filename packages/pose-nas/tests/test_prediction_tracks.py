"""People followed through a video, and cuts that end it."""

from __future__ import annotations

import numpy as np
from posenas.contract.scores import Predictions
from posenas.data.detections import Detection
from posenas.prediction.cuts import Cuts
from posenas.prediction.tracks import Tracks, overlap, pose_box


def detected(*boxes: tuple[float, float, float, float]) -> list[Detection[int | str]]:
    return [Detection(0, box, 0.9) for box in boxes]


def poses(*centres: tuple[float, float], score: float = 0.8) -> Predictions:
    """Poses of 17 keypoints on a ring of radius 20."""
    angles = np.linspace(0, 2 * np.pi, 17)
    ring = 20 * np.column_stack([np.cos(angles), np.sin(angles)])
    keypoints = np.array([np.array(centre) + ring for centre in centres]).reshape(-1, 17, 2)
    scores = np.full(keypoints.shape[:2], score)
    return Predictions(np.zeros(len(keypoints), np.int64), keypoints, scores, scores.mean(axis=1))


def numbers(tracks: Tracks) -> list[int]:
    return [track.number for track in tracks.present]


def test_numbers_stay_with_whom_boxes_show_whatever_their_order() -> None:
    tracks = Tracks(threshold=0.2)
    tracks.find(detected((0, 0, 40, 40), (100, 0, 40, 40)))
    assert numbers(tracks) == [1, 2]
    tracks.follow(poses((25, 20), (125, 20)))
    tracks.find(detected((300, 0, 40, 40), (105, 0, 40, 40), (5, 0, 40, 40)))
    assert numbers(tracks) == [3, 2, 1]


def test_who_is_in_no_box_is_lost_and_the_number_is_not_used_again() -> None:
    tracks = Tracks(threshold=0.2)
    tracks.find(detected((0, 0, 40, 40)))
    tracks.find(detected((200, 0, 40, 40)))
    assert numbers(tracks) == [2]
    tracks.end()
    tracks.find(detected((200, 0, 40, 40)))
    assert numbers(tracks) == [3]


def test_somebody_whom_a_detector_missed_is_found_again_by_number_for_three_key_frames() -> None:
    for missed, expected in ((1, [2, 1]), (3, [2, 1]), (4, [2, 3])):
        tracks = Tracks(threshold=0.2)
        tracks.find(detected((0, 0, 40, 40), (100, 0, 40, 40)))
        for _ in range(missed):
            tracks.find(detected((100, 0, 40, 40)))
        tracks.find(detected((100, 0, 40, 40), (8, 0, 40, 40)))
        assert numbers(tracks) == expected


def test_of_one_box_somebody_present_has_the_number_and_nobody_lost() -> None:
    tracks = Tracks(threshold=0.2)
    tracks.find(detected((0, 0, 40, 40), (60, 0, 40, 40)))
    tracks.find(detected((50, 0, 40, 40)))
    tracks.find(detected((20, 0, 40, 40), (40, 0, 40, 40)))
    assert numbers(tracks) == [1, 2]
    tracks.find(detected((40, 0, 40, 40)))
    tracks.find(detected((22, 0, 40, 40)))
    assert numbers(tracks) == [2], "nearer to where the lost one was, but there is one who is present"


def test_after_a_cut_nobody_is_found_again() -> None:
    tracks = Tracks(threshold=0.2)
    tracks.find(detected((0, 0, 40, 40)))
    tracks.find(detected((200, 0, 40, 40)))
    tracks.end()
    tracks.find(detected((0, 0, 40, 40)))
    assert numbers(tracks) == [3]


def test_an_unsure_pose_keeps_its_box_until_the_unsure_are_lost() -> None:
    tracks = Tracks(threshold=0.5)
    tracks.find(detected((0, 0, 40, 40), (100, 0, 40, 40)))
    both = poses((25, 20), (120, 20), score=0.4)
    both.keypoint_scores[1] = 0.9
    tracks.follow(both)
    assert next(iter(tracks.present)).box == (0, 0, 40, 40)
    tracks.lose_unsure()
    assert numbers(tracks) == [2]


def test_a_box_moves_to_the_pose() -> None:
    tracks = Tracks(threshold=0.2)
    tracks.find(detected((0, 0, 40, 40)))
    tracks.follow(poses((50, 30)))
    np.testing.assert_allclose(tracks.present[0].box, (24, 4, 52, 52), atol=0.5)


def test_a_pose_of_few_sure_or_finite_keypoints_has_no_box() -> None:
    keypoints = np.array([[0.0, 0], [10, 0], [0, 10], [np.nan, 4]])
    assert pose_box(keypoints, np.array([True, True, True, True])) is not None
    assert pose_box(keypoints, np.array([True, True, False, True])) is None
    assert pose_box(np.zeros((5, 2)), np.ones(5, bool)) is None


def test_overlaps_are_those_of_painted_boxes() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(1, 20, (2, 5, 4)).astype(float)

    def painted(box: np.ndarray) -> np.ndarray:
        x, y, width, height = box.astype(int)
        canvas = np.zeros((40, 40), bool)
        canvas[y : y + height, x : x + width] = True
        return canvas

    expected = [
        [(painted(a) & painted(b)).sum() / (painted(a) | painted(b)).sum() for b in second] for a in first
    ]
    np.testing.assert_allclose(overlap(first, second), expected)


def scene(seed: int, shift: int = 0, noise: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8).repeat(40, 0).repeat(40, 1)
    moved = np.roll(blocks, shift, axis=1).astype(int)
    rough = np.random.default_rng(shift).integers(-noise, noise + 1, moved.shape)
    return (moved + rough).clip(0, 255).astype(np.uint8)


def test_a_cut_is_seen_where_the_scene_changes_and_nowhere_else() -> None:
    cuts = Cuts()
    frames = [scene(0, shift, 10) for shift in range(5)] + [scene(1, shift, 10) for shift in range(5)]
    assert [cuts.sees(frame) for frame in frames] == [False] * 5 + [True] + [False] * 4


def test_a_fast_camera_is_no_cut_once_it_is_fast() -> None:
    cuts = Cuts()
    seen = [cuts.sees(scene(0, 25 * shift)) for shift in range(8)]
    assert not any(seen[2:])
