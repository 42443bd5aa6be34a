"""Do pretrained weights pay? SimpleBaseline on Leeds Sports Pose Extended, from a backbone and from nothing.

    python benchmarks/pretrained_start.py --root FOLDER --runs FOLDER [--seeds 3] [--json FILE]

The backbone is trained on the built-in people, once, as a stand-in for a published one; stem and stages of
ResNet-50 are taken, without transposed convolutions and head, as from an ImageNet classifier. Both arms train
the same network for the same epochs with the same seeds, which are paired. Each training is a run of its own
in the folder, so the script can be stopped and started again.
"""

from __future__ import annotations

from pathlib import Path

from experiments import finish, options, searched, seeds_of, spread
from posenas.composing.compose import compose
from posenas.runs.recipe import ComponentChoice, Recipe
from safetensors.torch import load_file, save_file

METRIC = "pck.PCK@0.2"
SPACE = ComponentChoice("fixed", {"width": 0.25})
HEAD = ComponentChoice("heatmap", {"input_size": [128, 128]})
TAKEN = ("backbone.stem.", "backbone.stage")


def training(epochs: int) -> ComponentChoice:
    return ComponentChoice("single", {"genotype": {"name": "simple-baseline-r50"}, "epochs": epochs})


def pretrained(folder: Path, *, people: int, epochs: int) -> Path:
    """The file of a backbone that was trained on the built-in people."""
    recipe = Recipe(
        space=SPACE,
        strategy=training(epochs),
        head=HEAD,
        dataset=ComponentChoice("synthetic", {"train_images": people}),
        seed=1000,
    )
    trial = searched(compose(recipe), folder)
    print(f"on the built-in people: oks.AP {trial.metrics['oks.AP']:.3f}", flush=True)
    weights = load_file(folder / "best" / "weights.safetensors")
    file = folder.with_suffix(".safetensors")
    save_file({name: tensor for name, tensor in weights.items() if name.startswith(TAKEN)}, file)
    return file


def on_lspet(root: Path, *, init: str, epochs: int, seed: int) -> Recipe:
    return Recipe(
        space=SPACE,
        strategy=training(epochs),
        head=HEAD,
        dataset=ComponentChoice("coco", {"root": str(root)}),
        evaluator=ComponentChoice("pck"),
        augmentation={"rotation": 40.0, "scale": 0.3, "half_body": 0.2},
        init=init,
        seed=seed,
    )


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--people", type=int, default=2000, help="pictures of the built-in people")
    parser.add_argument("--people-epochs", type=int, default=15)
    arguments = parser.parse_args()
    backbone = pretrained(
        arguments.runs / "backbone", people=arguments.people, epochs=arguments.people_epochs
    )
    found: dict[str, list[float]] = {"fresh": [], "pretrained": []}
    for seed in seeds_of(arguments):
        for arm, init in (("fresh", ""), ("pretrained", str(backbone))):
            recipe = on_lspet(arguments.root, init=init, epochs=arguments.epochs, seed=seed)
            trial = searched(compose(recipe), arguments.runs / f"{arm}-seed-{seed}")
            found[arm].append(trial.metrics[METRIC])
            print(f"seed {seed}, {arm}: {METRIC} {found[arm][-1]:.3f}", flush=True)
    differences = [one - other for one, other in zip(found["pretrained"], found["fresh"], strict=True)]
    summary = {arm: spread(values) for arm, values in found.items()}
    summary["pretrained minus fresh"] = spread(differences)
    settings = {
        "width": SPACE.options["width"],
        "view": HEAD.options["input_size"],
        "epochs": arguments.epochs,
        "pretraining": {"pictures": arguments.people, "epochs": arguments.people_epochs},
        "seeds": list(seeds_of(arguments)),
    }
    finish(arguments.json, settings, {METRIC: summary})


if __name__ == "__main__":
    main()
