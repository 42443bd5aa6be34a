from __future__ import annotations

import copy
import math
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from made_up_tables import made_up_table
from posenas import PosenasError
from posenas_bench.cli import posenas_bench
from posenas_bench.proxies import naswot, synflow
from posenas_bench.ranking import CEILING, rankings, spread
from posenas_bench.table import write_table
from torch import Tensor, nn
from torch.nn.functional import relu


class Named(nn.Module):
    """A network whose output is a mapping of lists, as heads give them."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> dict[str, list[Tensor]]:
        return {"maps": [relu(self.network(images), inplace=True)]}


def test_synflow_is_the_flow_of_two_linear_layers() -> None:
    first, second = nn.Conv2d(2, 3, 1, bias=False), nn.Conv2d(3, 1, 1, bias=False)
    network = nn.Sequential(first, nn.ReLU(), second)
    paths = (second.weight[:, :, 0, 0].abs() @ first.weight[:, :, 0, 0].abs()).detach()
    expected = math.log(2 * 4 * float(paths.sum()))  # two layers, four pixels
    assert synflow(network, (2, 2, 2)) == pytest.approx(expected, rel=1e-6)


def test_synflow_ignores_signs_and_statistics_and_leaves_the_network_alone() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 2, 1)).train()
    before = copy.deepcopy(network.state_dict())
    flow = synflow(network, (3, 8, 8))
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.neg_()
    assert synflow(network, (3, 8, 8)) == pytest.approx(flow)


def test_a_flow_that_overflows_is_refused() -> None:
    network = nn.Conv2d(1, 1, 1, bias=False)
    with torch.no_grad():
        network.weight.fill_(3e38)
    with pytest.raises(PosenasError, match=r"the flow overflows torch\.float32"):
        synflow(network, (1, 2, 2))
    assert synflow(network.double(), (1, 2, 2)) == pytest.approx(math.log(4 * 3e38), rel=1e-6)


def test_naswot_is_the_determinant_of_agreements() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.ReLU())
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([1.0, -1.0]).view(2, 1, 1, 1))
    images = torch.tensor([[1.0, 1.0], [1.0, -1.0]]).view(2, 1, 1, 2)
    # Four units; the images agree in the two of the first pixel.
    assert naswot(network, images) == pytest.approx(math.log(4 * 4 - 2 * 2))


def test_naswot_sees_relus_of_every_form() -> None:
    torch.manual_seed(0)
    images, convolution = torch.randn(4, 3, 6, 6), nn.Conv2d(3, 8, 3)
    module = nn.Sequential(convolution, nn.ReLU())
    assert naswot(Named(convolution), images) == pytest.approx(naswot(module, images))


def test_images_that_a_network_cannot_tell_apart_give_no_determinant() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    assert naswot(network, torch.ones(2, 3, 4, 4)) == -math.inf


def test_rankings_name_the_true_order_first_and_the_ceiling() -> None:
    found = {each.name: each for each in rankings(made_up_table(noise=0.0), resamplings=50)}
    assert found["synflow"].tau == found["shared weights"].tau == found[CEILING].tau == pytest.approx(1.0)
    assert abs(found["naswot"].tau) < 0.3
    assert found["naswot"].low < found["naswot"].tau < found["naswot"].high
    assert {"parameters", "gmacs"} < set(found)


def test_noise_lowers_the_ceiling_and_is_told() -> None:
    noisy = made_up_table(noise=0.02)
    assert next(each for each in rankings(noisy, resamplings=5) if each.name == CEILING).tau < 0.8
    assert spread(noisy)[1] == pytest.approx(0.02, rel=0.3)
    assert spread(made_up_table(noise=0.0))[1] == 0.0


def test_the_command_ranks_the_proxies(tmp_path: Path) -> None:
    write_table(made_up_table(noise=0.0), tmp_path / "table.json")
    told = CliRunner().invoke(posenas_bench, ["proxies", "--table", str(tmp_path / "table.json")])
    assert told.exit_code == 0
    assert told.output.index("synflow") < told.output.index("naswot")
    assert "of 40 genotypes: standard deviation 0.0" in told.output
