"""The controller and its learning, against the enumeration of all draws in float64."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from random import Random

import pytest
import torch
from nas_autopose.controller import Controller, Picks, mean_entropy
from nas_autopose.policy_gradient import PolicyGradient, policy_loss
from torch import Tensor

SIZES = (2, 3, 2)
EVERY = [*itertools.product(*map(range, SIZES))]
DRAWS = 2000


def make(seed: int = 0, *, hidden: int = 6) -> Controller:
    """A controller that is not near even chances."""
    controller = Controller(SIZES, Random(seed), hidden=hidden)
    with torch.no_grad():
        for parameter in controller.parameters():
            parameter *= 12
    return controller


def rewards() -> list[float]:
    rng = Random(7)
    return [rng.random() for _ in EVERY]


def flat_gradient(controller: Controller, loss: Tensor) -> Tensor:
    parameters = list(controller.parameters())
    found = torch.autograd.grad(loss, parameters, allow_unused=True)
    return torch.cat(
        [
            (torch.zeros_like(each) if gradient is None else gradient).flatten()
            for each, gradient in zip(parameters, found, strict=True)
        ]
    )


def estimate(controller: Controller, drawn: list[Picks], given: list[float], baseline: float) -> Tensor:
    """The estimate of the gradient of the mean reward."""
    return -flat_gradient(controller, policy_loss(controller, torch.tensor(drawn), given, baseline=baseline))


def exact_gradient(controller: Controller) -> Tensor:
    return flat_gradient(
        controller, (chances(controller) * torch.tensor(rewards(), dtype=torch.float64)).sum()
    )


def chances(controller: Controller) -> Tensor:
    return controller.log_probability(torch.tensor(EVERY)).exp()


def test_all_draws_together_have_a_chance_of_one_and_no_two_the_same() -> None:
    found = chances(make())
    assert found.sum().item() == pytest.approx(1.0, abs=1e-12)
    assert len({round(chance, 12) for chance in found.tolist()}) == len(EVERY)


def test_a_choice_depends_on_the_ones_before_and_on_none_after() -> None:
    controller = make()
    first, other = controller(torch.tensor([[0, 1, 0], [0, 2, 1]])).exp()
    assert torch.equal(first[:2], other[:2])
    assert not torch.allclose(first[2], other[2])
    assert first[0, 2].item() == 0.0  # the first choice has two values


def test_the_recurrence_is_the_published_one() -> None:
    """An LSTM cell written out, from torch's documentation, with embeddings and decoders as in AutoGAN."""
    controller, picks = make(), (1, 2, 0)
    cell = dict(controller.cell.named_parameters())
    hidden = state = torch.zeros(6, dtype=torch.float64)
    token, total = torch.zeros(6, dtype=torch.float64), 0.0
    for place, pick in enumerate(picks):
        mixed = cell["weight_ih_l0"] @ token + cell["bias_ih_l0"] + cell["weight_hh_l0"] @ hidden
        enter, forget, fresh, out = (mixed + cell["bias_hh_l0"]).chunk(4)
        state = forget.sigmoid() * state + enter.sigmoid() * fresh.tanh()
        hidden = out.sigmoid() * state.tanh()
        logits = (controller.decoders[place] @ hidden + controller.biases[place])[: SIZES[place]]
        total += logits.log_softmax(0)[pick].item()
        token = controller.embeddings[place, pick]
    assert controller.log_probability(torch.tensor([picks])).item() == pytest.approx(total)


def test_draws_come_as_often_as_their_chance_says() -> None:
    controller, rng = make(), Random(1)
    counts = Counter(controller.sample(rng) for _ in range(DRAWS))
    for picks, chance in zip(EVERY, chances(controller).tolist(), strict=True):
        deviation = math.sqrt(chance * (1 - chance) / DRAWS)
        assert counts[picks] / DRAWS == pytest.approx(chance, abs=4.5 * deviation)


def test_the_likeliest_draw_takes_the_likeliest_value_each_time() -> None:
    controller = make()
    expected: Picks = ()
    for place, size in enumerate(SIZES):
        after = [(*expected, pick) + (0,) * (len(SIZES) - place - 1) for pick in range(size)]
        chances_of = controller(torch.tensor(after))[:, place].exp()
        pick = max(range(size), key=lambda pick: chances_of[pick, pick].item())
        expected = after[pick][: place + 1]
    assert controller.likeliest() == expected


def test_the_same_generator_makes_the_same_controller_whatever_torch_drew() -> None:
    before = torch.get_rng_state()
    one = make(3)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), make(3).parameters(), strict=True))
    assert not torch.equal(make(4).embeddings, one.embeddings)


def test_a_fresh_controller_is_undecided() -> None:
    controller, rng = Controller(SIZES, Random(0)), Random(1)
    assert mean_entropy(controller, [controller.sample(rng) for _ in range(8)], SIZES) > 0.98


def test_entropies_are_those_of_each_choice_after_the_picks_before() -> None:
    controller, picks = make(), torch.tensor([[1, 0, 1], [0, 2, 0]])
    found = controller.entropies(picks)
    for draw, row in zip(picks, found, strict=True):
        for place, size in enumerate(SIZES):
            shares = controller(draw[None])[0, place, :size].exp().tolist()
            assert row[place].item() == pytest.approx(-sum(share * math.log(share) for share in shares))
    # Over all draws the sums are the entropy of the whole draw.
    each = chances(controller)
    whole = -(each * each.log()).sum()
    sums = controller.entropies(torch.tensor(EVERY)).sum(1)
    assert (each * sums).sum().item() == pytest.approx(whole.item())


@pytest.mark.parametrize("baseline", [0.0, 0.4, -3.0])
def test_the_mean_of_the_estimate_is_the_gradient_of_the_mean_reward(baseline: float) -> None:
    """By enumeration, with any baseline that the draws have no part in."""
    controller, weights, exact = make(), chances(make()).detach(), exact_gradient(make())
    found = [
        estimate(controller, [picks], [reward], baseline)
        for picks, reward in zip(EVERY, rewards(), strict=True)
    ]
    mean = (weights[:, None] * torch.stack(found)).sum(0)
    torch.testing.assert_close(mean, exact, atol=1e-12, rtol=1e-9)
    assert float(exact.abs().max()) > 1e-3


def test_a_batchs_own_mean_as_baseline_would_shrink_the_gradient_by_half() -> None:
    """For batches of two; it is why the moving average leaves the present batch out."""
    controller, weights, given = make(), chances(make()).detach(), rewards()
    pairs = [*itertools.product(range(len(EVERY)), repeat=2)]
    found = [
        estimate(
            controller, [EVERY[one], EVERY[two]], [given[one], given[two]], (given[one] + given[two]) / 2
        )
        for one, two in pairs
    ]
    chances_of = torch.stack([weights[one] * weights[two] for one, two in pairs])
    mean = (chances_of[:, None] * torch.stack(found)).sum(0)
    torch.testing.assert_close(mean, exact_gradient(controller) / 2, atol=1e-12, rtol=1e-9)


def test_the_estimate_of_real_draws_is_near_the_exact_gradient() -> None:
    controller, given, rng = make(), dict(zip(EVERY, rewards(), strict=True)), Random(5)
    drawn = [controller.sample(rng) for _ in range(DRAWS)]
    found = estimate(controller, drawn, [given[picks] for picks in drawn], 0.5)
    single = torch.stack([estimate(controller, [picks], [given[picks]], 0.5) for picks in EVERY])
    exact = exact_gradient(controller)
    variance = (chances(controller).detach()[:, None] * (single - exact) ** 2).sum(0)
    assert bool(((found - exact).abs() <= 5 * (variance / DRAWS).sqrt() + 1e-12).all())


def learner(controller: Controller, *, decay: float = 0.9, entropy_weight: float = 0.0) -> PolicyGradient:
    return PolicyGradient(controller, learning_rate=1e-3, entropy_weight=entropy_weight, decay=decay)


def test_the_baseline_is_that_of_the_batches_before() -> None:
    controller = make()
    gradient, fresh = learner(controller), [each.clone() for each in controller.parameters()]
    gradient.update([(0, 0, 0), (1, 1, 1)], [0.2, 0.6])
    assert gradient.baseline == pytest.approx(0.4)
    assert all(torch.equal(a, b) for a, b in zip(controller.parameters(), fresh, strict=True))
    before = make()
    expected = estimate(before, [(0, 1, 0)], [1.0], 0.4)
    gradient.update([(0, 1, 0)], [1.0])
    assert gradient.baseline == pytest.approx(0.9 * 0.4 + 0.1 * 1.0)
    pairs = zip(controller.parameters(), before.parameters(), strict=True)
    moved = torch.cat([(after - earlier).flatten() for after, earlier in pairs])
    used = expected.abs() > 1e-6
    assert bool((moved[used].sign() == expected[used].sign()).all())  # Adam's first step has the sign alone
    assert bool((moved[expected == 0] == 0).all())


def test_no_reward_changes_nothing() -> None:
    controller = make()
    gradient, fresh = learner(controller), [each.clone() for each in controller.parameters()]
    gradient.update([], [])
    assert gradient.baseline is None
    assert all(torch.equal(a, b) for a, b in zip(controller.parameters(), fresh, strict=True))


def test_the_entropy_bonus_alone_keeps_a_controller_undecided() -> None:
    controller, rng = make(), Random(2)
    gradient = PolicyGradient(controller, learning_rate=3e-2, entropy_weight=1.0, decay=0.9)

    def undecided() -> float:
        return -(chances(controller) * chances(controller).log()).sum().item()

    before = undecided()
    for _ in range(40):
        gradient.update([controller.sample(rng) for _ in range(4)], [0.5] * 4)
    assert before < 2.4 < 0.995 * math.log(len(EVERY)) < undecided()


def planted(seed: int, *, draws: int) -> bool:
    """Whether the controller of 12 gates finds the gates that were hidden from it."""
    rng = Random(seed)
    best = tuple(rng.randrange(2) for _ in range(12))
    controller = Controller([2] * 12, rng)
    gradient = PolicyGradient(controller, learning_rate=1e-3, entropy_weight=1e-3, decay=0.9)
    for _ in range(draws // 2):
        picks = [controller.sample(rng) for _ in range(2)]
        gradient.update(picks, [sum(map(int.__eq__, each, best)) / 12 for each in picks])
    return controller.likeliest() == best


def test_a_planted_best_scale_vector_is_found() -> None:
    assert planted(0, draws=300)


@pytest.mark.slow
def test_a_planted_best_scale_vector_is_found_by_19_of_20_seeds() -> None:
    assert sum(planted(seed, draws=300) for seed in range(20)) >= 19
