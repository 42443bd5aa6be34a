"""REINFORCE: a controller learns to draw what is rewarded.

The gradient of the mean reward is the mean of (reward - baseline) x gradient of the draw's log-probability,
whatever the baseline is, as long as the draw has no part in it. Here it is a moving average of earlier
batches' rewards, so the estimate is unbiased. The mean of the batch itself would shrink it by 1 - 1/n.

Source: Williams (1992). The moving average and the entropy's weight are AutoGAN's (Gong et al., ICCV 2019),
which however counts the present batch in its baseline.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nas_autopose.controller import Controller, Picks


class PolicyGradient:
    """A controller in training, with its optimiser and its baseline."""

    def __init__(
        self, controller: Controller, *, learning_rate: float, entropy_weight: float, decay: float
    ) -> None:
        """Begin a training.

        Args:
            controller: is changed in place.
            learning_rate: of Adam.
            entropy_weight: how much the entropy of the choices counts beside the reward.
            decay: the share of the baseline that stays at each update.
        """
        self._controller, self._entropy_weight, self._decay = controller, entropy_weight, decay
        self._optimizer = torch.optim.Adam(controller.parameters(), lr=learning_rate)
        self.baseline: float | None = None

    def update(self, picks: Sequence[Picks], rewards: Sequence[float]) -> None:
        """Learn from one batch of independent draws, with the baseline of the batches before.

        The first batch sets the baseline and changes nothing else.

        Args:
            picks: the draws.
            rewards: their finite rewards, the greater the better. Where there are none nothing is learnt.
        """
        if not rewards:
            return
        mean = sum(rewards) / len(rewards)
        if self.baseline is None:
            self.baseline = mean
            return
        self._optimizer.zero_grad(set_to_none=True)
        loss = policy_loss(self._controller, torch.tensor(picks), rewards, baseline=self.baseline)
        bonus = self._controller.entropies(torch.tensor(picks)).sum(1).mean()
        (loss - self._entropy_weight * bonus).backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self.baseline = self._decay * self.baseline + (1 - self._decay) * mean


def policy_loss(
    controller: Controller, picks: Tensor, rewards: Sequence[float], *, baseline: float
) -> Tensor:
    """Return a number whose gradient is the estimate of that of the mean reward, with the sign turned.

    Args:
        controller: the one that drew.
        picks: (N, D) independent draws.
        rewards: N rewards.
        baseline: a number that these draws have no part in.
    """
    advantages = torch.tensor(rewards, dtype=torch.float64) - baseline
    return -(advantages * controller.log_probability(picks)).mean()
