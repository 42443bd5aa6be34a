"""`evaluate` and `predict` with `--init`: networks that no run trained, fed as their weights were trained."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from nas_ofa_elastic.space import ElasticSpace
from posenas import compose
from posenas.composing.building import build_holder, build_network, make_pair
from posenas.composing.initial_weights import build_from, load_initial_weights
from posenas.composing.named_networks import find_network
from posenas.contract.batches import Batch
from posenas.contract.genotype import Genotype
from posenas.contract.normalisation import IMAGENET, Normalisation
from posenas.data.normalising import normalise
from posenas.learning.sandwich_step import SandwichStep
from posenas.networks.devices import Compute
from posenas.networks.pose_network import PoseNetwork, SharedPoseNetwork
from posenas.prediction.trained import load_filled
from posenas.runs.recipe import recipe_text
from posenas.standard.synthetic.dataset import SyntheticDataset
from published import FOLDER, LACKING, empty_tensors, filler, write
from running import SMALL, Answer, refusal
from safetensors.torch import save_file

Command = Callable[..., Answer]

WIDTH = ("-o", "space.width=0.125")
BGR = ("-o", "normalisation.order=bgr")
PCK = ("--evaluator", "pck")
CPU = Compute(torch.device("cpu"), None)
needs_checkpoints = pytest.mark.skipif(not FOLDER.is_dir(), reason=LACKING)


def metrics(answer: Answer) -> Any:
    assert answer.status == 0, answer
    return answer.last_json["metrics"]


def picture(path: Path) -> Path:
    pixels = SyntheticDataset(train_images=2, val_images=2).split("val")[0].source.read()
    cv2.imwrite(str(path), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return path


def poses(posenas: Command, *arguments: str | Path) -> list[dict[str, Any]]:
    answer = posenas("predict", *arguments, "--json")
    assert answer.status == 0, answer
    found: list[dict[str, Any]] = json.loads(Path(answer.last_json["results"]).read_text())
    return found


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Random weights of the zoo's MobileNetV2 at an eighth of its width."""
    network = find_network("mobilenetv2-pose")
    narrow = replace(network.space, options={"width": 0.125})
    space, head = make_pair(narrow, network.head)
    torch.manual_seed(0)
    made = build_network(space, network.genotype, head=head, keypoints=network.keypoints)
    torch.nn.init.normal_(made.get_parameter("head.convolution.weight"))
    save_file(made.state_dict(), tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


def test_a_network_with_weights_of_a_file_predicts_and_is_scored(
    posenas: Command, tmp_path: Path, weights: Path
) -> None:
    image, grey = picture(tmp_path / "image.png"), ("-o", "normalisation.mean=0.5,0.5,0.5")
    told = f"init {weights}: 100.0 % of the parameters taken from it"
    even = (*grey, "-o", "normalisation.deviation=0.25,0.25,0.25")
    rgb = poses(posenas, "mobilenetv2-pose", image, "--init", weights, *WIDTH, *even)
    bgr = poses(posenas, "mobilenetv2-pose", image, "--init", weights, *WIDTH, *even, *BGR)
    cv2.imwrite(str(image), cv2.imread(str(image))[:, :, ::-1])
    assert poses(posenas, "mobilenetv2-pose", image, "--init", weights, *WIDTH, *even, *BGR) == rgb != bgr
    answer = posenas("evaluate", "mobilenetv2-pose", "--init", weights, *WIDTH, *SMALL, *PCK, "--json")
    assert 0 <= metrics(answer)["pck.PCK@0.2"] < 0.2
    assert answer.err.splitlines()[0] == told
    assert not Path("runs").exists()


def test_a_recipe_that_begins_with_weights_says_how_they_are_fed(tmp_path: Path, weights: Path) -> None:
    options: dict[str, Any] = {
        "space.width": 0.125,
        "strategy.genotype": {"name": "mobilenetv2"},
        "dataset.train_images": 4,
        "dataset.val_images": 2,
        "normalisation.order": "bgr",
    }
    chosen: dict[str, Any] = {"space": "fixed", "strategy": "single"}
    composition = compose(**chosen, init=str(weights), options=options)
    assert composition.view.normalisation == Normalisation("bgr")
    (tmp_path / "run" / "best").mkdir(parents=True)
    weights.rename(tmp_path / "run" / "best" / "weights.safetensors")
    (tmp_path / "run" / "recipe.toml").write_text(recipe_text(composition.recipe))
    del options["normalisation.order"]
    begun = compose(**chosen, init=str(tmp_path / "run"), options=options)
    assert begun.recipe.normalisation == {
        "order": "bgr",
        "scale": 255.0,
        "mean": list(IMAGENET.mean),
        "deviation": list(IMAGENET.deviation),
    }
    assert begun.fed.startswith("; images are fed as BGR")


@pytest.mark.slow
def test_a_run_feeds_its_network_alike_in_training_scoring_predicting_and_later_runs(
    posenas: Command, tmp_path: Path
) -> None:
    train = ("train", "mobilenetv2-pose", *WIDTH, *SMALL, *PCK, "--epochs", "1", "--precision", "32")
    best = posenas(*train, *BGR, "--run", "first", "--json").last_json["best"]["metrics"]
    assert metrics(posenas("evaluate", "first", "--json")) == best
    evaluate = ("evaluate", "mobilenetv2-pose", *WIDTH, *SMALL, *PCK, "--json", "--init")
    for file in (("first",), ("first/best/weights.safetensors", *BGR)):
        answer = posenas(*evaluate, *file)
        assert metrics(answer) == best
        assert answer.err.count("100.0 % of the parameters taken from it; images are fed as BGR, 0 to 1") == 1
    assert metrics(posenas(*evaluate, "first/best/weights.safetensors")) != best
    refused = refusal(posenas("evaluate", "first", "-o", "normalisation.order=rgb"))
    assert "table [normalisation]: first was trained with its own" in refused

    image, head = picture(tmp_path / "image.png"), ("-o", "head.input_size=64,64")
    found = poses(posenas, "first", image)
    assert poses(posenas, "mobilenetv2-pose", image, "--init", "first", *WIDTH, *head) == found
    cv2.imwrite(str(image), cv2.imread(str(image))[:, :, ::-1])
    assert poses(posenas, "first", image) != found

    begun = posenas(*train, "--init", "first", "--run", "second")
    assert "taken from it; images are fed as BGR, 0 to 1, less (0.485, 0.456, 0.406)" in begun.err
    first, second = (tomllib.loads(Path(run, "recipe.toml").read_text()) for run in ("first", "second"))
    assert first["normalisation"] == second["normalisation"]
    again = posenas("train", "second", "--epochs", "2", "--run", "third", "--init", "", "--json")
    assert (again.status, "normalisation" in Path("third/recipe.toml").read_text()) == (0, False)


def test_networks_without_weights_are_refused(posenas: Command, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text("{}")
    image = picture(tmp_path / "image.png")
    for name in ("hrnet-w32", "one.json"):
        says = f"{name}: a network without weights; add --init FILE, or give a run's folder"
        assert says in refusal(posenas("evaluate", name))
        assert says in refusal(posenas("predict", name, image))
    assert "no network of the zoo; did you mean 'hrnet-w32'?" in refusal(posenas("evaluate", "hrnet-w3"))
    told = refusal(posenas("predict", "hrnet-w32", image, "--init", "file", "--space", "ofa"))
    assert "--space ofa: hrnet-w32 is no genotype's file; leave it out" in told


def without_values(name: str, path: Path) -> Path:
    """Write a published file whose tensors are all 0."""
    shapes = {own: tensor.shape for own, tensor in empty_tensors(name).items()}
    return write(name, path, {own: np.zeros(shape, np.float32) for own, shape in shapes.items()})


@needs_checkpoints
def test_weights_that_leave_a_part_fresh_or_are_of_another_family_are_refused(
    posenas: Command, tmp_path: Path
) -> None:
    image = picture(tmp_path / "image.png")
    trunk = without_values("torchvision-mobilenet-v2", tmp_path / "trunk.pth")
    told = refusal(posenas("predict", "mobilenetv2-pose", image, "--init", trunk))
    assert "23.2 % of the parameters taken from it; fresh are backbone.deconv.0.0.weight" in told
    assert "what is fresh is random" in told
    other = without_values("mmpose-vipnas-res50", tmp_path / "other.pth")
    told = refusal(posenas("predict", "mobilenetv2-pose", image, "--init", other))
    assert "its weights are of S-ViPNAS-Res50 (importer vipnas), another network: this one has 18 of " in told
    assert not Path("predictions").exists()


@needs_checkpoints
@pytest.mark.slow
def test_people_have_the_keypoints_that_the_weights_are_for(posenas: Command, tmp_path: Path) -> None:
    shapes = {own: list(tensor.shape) for own, tensor in empty_tensors("mmpose-mobilenetv2").items()}
    for own, shape in shapes.items():
        if own.startswith("head.final_layer"):
            shape[0] = 16
    values = {own: np.zeros(shape, np.float32) for own, shape in shapes.items()}
    file = write("mmpose-mobilenetv2", tmp_path / "mpii.pth", values)
    (found,) = poses(posenas, "mobilenetv2-pose", picture(tmp_path / "image.png"), "--init", file)
    assert len(found["keypoints"]) == 3 * 16
    told = refusal(posenas("evaluate", "mobilenetv2-pose", *SMALL, "--init", file))
    assert "fresh are the head's rows of nose, left_eye, right_eye" in told


def filled(name: str, path: Path) -> PoseNetwork:
    network = find_network(name)
    space, head = make_pair(network.space, network.head)
    chosen = {"head": head, "keypoints": network.keypoints, "compute": CPU}
    made, _ = build_from(load_initial_weights(str(path)), space, network.genotype, **chosen)
    return made.eval()


@needs_checkpoints
@pytest.mark.slow
def test_an_image_fed_as_bgr_gives_the_maps_of_the_authors_of_simple_baseline(tmp_path: Path) -> None:
    """The reference was fed the picture whose normalised RGB follows from a formula, as BGR."""
    network = filled("simple-baseline-r50", write("official-simple-baseline-r50", tmp_path / "file"))
    mean, deviation = (torch.tensor(each).reshape(3, 1, 1) for each in (IMAGENET.mean, IMAGENET.deviation))
    rgb = torch.from_numpy(filler().image()) * deviation + mean
    fed = normalise(rgb.to(memory_format=torch.channels_last), Normalisation("bgr"))
    stored = np.load(FOLDER / "official-simple-baseline-r50.npz")
    with torch.no_grad():
        difference = filler().compare(network(fed).numpy(), stored, "heatmaps_of_rgb")
        unlike = filler().compare(network(normalise(rgb, IMAGENET)).numpy(), stored, "heatmaps_of_rgb")
    print(difference, unlike)
    assert difference < 1e-4
    assert unlike > 0.5


@needs_checkpoints
@pytest.mark.slow
def test_hrnet_predicts_with_a_file_of_mmpose_as_its_authors_do(posenas: Command, tmp_path: Path) -> None:
    file = write("mmpose-hrnet-w32", tmp_path / "hrnet.pth")
    answer = posenas("predict", "hrnet-w32", picture(tmp_path / "image.png"), "--init", file, "--json")
    assert (answer.status, answer.last_json["poses"]) == (0, 1)
    assert "weights of HRNet-W32 (importer hrnet): 100.0 % of the parameters taken from it" in answer.err
    trained, _ = load_filled("hrnet-w32", init=str(file), space=None, assignments=(), flags={"device": "cpu"})
    with torch.no_grad():
        maps = trained.network(torch.from_numpy(filler().image()))
    difference = filler().compare(maps.numpy(), np.load(FOLDER / "mmpose-hrnet-w32.npz"), "heatmaps")
    print(difference)
    assert difference < 1e-4


@needs_checkpoints
@pytest.mark.slow
def test_all_hrnets_of_a_published_super_network_have_finite_losses_after_a_step(tmp_path: Path) -> None:
    """The gates and convolutions that a published HRNet lacks begin as identities, and learn from there."""
    weights = load_initial_weights(str(write("official-hrnet-w32", tmp_path / "file")))
    network = find_network("vipnas-hrnet-w32-largest")
    space, head = make_pair(network.space, network.head)
    assert isinstance(space, ElasticSpace)

    def build(genotype: Genotype) -> PoseNetwork:
        return build_network(space, genotype, head=head, keypoints=network.keypoints)

    torch.manual_seed(0)
    holder = build_holder(space, head=head, keypoints=network.keypoints)
    weights.fill(holder, keypoints=network.keypoints.names)
    shared = SharedPoseNetwork(build, holder).train()
    points = torch.rand(2, 17, 2) * torch.tensor([191.0, 255.0])
    batch = Batch(torch.randn(2, 3, 256, 192), points, torch.ones(2, 17))
    optimizer = torch.optim.Adam(shared.parameters(), lr=1e-3)
    step = SandwichStep(space, random_networks=2, distillation="truth+teacher")
    losses = step(shared, batch, Random(0), update="weights", progress=0.0)
    optimizer.step()
    members = [space.largest(), space.smallest(), *(space.sample(Random(seed)) for seed in range(4))]
    after = []
    for genotype in members:
        member = shared.activate(genotype)
        with torch.no_grad():
            after.append(float(member.head.loss(member(batch.images), member.head.targets(batch))))
    print(losses, after)
    assert np.isfinite([*map(float, losses.values()), *after]).all()
    assert all(torch.isfinite(tensor).all() for tensor in shared.state_dict().values())
