"""Losses equal their definitions, stay finite, and compute in float32."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from posenas.contract.batches import Batch
from posenas.networks.heatmaps.encoding import HeatmapTargets, encode
from posenas.networks.heatmaps.losses import (
    cross_entropy_to_teacher,
    divergence,
    log_probabilities,
    mean_squared_difference,
    mean_squared_error,
    probabilities,
)
from torch import Tensor


def some_targets(keypoints: int = 17) -> HeatmapTargets:
    generator = torch.Generator().manual_seed(2)
    points = torch.rand(3, keypoints, 2, generator=generator) * torch.tensor([95.0, 63.0])
    labelled = (torch.rand(3, keypoints, generator=generator) < 0.7).float()
    return encode(Batch(torch.zeros(3, 3, 64, 96), points, labelled), "dark", sigma=2.0)


def some_outputs(keypoints: int = 17, seed: int = 4) -> Tensor:
    return 3 * torch.randn(3, keypoints, 16, 24, generator=torch.Generator().manual_seed(seed))


def test_mean_squared_error_is_weighted_and_not_halved() -> None:
    outputs, targets = some_outputs(), some_targets()
    total = 0.0
    for n in range(3):
        for k in range(17):
            difference = outputs[n, k] - torch.outer(targets.rows[n, k], targets.columns[n, k])
            total += float(targets.weights[n, k]) * float((difference**2).sum())
    expected = total / outputs.numel()
    assert float(mean_squared_error(outputs, targets)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("keypoints", [17, 133])
def test_divergence_is_the_mean_over_the_keypoints_that_count(keypoints: int) -> None:
    outputs, targets = some_outputs(keypoints), some_targets(keypoints)
    terms = []
    for n in range(3):
        for k in range(keypoints):
            if targets.weights[n, k]:
                target = torch.outer(targets.rows[n, k], targets.columns[n, k]).double().flatten()
                logs = outputs[n, k].double().flatten().log_softmax(0)
                shares = target / target.sum()
                terms.append(float((torch.xlogy(shares, shares) - shares * logs).sum()))
    expected = sum(terms) / len(terms)
    assert float(divergence(outputs, targets)) == pytest.approx(expected, rel=1e-5)


def test_divergence_is_zero_at_the_target_and_least_there() -> None:
    targets = some_targets()
    perfect = targets.maps().clamp(min=1e-30).log()
    gradient = torch.autograd.grad(divergence(perfect.requires_grad_(), targets), perfect)[0]
    assert gradient.abs().max() < 1e-6
    assert float(divergence(perfect, targets).detach()) == pytest.approx(0.0, abs=1e-5)
    uniform = divergence(torch.zeros_like(perfect), targets)
    assert float(uniform) > 1.0


def test_divergence_does_not_depend_on_the_resolution() -> None:
    """An output of the same shape, wrong by the same view pixels, loses the same at 1/2 as at 1/4."""
    points, labelled = torch.tensor([[[47.5, 31.5]]]), torch.ones(1, 1)
    batch = Batch(torch.zeros(1, 3, 64, 96), points, labelled)
    wrong = Batch(batch.images, points + 6.0, labelled)
    losses = []
    for stride, sigma in [(4, 2.0), (2, 4.0)]:
        maps = encode(wrong, "dark", sigma=sigma, stride=stride).maps()
        targets = encode(batch, "dark", sigma=sigma, stride=stride)
        losses.append(float(divergence(maps.log(), targets)))
    assert losses[0] == pytest.approx(losses[1], rel=0.01)
    distance = 2 * (6.0 / 4) ** 2 / (2 * 2.0**2)  # of two Gaussians, over both axes
    assert losses[0] == pytest.approx(distance, rel=0.01)


@pytest.mark.parametrize("loss", [mean_squared_error, divergence])
def test_nothing_labelled_gives_zero_with_a_gradient(loss) -> None:  # type: ignore[no-untyped-def]
    targets = some_targets()
    outputs = some_outputs().requires_grad_()
    value = loss(outputs, replace(targets, weights=torch.zeros_like(targets.weights)))
    value.backward()
    assert float(value.detach()) == 0.0
    assert outputs.grad is not None
    assert outputs.grad.abs().max() == 0.0


@pytest.mark.parametrize("loss", [mean_squared_error, divergence])
def test_far_unlabelled_keypoints_do_no_harm(loss) -> None:  # type: ignore[no-untyped-def]
    points = torch.full((1, 2, 2), -1e6)
    points[0, 0] = 30.0
    targets = encode(Batch(torch.zeros(1, 3, 64, 96), points, torch.tensor([[1.0, 0.0]])), "dark", sigma=2.0)
    outputs = some_outputs(2)[:1].requires_grad_()
    loss(outputs, targets).backward()
    assert outputs.grad is not None
    assert outputs.grad.isfinite().all()
    assert outputs.grad[0, 1].abs().max() == 0.0


@pytest.mark.parametrize("loss", [mean_squared_error, divergence])
def test_float32_under_autocast(loss) -> None:  # type: ignore[no-untyped-def]
    outputs, targets = some_outputs().bfloat16(), some_targets()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(outputs, targets)
    assert value.dtype == torch.float32
    assert float(value) == pytest.approx(float(loss(outputs.float(), targets)), rel=1e-6)


@pytest.mark.parametrize("compare", [mean_squared_difference, cross_entropy_to_teacher])
def test_distillation_is_least_at_the_teacher_and_leaves_it_alone(compare) -> None:  # type: ignore[no-untyped-def]
    teacher = some_outputs(seed=1).requires_grad_()
    student = some_outputs(seed=2).requires_grad_()
    value = compare(student, teacher)
    value.backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert student.grad.abs().max() > 0
    assert compare(teacher, teacher) < value
    gradient = torch.autograd.grad(compare(copy := teacher.detach().clone().requires_grad_(), teacher), copy)[
        0
    ]
    assert gradient.abs().max() < 1e-7


def test_distillation_values() -> None:
    student, teacher = some_outputs(seed=1), some_outputs(seed=2)
    assert float(mean_squared_difference(student, teacher)) == pytest.approx(
        float(((student - teacher) ** 2).mean())
    )
    logs = student.double().flatten(2).log_softmax(2)
    shares = teacher.double().flatten(2).softmax(2)
    expected = float(-(shares * logs).sum(2).mean())
    assert float(cross_entropy_to_teacher(student, teacher)) == pytest.approx(expected, rel=1e-5)


def test_probabilities_sum_to_one_for_each_map() -> None:
    outputs = some_outputs().bfloat16()
    torch.testing.assert_close(probabilities(outputs).sum((2, 3)), torch.ones(3, 17))
    torch.testing.assert_close(log_probabilities(outputs).exp(), probabilities(outputs))
