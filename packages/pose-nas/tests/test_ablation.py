"""Steps of a decoding left out: on the same outputs, and counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from posenas.contract.batches import Batch, Poses, PosesWithout
from posenas.contract.components import Ablatable
from posenas.contract.keypoints import KeypointSet
from posenas.contract.samples import Person, Sample
from posenas.contract.scores import GroundTruth, Predictions
from posenas.learning.ablation import predict_ablated, replacement_rates
from posenas.learning.inference import EvaluationSettings, predict
from posenas.networks.pose_network import PoseNetwork
from torch import Tensor, nn

CPU = torch.device("cpu")
SETTINGS = EvaluationSettings(batch_size=2, flip_test=False)
THREE = KeypointSet("three", ("a", "b", "c"), (), (0.05, 0.05, 0.05), ())


class Backbone(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.passes = 0

    def forward(self, images: Tensor) -> Tensor:
        self.passes += isinstance(images, Tensor)  # not torch.fx, which looks for what can be folded
        return images.mean((1, 2, 3))


class Rounding(nn.Module):
    """A head that finds all keypoints at the brightness; `rounding` and `doubling` are its steps."""

    def forward(self, features: Tensor, targets: object = None) -> Tensor:  # noqa: ARG002
        return features

    def decode(self, outputs: Tensor, batch: Batch) -> Poses:  # noqa: ARG002
        return self._poses(2 * outputs.round())

    def decode_ablated(self, outputs: Tensor, batch: Batch) -> tuple[Poses, Mapping[str, PosesWithout]]:
        changed = (outputs != outputs.round()).sum()
        return self.decode(outputs, batch), {
            "rounding": PosesWithout(
                self._poses(2 * outputs), torch.stack([changed, changed * 0, changed * 2])
            ),
            "doubling": PosesWithout(self._poses(outputs.round())),
        }

    def _poses(self, values: Tensor) -> Poses:
        return Poses(values[:, None, None].expand(-1, 3, 2), torch.ones(len(values), 3))


class Plain(nn.Module):
    """A head without steps to leave out."""

    forward = Rounding.forward
    decode = Rounding.decode
    _poses = Rounding._poses


@dataclass(frozen=True)
class Views:
    """Pictures of one brightness each."""

    values: Sequence[float]
    stride: int = 1

    def __len__(self) -> int:
        return len(self.values)

    def batches(self, size: int, *, device: torch.device) -> Iterator[Batch]:
        for start in range(0, len(self.values), size):
            values = torch.tensor(self.values[start : start + size], device=device)
            images = values[:, None, None, None].expand(-1, 3, 4, 4)
            yield Batch(images, torch.zeros(len(values), 3, 2), torch.zeros(len(values), 3))

    def locate(self, poses: Sequence[Poses]) -> Predictions:
        keypoints = torch.cat([each.keypoints for each in poses]).double().numpy()
        scores = torch.cat([each.keypoint_scores for each in poses]).double().numpy()
        return Predictions(np.arange(len(keypoints)), keypoints, scores, scores.mean(axis=1))


def test_every_step_is_left_out_of_the_same_outputs() -> None:
    network, views = PoseNetwork(Backbone(), Rounding()), Views([0.2, 1.0, 2.75, 3.0, 4.5])
    predictions, without = predict_ablated(network, views, settings=SETTINGS, device=CPU)
    assert network.backbone.passes == 3  # one for each batch, whatever is left out
    plain = predict(network, views, settings=SETTINGS, device=CPU)
    np.testing.assert_array_equal(predictions.keypoints, plain.keypoints)
    np.testing.assert_array_equal(predictions.image_ids, plain.image_ids)
    assert list(without) == ["rounding", "doubling"]
    np.testing.assert_allclose(
        without["rounding"].predictions.keypoints[:, 0, 0], [0.4, 2, 5.5, 6, 9], rtol=1e-6
    )
    np.testing.assert_array_equal(without["doubling"].predictions.keypoints[:, 0, 0], [0, 1, 3, 3, 4])
    replaced = without["rounding"].replaced
    assert replaced is not None
    assert replaced.tolist() == [3, 0, 6]
    assert without["doubling"].replaced is None


def test_a_head_without_steps_is_predicted_as_ever() -> None:
    network, views = PoseNetwork(Backbone(), Plain()), Views([0.2, 1.0, 2.75])
    assert not isinstance(network.head, Ablatable)
    predictions, without = predict_ablated(network, views, settings=SETTINGS, device=CPU)
    assert network.backbone.passes == 2
    assert predictions.keypoints[:, 0, 0].tolist() == [0, 2, 6]
    assert without == {}


@dataclass(frozen=True)
class NoImage:
    def read(self) -> NDArray[np.uint8]:
        raise NotImplementedError


def person(*visibility: int, crowd: bool = False) -> Person:
    rows = np.column_stack([np.zeros((3, 2)), visibility]).astype(np.float64)
    return Person((0, 0, 9, 9), rows, 81, crowd=crowd)


def test_rates_are_over_labelled_keypoints() -> None:
    """Keypoint a is labelled twice and in a crowd, b once, c never."""
    people = (person(2, 1, 0), person(1, 0, 0), person(2, 2, 2, crowd=True))
    truth = GroundTruth(THREE, [Sample(1, NoImage(), 9, 9, people), Sample(2, NoImage(), 9, 9, ())])
    assert replacement_rates(np.array([1, 3, 5]), truth) == {"a": 0.5, "b": 3.0}
    assert replacement_rates(None, truth) == {}
