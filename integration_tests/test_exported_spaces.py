"""Networks of every space are written into files that give what torch gives."""

from __future__ import annotations

from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from posenas.composing.compose import compose
from posenas.exporting.conversion import to_onnx
from posenas.exporting.export import examples_for
from posenas.exporting.network import bytes_to_poses
from posenas.exporting.runtime import POSES, feeds, open_model
from posenas.runs.recipe import recipe_from_tables


@pytest.mark.slow
@pytest.mark.parametrize(
    ("space", "head", "options"),
    [
        ("ofa", "heatmap", {"input_size": (64, 64)}),
        ("evo", "heatmap", {"input_size": (64, 64)}),
        ("cnf", "heatmap", {"input_size": (64, 64)}),
        ("cnf", "vector", {"input_size": (64, 64)}),
        ("autopose", "heatmap", {"input_size": (64, 64)}),
        ("yolo", "kapao", {"input_size": (128, 128)}),
    ],
)
def test_a_drawn_network_of_each_space_is_exported(space: str, head: str, options: dict[str, Any]) -> None:
    tables = {
        "space": {"name": space},
        "strategy": {"name": "random"},
        "head": {"name": head, **options},
        "dataset": {"name": "synthetic"},
    }
    composition = compose(recipe_from_tables(tables))
    torch.manual_seed(0)
    network = composition.build(composition.space.sample(Random(1))).eval()
    module = bytes_to_poses(network, composition.view, head=head)
    file = open_model(
        to_onnx(module, examples_for(composition.view), opset=20).SerializeToString(), name=space
    )

    drawn = np.random.default_rng(1).integers(0, 256, (3, *options["input_size"], 3), np.uint8)
    inputs = [torch.from_numpy(drawn)] + ([torch.ones(3)] if head == "kapao" else [])
    with torch.no_grad():
        expected = module(*inputs)
    found = dict(
        zip(file.outputs, file.session.run(None, feeds([each.numpy() for each in inputs])), strict=True)
    )
    assert set(found) == set(expected)
    maps = [name for name in expected if name not in POSES]  # decoding is compared on maps with clear peaks
    assert maps
    for name in maps:
        values = expected[name].numpy()
        assert np.abs(found[name] - values).max() <= 1e-3 * np.abs(values).max()
