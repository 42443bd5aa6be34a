"""The recipes of papers train as the papers do, and all recipes compose and train."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from posenas.composing.building import make, make_pair
from posenas.composing.options import option_values
from posenas.composing.phases import PhaseSettings, planned
from posenas.composing.plugins import Owner
from posenas.composing.settings import make_augmentation, make_settings
from posenas.data.mosaic import ImageAugmentation
from posenas.learning.schedule import learning_rate
from posenas.learning.settings import TrainingSettings
from posenas.runs.recipe import ComponentChoice, Recipe, read_recipe, recipe_from_tables
from running import Answer
from whole_body_files import write_whole_bodies

Posenas = Callable[..., Answer]

FOLDER = Path(__file__).parents[1] / "recipes"
PEOPLE = 149_813
"""Training people of COCO 2017, as the papers count them; KAPAO's images are COCO_IMAGES."""
COCO_IMAGES = 118_287


@dataclass(frozen=True)
class Printed:
    """A training as a paper prints it. What the paper does not say is its code's, with "code" beside it.

    Attributes:
        trainings: how many there are of how many epochs.
        batch: people in a step, or images.
        rates: the learning rate after so many epochs.
        optimizer: with its momentum, or its betas.
        decay: what weight decay adds to the gradient, as a share of the weight.
        sizes: the factors between which people are scaled.
        rotation: the largest one in degrees, and how often people are rotated at all.
        normal: whether sizes and rotations are drawn normally.
        half_body: how often only the upper or lower body is shown.
        average: decay and ramp of the weights' average.
        people: that one epoch passes over.
    """

    trainings: Mapping[int, int]
    batch: int
    rates: Mapping[float, float]
    optimizer: tuple[Any, ...] = ("adam", 0.9, 0.999)
    decay: float = 0.0
    sizes: tuple[float, float] = (1.0, 1.0)
    rotation: tuple[float, float] = (0.0, 0.0)
    normal: bool = False
    half_body: float = 0.0
    average: tuple[float, int] = (0.0, 0)
    people: int = PEOPLE


@dataclass(frozen=True)
class Published:
    """What a paper says beside its trainings, by the names of options, and the trainings by phase."""

    options: Mapping[str, Any]
    trainings: Mapping[str, Printed]
    limits: tuple[str, ...] = ()
    sigma: float = 2.0
    input_size: tuple[int, int] = (256, 192)


def falling(highest: float, milestones: tuple[int, ...], factor: float = 0.1) -> dict[float, float]:
    """The rates just before and after each milestone."""
    rates = {0.0: highest}
    for number, epoch in enumerate(milestones):
        rates |= {epoch - 0.1: highest * factor**number, epoch + 0.1: highest * factor ** (number + 1)}
    return rates


def vipnas(backbone: str, gflops: str) -> Published:
    """Section 4.2; the released networks' training as mmpose has it (code)."""
    search = Printed({250: 1}, 512, falling(1e-3, (200, 230)), rotation=(40.0, 1.0))
    steps = math.ceil(PEOPLE / 512)
    warm = {0.0: 5e-7, 250 / steps: 2.5e-4, 500 / steps: 5e-4}
    released = Printed(
        {210: 1},
        512,
        warm | {2.0: 5e-4, 169.9: 5e-4, 170.1: 5e-5, 199.9: 5e-5, 200.1: 5e-6},
        sizes=(0.75, 1.25),
        rotation=(60.0, 0.6),
        normal=True,
        half_body=0.3,
    )
    options = {
        "space.backbone": backbone,
        "strategy.candidates": 500,
        "strategy.distillation": "truth+teacher",
        "strategy.random_networks": 2,
        "strategy.final_weights": "fresh",
        "head.loss": "mse",
        "evaluation.held_out": 0.0,
    }
    return Published(options, {"shared": search, "final": released}, (f"paper_gflops<={gflops}",))


def evopose2d(gamma: float, children: int) -> Published:
    """Section 3.4; gamma and children of E1 and E2, and the augmentation of the last training (code)."""
    # Keras adds 1e-5 of the squared weights to a loss of maps that peak at 255.
    decay = 2e-5 / 255**2
    search = Printed({30: 1, 5: 16 * children}, 512, {0.0: 4e-3}, decay=decay)
    last = Printed(
        {200: 1},
        512,
        {0.0: 2.5e-4, 2.5: (2.5e-4 + 4e-3) / 2, 5.0: 4e-3, 102.5: 2e-3, 199.99: 0.0},
        decay=decay,
        sizes=(0.7, 1.3),
        rotation=(80.0, 0.6),
        normal=True,
    )
    options = {
        "space.width": 1.0,
        "space.padding": "keras",
        "strategy.target_parameters": 5e6,
        "strategy.inheritance": True,
        "strategy.final_weights": "fresh",
        "strategy.plan.gamma": gamma,
        "strategy.plan.parents": 4,
        "head.loss": "mse",
        "training.decay_depthwise": False,
        "evaluation.held_out": 0.0,
    }
    return Published(options, {"candidate": search, "final": last})


PAPERS = {
    # Xiao et al., ECCV 2018, section 3; probability and normal draws of the rotation: code.
    "simple-baseline": Published(
        {"space.name": "fixed", "strategy.genotype": {"name": "simple-baseline-r50"}, "head.loss": "mse"},
        {
            "final": Printed(
                {140: 1},
                128,
                falling(1e-3, (90, 120)),
                sizes=(0.7, 1.3),
                rotation=(80.0, 0.6),
                normal=True,
            )
        },
    ),
    # Sun et al., CVPR 2019, section 4.1; batch, half bodies, probability and normal draws: code.
    "hrnet-w32": Published(
        {"space.name": "fixed", "strategy.genotype": {"name": "hrnet-w32"}, "head.loss": "mse"},
        {
            "final": Printed(
                {210: 1},
                128,
                falling(1e-3, (170, 200)),
                sizes=(0.65, 1.35),
                rotation=(90.0, 0.6),
                normal=True,
                half_body=0.3,
            )
        },
    ),
    "vipnas-res50": vipnas("resnet50", "1.44"),
    "vipnas-mbv3": vipnas("mobilenetv3", "0.70"),
    "vipnas-hrnet": vipnas("hrnet-w32", "5.64"),
    "evopose2d-e1": evopose2d(-0.04, 32),
    "evopose2d-e2": evopose2d(-0.07, 32),
    "evopose2d-e3": evopose2d(-0.07, 64),
    # Yang et al., 2019, sections IV-A and IV-D, Ours-1; sigma: code.
    "posenfs": Published(
        {
            "space.backbone": "mobilenetv2",
            "space.width": 1.0,
            "space.parts": 3,
            "space.channels": 16,
            "space.hidden": 1,
            "space.operations": ["zero", "skip", "sep3", "dil3"],
            "strategy.architecture_rate": "none",
            "head.dimension": 8,
        },
        {
            "shared": Printed(
                {200: 1},
                24,
                falling(1e-3, (90, 120, 150), 0.25),
                sizes=(0.7, 1.3),
                rotation=(45.0, 1.0),
            )
        },
        sigma=3.0,
        input_size=(384, 288),
    ),
    # Xu et al., TPAMI 2022, section 6.1.2.
    "zoomnas": Published(
        {
            "space.backbone": "hrnet-w32",
            "strategy.candidates": 500,
            "strategy.random_networks": 2,
            "strategy.final_weights": "fresh",
            "head.region_sigma": 3.0,
            "head.loss": "mse",
            "evaluation.held_out": 0.0,
        },
        {
            phase: Printed({210: 1}, 256, falling(1e-3, (170, 200)), sizes=(0.5, 1.5), rotation=(40.0, 1.0))
            for phase in ("shared", "final")
        },
        ("paper_gflops<=18.1",),
        sigma=3.0,
        input_size=(384, 288),
    ),
    # Gong et al., CVPR Workshops 2020, section 4.2: 1,100 steps an epoch, each with a batch of both halves.
    "autopose": Published(
        {
            "space.channels": 16,
            "space.scales": 4,
            "space.stages": 3,
            "space.modules": 2,
            "strategy.architecture_rate": 3e-3,
            "strategy.controller_from": 5,
            "strategy.updates": 10,
            "strategy.controller_batch": 2,
            "strategy.controller_rate": 3.5e-3,
            "strategy.candidates": 10,
            "head.loss": "mse",
            "evaluation.held_out": 0.0,
        },
        {
            "shared": Printed(
                {50: 1},
                PEOPLE // 2 // 1100,
                {0.0: 1e-3},
                optimizer=("adam", 0.9, 0.99),
                rotation=(45.0, 1.0),
            ),
            "final": Printed(
                {210: 1},
                128,
                falling(1e-3, (170, 200)),
                optimizer=("adam", 0.9, 0.99),
                rotation=(45.0, 1.0),
            ),
        },
    ),
    # McNally, thesis, 2022, section 4.3.1 and table 4.1; the rest is the P6 settings (code).
    # The code multiplies the mean loss by the batch of 128: so are the rates here, and the decay is divided.
    "kapao-s": Published(
        {
            "space.size": "s",
            "head.pose_threshold": 0.001,
            "head.keypoint_threshold": 0.2,
            "head.pose_overlap": 0.65,
            "head.keypoint_overlap": 0.25,
            "head.fusion_confidence": 0.3,
            "head.fusion_distance": 50.0,
            "head.keypoint_size": 0.05,
            "head.box_gain": 0.05,
            "head.objectness_gain": 0.7,
            "head.class_gain": 0.3,
            "head.keypoint_gain": 0.025,
            "augmentation.mosaic": 1.0,
            "augmentation.flip": 0.5,
            "augmentation.translate": 0.1,
            "augmentation.hue": 0.015,
            "augmentation.saturation": 0.7,
            "augmentation.value": 0.4,
            "training.keep": "best",
            "evaluation.held_out": 0.0,
            "evaluation.flip_test": False,
        },
        {
            "final": Printed(
                {500: 1},
                128,
                {0.0: 0.0, 1.5: 0.64, 3.0: 1.28, 499.99: 0.256},
                optimizer=("sgd", "nesterov", 0.937),
                decay=1e-3 / 128,
                sizes=(0.1, 1.9),
                average=(0.9999, 2000),
                people=COCO_IMAGES,
            )
        },
        input_size=(1280, 1280),
    ),
}


@dataclass(frozen=True)
class Told:
    """What a recipe of the folder says, with all defaults."""

    recipe: Recipe
    trainings: Mapping[str, Mapping[int, int]]
    phases: Mapping[str, PhaseSettings]
    options: Mapping[str, Any]


@cache
def told(name: str) -> Told:
    recipe = recipe_from_tables(read_recipe(FOLDER / f"{name}.toml"))
    space, head = make_pair(recipe.space, recipe.head)
    strategy = make("strategy", recipe.strategy)
    settings = make_settings(recipe)
    augmentation, own = make_augmentation(recipe, head)
    trainings: dict[str, dict[int, int]] = {}
    for each in planned(strategy, space, owner=Owner("strategy", recipe.strategy.name)) or ():
        counts = trainings.setdefault(each.phase, {})
        counts[each.epochs] = counts.get(each.epochs, 0) + each.number
    usual = PhaseSettings(settings["training"], augmentation)
    components = {"space": make("space", recipe.space), "strategy": strategy, "head": head, **settings}
    options = {
        f"{table}.{option}": value
        for table, component in (components | {"augmentation": augmentation}).items()
        for option, value in option_values(component).items()
    }
    options["space.name"] = recipe.space.name
    if hasattr(strategy, "plan"):
        options |= {f"strategy.plan.{name}": value for name, value in vars(strategy.plan).items()}
    return Told(recipe, trainings, {**dict.fromkeys(trainings, usual), **own}, options)


@pytest.mark.parametrize("name", PAPERS)
def test_a_recipe_has_the_settings_of_its_paper(name: str) -> None:
    paper, recipe = PAPERS[name], told(name)
    found = {option: recipe.options.get(option) for option in paper.options}
    assert found == dict(paper.options)
    assert recipe.options["head.input_size"] == list(paper.input_size)
    assert recipe.recipe.limits == paper.limits
    if name != "kapao-s":  # which has no maps
        assert (recipe.options["head.encoding"], recipe.options["head.sigma"]) == ("gaussian", paper.sigma)
    assert {phase: each.trainings for phase, each in paper.trainings.items()} == recipe.trainings


@pytest.mark.parametrize(
    ("name", "phase"), [(name, phase) for name, paper in PAPERS.items() for phase in paper.trainings]
)
def test_a_phase_trains_as_its_paper_prints(name: str, phase: str) -> None:
    printed, settings = PAPERS[name].trainings[phase], told(name).phases[phase].training
    batch = settings.batch_size * settings.accumulate
    assert batch == printed.batch
    assert optimizer_of(settings) == printed.optimizer
    assert settings.weight_decay == pytest.approx(printed.decay, rel=1e-4)
    assert (settings.ema_decay, settings.ema_ramp) == printed.average
    epochs = max(printed.trainings)
    steps = epochs * math.ceil(printed.people / batch)
    least = 1e-5 * max(printed.rates.values())
    for epoch, rate in printed.rates.items():
        found = learning_rate(epoch / epochs, settings, epochs=epochs, steps=steps)
        assert found == pytest.approx(rate, rel=1e-3, abs=least), epoch


@pytest.mark.parametrize(
    ("name", "phase"), [(name, phase) for name, paper in PAPERS.items() for phase in paper.trainings]
)
def test_a_phase_changes_its_pictures_as_its_paper_does(name: str, phase: str) -> None:
    printed, changes = PAPERS[name].trainings[phase], told(name).phases[phase].augmentation
    assert (1 - changes.scale, 1 + changes.scale) == pytest.approx(printed.sizes)
    assert changes.flip == 0.5
    if isinstance(changes, ImageAugmentation):
        return
    normal = changes.draws == "normal"
    rotated = (changes.rotation * (2 if normal else 1), changes.rotated if changes.rotation else 0.0)
    assert (rotated, normal) == (printed.rotation, printed.normal)
    assert (changes.half_body, changes.shift, changes.colour) == (printed.half_body, 0.0, 0.0)


def optimizer_of(settings: TrainingSettings) -> tuple[Any, ...]:
    if settings.optimizer == "sgd":
        return ("sgd", "nesterov" if settings.nesterov else "plain", settings.momentum)
    return (settings.optimizer, *settings.betas)


def test_every_recipe_is_on_the_page_of_recipes() -> None:
    page = (FOLDER.parent / "docs" / "recipes.md").read_text()
    assert {path.stem for path in FOLDER.glob("*.toml")} == set(re.findall(r"^\| `([\w-]+)` \|", page, re.M))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """32 drawn pictures to train on. Files of COCO-WholeBody are files of COCO too."""
    root = tmp_path_factory.mktemp("data")
    write_whole_bodies(root, train_images=32, val_images=8)
    return root


def command(name: str) -> tuple[str, ...]:
    """The command that the recipe's comment names, without files and folders."""
    comment = (FOLDER / f"{name}.toml").read_text()
    verb, network = re.search(r"^#     posenas (train|compose)( [\w-]+)? --recipe", comment, re.M).groups()
    return (verb, *filter(None, [(network or "").strip()]), "--recipe", str(FOLDER / f"{name}.toml"))


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPERS)
def test_a_recipe_composes(posenas: Posenas, data: Path, name: str) -> None:
    answer = posenas(*command(name), "-o", f"dataset.root={data}", "--dry-run")
    assert (answer.status, answer.err.splitlines()[-1]) == (0, "the five components fit together"), answer


FEW = (
    "training.workers=0", "training.parallel=1", "training.batch_size=8", "training.accumulate=1",
    "evaluation.ranking_people=8", "evaluation.batch_size=8",
)  # fmt: skip
EARLIER = ("training.milestones=0.8,0.92",)
ONE_EPOCH = ("strategy.epochs=1",)
OF_TWO = (
    *ONE_EPOCH, *EARLIER, "strategy.candidates=2", "strategy.calibration_people=8", "strategy.final_epochs=1",
    "training.final.milestones=0.8,0.92",
)  # fmt: skip
A_GENERATION = (
    "strategy.generations=1", "strategy.children=2", "strategy.parents=1", "strategy.ancestor_epochs=1",
    "strategy.child_epochs=1", "strategy.final_epochs=1", "training.final.warm_up=0.2",
)  # fmt: skip
SMALLER = ("head.input_size=128,96",)
SHORT = {
    "simple-baseline": (*ONE_EPOCH, *EARLIER),
    "hrnet-w32": (*ONE_EPOCH, *EARLIER),
    "vipnas": (*OF_TWO, *SMALLER, "training.final.warm_up_steps=2"),
    "evopose2d": (*A_GENERATION, *SMALLER),
    "posenfs": (*ONE_EPOCH, *EARLIER, "head.input_size=192,128"),
    "zoomnas": (
        *ONE_EPOCH, *EARLIER, *OF_TWO[2:5], *SMALLER, "head.sizes=16", "strategy.random_networks=0",
    ),
    "autopose": (
        *OF_TWO, *SMALLER, "strategy.controller_from=1", "strategy.updates=1",
        "training.shared.milestones=0.8,0.92",
    ),
    "kapao-s": (*ONE_EPOCH, "training.warm_up=0.2", "head.input_size=320,320"),
}  # fmt: skip
"""What makes a recipe an epoch of 32 pictures, by the beginning of its name. Most inputs are cut."""


@pytest.mark.slow
@pytest.mark.parametrize("name", PAPERS)
def test_a_recipe_trains(posenas: Posenas, data: Path, name: str) -> None:
    (short,) = [options for begin, options in SHORT.items() if name.startswith(begin)]
    assignments = [f"dataset.root={data}", *FEW, *short]
    options = [word for text in assignments for word in ("-o", text)]
    answer = posenas(*command(name), *options, "--run", "run", "--json")
    assert answer.status == 0, answer
    assert answer.last_json["best"]["metrics"]
    losses = [float(each) for each in re.findall(r"epoch 1 of 1, loss ([^\s,]+)", answer.err)]
    assert losses
    assert all(map(math.isfinite, losses)), answer.err


@pytest.mark.parametrize(
    ("space", "options"),
    [
        *(("ofa", {"backbone": backbone}) for backbone in ("resnet50", "mobilenetv3", "hrnet-w32")),
        ("evo", {"width": 1.0}),
        ("cnf", {"width": 1.0}),
        ("yolo", {"size": "s"}),
    ],
)
def test_the_recipe_that_a_space_names_has_what_it_is_made_for(space: str, options: dict[str, Any]) -> None:
    made = make("space", ComponentChoice(space, options)).made_for()
    recipe = recipe_from_tables(read_recipe(FOLDER.parent / made.recipe))
    assert (recipe.space.name, recipe.head.name) == (space, made.head["name"])
    assert maps(option_values(make("head", recipe.head))) == maps(made.head)


def maps(head: Mapping[str, Any]) -> list[Any]:
    """What targets are made of; a standard deviation as a share of the view, which may be another one."""
    deviation = head["sigma"] / head["input_size"][0] if "sigma" in head else None
    return [head.get("encoding"), head.get("loss"), deviation]
