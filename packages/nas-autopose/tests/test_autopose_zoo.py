"""The network of the zoo, against what the search that found it counted."""

from __future__ import annotations

import pytest
from nas_autopose.zoo import AUTOPOSE_LIKE
from posenas import find_network
from posenas.composing.named_networks import describe_network


def test_the_network_costs_what_its_search_counted() -> None:
    described = describe_network(find_network("autopose-like"))
    assert described["parameters"] == AUTOPOSE_LIKE.published["parameters"] == 434_294
    assert described["gmacs"] == pytest.approx(0.072941568, abs=1e-12)


def test_it_is_one_that_its_space_derives() -> None:
    network = find_network("autopose-like")
    assert network.genotype["width"] == 2
    for name in ("individual.alpha", "aggregation.alpha"):
        assert all(sorted(row)[-2:] == [-1000.0, 0.0] for row in network.genotype[name])
