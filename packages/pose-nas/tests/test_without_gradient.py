"""What gets no gradient between two updates is left as it is, by Adam's momentum and weight decay too."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from posenas.learning.optimizers import make_optimizers
from posenas.learning.settings import TrainingSettings
from posenas.learning.updates import Updates
from posenas.runs.checkpoint import load_checkpoint, save_checkpoint
from torch import Tensor, nn

SETTINGS = TrainingSettings(learning_rate=0.1, weight_decay=0.5)


class Branches(nn.Module):
    """Two layers in parallel."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.second = nn.Linear(3, 2), nn.Linear(3, 2)


def step(network: Branches, names: tuple[str, ...]) -> None:
    for name in names:
        network.get_submodule(name)(torch.ones(4, 3)).square().sum().backward()


def tensors(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def changed(before: Mapping[str, Tensor], network: nn.Module) -> set[str]:
    return {
        name.split(".")[0]
        for name, tensor in network.state_dict().items()
        if not torch.equal(tensor, before[name])
    }


@pytest.mark.parametrize("clip_norm", [0.0, 0.1])
def test_a_branch_that_was_on_before_stays_as_it_is_while_it_is_off(clip_norm: float) -> None:
    network = Branches()
    optimizers = make_optimizers(network, SETTINGS)
    updates = Updates(network, optimizers, clip_norm=clip_norm)
    for names in (("first", "second"), ("first",), ("second",), ()):
        before = tensors(network)
        state = {
            id(parameter): {slot: value.clone() for slot, value in slots.items()}
            for parameter, slots in optimizers["weights"].state.items()
        }
        updates.begin(4)
        step(network, names)
        updates.end(due=True)
        assert changed(before, network) == set(names)
        for name, parameter in network.named_parameters():
            assert parameter.grad is None
            slots = optimizers["weights"].state[parameter]
            same = id(parameter) in state and all(
                torch.equal(slots[slot], value) for slot, value in state[id(parameter)].items()
            )
            assert same == (name.split(".")[0] not in names)


def test_of_accumulated_batches_one_that_has_it_on_is_enough() -> None:
    """The branch's gradient is the mean over the people of both batches."""
    network, expected = Branches(), Branches()
    updates = Updates(network, make_optimizers(network, SETTINGS), clip_norm=0.0)
    for names, due in ((("first", "second"), False), (("first",), True)):
        before = tensors(network)
        updates.begin(4)
        step(network, names)
        updates.end(due=due)
    assert changed(before, network) == {"first", "second"}
    optimizer = make_optimizers(expected, SETTINGS)["weights"]
    step(expected, ("first", "first", "second"))
    for parameter in expected.parameters():
        assert parameter.grad is not None
        parameter.grad /= 2
    optimizer.step()
    for name, tensor in expected.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], tensor)


def test_what_never_had_a_gradient_has_no_state_and_a_checkpoint_keeps_it_so(tmp_path: Path) -> None:
    network = Branches()
    optimizers = make_optimizers(network, SETTINGS)
    updates = Updates(network, optimizers, clip_norm=0.0)
    updates.begin(4)
    step(network, ("first",))
    updates.end(due=True)
    assert set(optimizers["weights"].state) == set(network.first.parameters())
    save_checkpoint(tmp_path / "c", network=network, optimizers=optimizers, epoch=1, seed=0)
    again = Branches()
    resumed = make_optimizers(again, SETTINGS)
    load_checkpoint(tmp_path / "c", network=again, optimizers=resumed)
    assert set(resumed["weights"].state) == set(again.first.parameters())
    for each, of in ((network, optimizers), (again, resumed)):
        updates = Updates(each, of, clip_norm=0.0)
        updates.begin(4)
        step(each, ("second",))
        updates.end(due=True)
    for name, tensor in network.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor)


def test_a_batch_without_any_gradient_is_no_step() -> None:
    """As where all branches are off, and only the architecture would learn."""
    network = Branches()
    before = tensors(network)
    updates = Updates(network, make_optimizers(network, SETTINGS), clip_norm=1.0)
    updates.begin(4)
    updates.update("weights")
    updates.end(due=True)
    assert changed(before, network) == set()
