"""The head zoom searched together with the space ofa: nesting weights, costs of parts, whole runs."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random

import pytest
import torch
from head_zoom.head import ZoomHead
from nas_ofa_elastic.space import ElasticSpace
from posenas import COCO_WHOLEBODY_133, Genotype, SearchSpace
from posenas.composing.building import build_holder, build_network, outline_network
from posenas.composing.joined import join
from posenas.learning.inference import recalibrate
from posenas.networks.counting import Costs, measure, measure_parts
from posenas.networks.output_change import measure_change
from posenas.networks.pose_network import PoseNetwork, SharedPoseNetwork
from running import Answer, refusal
from whole_body_files import write_whole_bodies

Posenas = Callable[..., Answer]

TINY = ElasticSpace("tiny", input_scales=(0.75, 1.0)), ZoomHead(input_size=(64, 64))
HRNET = (
    ElasticSpace("hrnet-w32", input_scales=(0.5, 1.0)),
    ZoomHead(
        input_size=(64, 64),
        networks="zoomnas",
        stages=(0, 1, 2, 3, 4),
        expansions=(1.0, 1.5, 2.0),
        sizes=(32, 48),
        encoding="gaussian",
        loss="mse",
    ),
)
PAIRS = pytest.mark.parametrize(
    ("space", "head", "number"),
    [(*TINY, 20), pytest.param(*HRNET, 20, marks=pytest.mark.slow)],
    ids=["tiny", "hrnet"],
)
QUICK = (
    "--head", "zoom", "-o", "head.input_size=64,64",
    "-o", "training.batch_size=8", "-o", "training.workers=0",
    "-o", "strategy.epochs=1", "-o", "strategy.candidates=2", "-o", "strategy.final_epochs=1",
)  # fmt: skip
PLAIN = (*QUICK, "-o", "dataset.points=133", "-o", "dataset.train_images=24", "-o", "dataset.val_images=8")
SANDWICH = ("--space", "ofa", "--strategy", "sandwich", "-o", "strategy.calibration_people=8")
SEARCH = (*SANDWICH, *PLAIN)


def network_of(space: SearchSpace, head: ZoomHead, genotype: Genotype) -> PoseNetwork:
    return build_network(space, genotype, head=head, keypoints=COCO_WHOLEBODY_133)


def shared_network(space: SearchSpace, head: ZoomHead) -> SharedPoseNetwork:
    """A super-network whose heads' outputs are about as large as after a training."""
    torch.manual_seed(0)
    holder = build_holder(space, head=head, keypoints=COCO_WHOLEBODY_133)
    with torch.no_grad():
        for parameter in holder.parameters():
            parameter.normal_(0.1, max(1, parameter[0].numel()) ** -0.5)
    return SharedPoseNetwork(partial(network_of, space, head), holder)


@PAIRS
def test_networks_cut_out_of_shared_weights_are_the_active_ones(
    space: ElasticSpace, head: ZoomHead, number: int
) -> None:
    joined = join(space, head)
    shared = shared_network(joined, head)
    images = torch.randn(4, 3, 64, 64)
    rng = Random(0)
    for _ in range(number):
        genotype = joined.sample(rng)
        active, own = shared.activate(genotype), shared.derive(genotype)
        static = network_of(joined, head, genotype)
        static.load_state_dict(own.state_dict())
        for network in (active, static):
            network.eval()
            recalibrate(network, [images])
        assert measure_change(active, static, [images]).largest <= 1e-5


@PAIRS
def test_every_parameter_of_the_holder_learns(space: ElasticSpace, head: ZoomHead, number: int) -> None:
    joined = join(space, head)
    shared = shared_network(joined, head)
    rng = Random(0)
    learnt: set[str] = set()
    parameters = dict(shared.shared.named_parameters())
    for genotype in (joined.largest(), *(joined.sample(rng) for _ in range(number))):  # type: ignore[attr-defined]
        outputs = shared.activate(genotype)(torch.randn(2, 3, 64, 64))
        sum((each.maps**2).sum() for each in outputs.values()).backward()
        learnt |= {name for name, each in parameters.items() if each.grad is not None}
    missing = [name for name in parameters if name not in learnt]
    if number < 10:  # too few draws for every stage
        missing = [name for name in missing if ".entry." not in name]
    assert not missing


def counted(space: SearchSpace, head: ZoomHead, genotype: Genotype) -> tuple[Costs, dict[str, Costs]]:
    outline = outline_network(space, genotype, head=head, keypoints=COCO_WHOLEBODY_133)
    return measure(outline, head.input_size), measure_parts(outline, head.input_size)


@PAIRS
def test_costs_are_the_sums_of_their_parts(space: ElasticSpace, head: ZoomHead, number: int) -> None:
    joined = join(space, head)
    rng = Random(1)
    for _ in range(number):
        whole, parts = counted(joined, head, joined.sample(rng))
        assert whole.macs == parts["backbone"].macs + parts["head"].macs
        assert whole.parameters == parts["backbone"].parameters + parts["head"].parameters
        inner = [parts[f"head.{name}"] for name in ("body", "face", "hand")]
        assert parts["head"].parameters == sum(each.parameters for each in inner)
        cropping = parts["head"].macs - sum(each.macs for each in inner)
        assert 0 < cropping < 0.03 * 1e9


def test_smaller_regions_and_smaller_inputs_cost_less() -> None:
    space, head = TINY
    joined = join(space, head)
    largest = dict(joined.largest())  # type: ignore[attr-defined]

    def parts(**changed: object) -> dict[str, int]:
        values = {name.replace("_", "."): value for name, value in changed.items()}
        _, found = counted(joined, head, {**largest, **values})
        return {name: costs.macs for name, costs in found.items()}

    full = parts()
    small = parts(head_face_size=16)
    assert small["head.face"] * 3.9 < full["head.face"]
    assert small["head.hand"] == full["head.hand"]
    assert parts(head_hand_size=16)["head.hand"] * 3.9 < full["head.hand"]
    scaled = parts(input_scale=0.75)
    assert scaled["head.body"] < 0.6 * full["head.body"]
    assert scaled["backbone"] < 0.6 * full["backbone"]
    assert scaled["head.face"] == full["head.face"]


@pytest.mark.slow
def test_a_search_of_everything_at_once(posenas: Posenas, tmp_path: Path) -> None:
    limits = ("--limit", "gmacs.head.face<=0.02", "--limit", "gmacs<=0.06")
    answer = posenas("compose", *SEARCH, *limits, "--run", "run", "--json")
    assert answer.status == 0, answer.err
    assert "warning" not in answer.err.lower()
    trials = json.loads((tmp_path / "run" / "trials.json").read_text())
    for trial in trials:
        assert trial["failure"] is None
        assert {"head.face.stage", "head.hand.size", "stem.width"} < trial["genotype"].keys()
        assert trial["costs"]["gmacs.head.face"] <= 0.02
    assert posenas("evaluate", "run", "--json").status == 0
    described = posenas("describe", "run", "--json")
    assert described.json["keypoints"] == 133


@pytest.mark.parametrize("strategy", ["random", pytest.param("evolution", marks=pytest.mark.slow)])
def test_other_strategies_train_heads_of_their_own(posenas: Posenas, strategy: str) -> None:
    more = ("-o", "strategy.population=2") if strategy == "evolution" else ()
    answer = posenas("compose", "--strategy", strategy, "--space", "ofa", *PLAIN, *more, "--json")
    assert answer.status == 0, answer.err
    assert answer.last_json["trials"] == 3
    assert "head.face.stage" in answer.last_json["best"]["genotype"]


def test_ones_own_keypoints_are_refused_before_anything_is_trained(posenas: Posenas) -> None:
    answer = posenas("compose", "--head", "zoom", "--dry-run")
    line = refusal(answer)
    assert "head zoom looks closely at regions face and hand" in line
    assert "dataset.points=133" in line


def test_a_stage_that_the_backbone_lacks_is_refused_whichever_is_drawn(posenas: Posenas) -> None:
    stages = ("-o", "dataset.points=133", "-o", "head.stages=0,1,2")
    line = refusal(posenas("compose", "--space", "ofa", "--head", "zoom", *stages, "--dry-run"))
    assert "stage 2 is no level at 1/4 of the backbone, which has 0 stem, 1 top; set head.stages" in line


def test_the_head_without_a_search(posenas: Posenas) -> None:
    fixed = ("--space", "fixed", "--strategy", "random", "-o", "space.width=0.1", "-o", "head.searched=false")
    answer = posenas("compose", *fixed, *PLAIN, "--json")
    assert answer.status == 0, answer.err
    assert set(answer.last_json["best"]["genotype"]) == {"name"}


def test_published_costs(posenas: Posenas) -> None:
    """ZoomNAS, table 10: within 1 % of 16.02 + 4.19 + 2 x 4.14; HRNet of 133 keypoints within 0.5 %."""
    described = posenas("describe", "zoomnet", "--json").json
    assert described["paper_gflops"] == pytest.approx(28.49, rel=0.01)
    parts = {name: costs["paper_gflops"] for name, costs in described["parts"].items()}
    assert parts["backbone"] + parts["head.body"] == pytest.approx(16.02, rel=0.01)
    assert parts["head.face"] == pytest.approx(4.19, rel=0.01)
    assert parts["head.hand"] / 2 == pytest.approx(4.14, rel=0.01)
    alone = posenas("describe", "hrnet-w32-wholebody", "--json").json
    assert alone["paper_gflops"] == pytest.approx(16.04, rel=0.005)


RECIPES = Path(__file__).parents[1] / "recipes"


def test_the_small_recipe_composes(posenas: Posenas) -> None:
    answer = posenas("compose", "--recipe", str(RECIPES / "wholebody-mini.toml"), "--dry-run")
    assert answer.status == 0, answer.err


@pytest.mark.slow
def test_zoomnass_recipe_composes(posenas: Posenas, tmp_path: Path) -> None:
    write_whole_bodies(tmp_path)
    words = (
        "compose",
        "--recipe",
        str(RECIPES / "zoomnas.toml"),
        "-o",
        f"dataset.root={tmp_path}",
        "--dry-run",
    )
    answer = posenas(*words, "--json")
    assert answer.status == 0, answer.err
    assert answer.json == {"fits": True}


def test_photographs_train_and_evaluate(posenas: Posenas) -> None:
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("POSENAS_TEST_DATA", beside)) / "samples" / "coco"
    if not folder.is_dir():
        pytest.skip(f"no {folder}; set POSENAS_TEST_DATA to the folder of real data")
    file = "test_coco_wholebody.json"
    data = (
        f"dataset.root={folder}",
        f"dataset.train={file}",
        f"dataset.val={file}",
        "evaluation.held_out=0.5",
    )
    answer = posenas(
        "compose", *SANDWICH, *QUICK, "--dataset", "cocowholebody", "--evaluator", "wholebody",
        *(word for option in data for word in ("-o", option)), "--json",
    )  # fmt: skip
    assert answer.status == 0, answer.err
    assert answer.last_json["best"]["metrics"]["wholebody.face.AP"] >= 0
