"""How a search by `bilevel` goes on the built-in data, for several seeds (AutoPose's figure 6).

    python benchmarks/bilevel_course.py --runs FOLDER [--seeds 3] [--json FILE] [--picture FILE]

The runs are those of `posenas compose --space autopose --strategy bilevel --seed SEED`. The picture has
a line for each seed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments import finish, options, searched, seeds_of
from posenas.charts import BLUE, RED, new_figure, plain_axes, png, whole_ticks
from posenas.composing.compose import compose
from posenas.runs.recipe import ComponentChoice, Recipe

Course = Sequence[Mapping[str, float]]
PANELS = (
    (
        "entropy (1: all are alike)",
        {"cell entropy": (BLUE, "cells"), "controller entropy": (RED, "controller")},
    ),
    ("oks.AP on ranking people", {"likeliest": (BLUE, "likeliest draw"), "reward": (RED, "mean reward")}),
)
LINES = ("-", "--", ":", "-.")


def course(folder: Path, seed: int) -> dict[str, Any]:
    recipe = Recipe(
        space=ComponentChoice("autopose"),
        strategy=ComponentChoice("bilevel"),
        head=ComponentChoice("heatmap"),
        dataset=ComponentChoice("synthetic"),
        evaluator=ComponentChoice("oks"),
        seed=seed,
    )
    trial = searched(compose(recipe), folder)
    lines = map(json.loads, (folder / "journal.jsonl").read_text().splitlines())
    notes = [line for line in lines if line["effect"] == "note"]
    return {
        "oks.AP": trial.metrics["oks.AP"],
        "gmacs": trial.costs["gmacs"],
        "genotype": dict(trial.genotype),
        "course": [{"epoch": note["inputs"]["epoch"], **note["result"]["values"]} for note in notes],
    }


def picture(courses: Sequence[Course]) -> bytes:
    figure = new_figure(10, 6.4)
    for axes, (label, curves) in zip(figure.subplots(2, 1), PANELS, strict=True):
        for line, notes in zip(LINES, courses, strict=False):
            for name, (color, title) in curves.items():
                points = [(note["epoch"], note[name]) for note in notes if name in note]
                axes.plot(
                    *zip(*points, strict=True),
                    line,
                    color=color,
                    label=title if line == LINES[0] else None,
                    marker="o",
                    markersize=3.5,
                )
        axes.set(xlabel="epoch", ylabel=label)
        axes.set_xticks(whole_ticks(range(1, 1 + len(courses[0]))))
        plain_axes(axes)
        axes.legend(frameon=False, fontsize=9)
    return png(figure)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--picture", type=Path, help="where the curves go, a PNG file")
    arguments = parser.parse_args()
    found = {seed: course(arguments.runs / f"bilevel-seed-{seed}", seed) for seed in seeds_of(arguments)}
    if arguments.picture:
        arguments.picture.write_bytes(picture([each["course"] for each in found.values()]))
    summary = {
        name: {"first": [each["course"][0].get(name) for each in found.values()]}
        | {"last": [each["course"][-1][name] for each in found.values()]}
        for name in ("cell entropy", "controller entropy", "likeliest")
    }
    summary["reward"] = {
        end: [
            [note for note in each["course"] if "reward" in note][place]["reward"] for each in found.values()
        ]
        for end, place in (("first", 0), ("last", -1))
    }
    summary["oks.AP"] = {"final": [each["oks.AP"] for each in found.values()]}
    finish(arguments.json, {"recipe": "defaults of autopose and bilevel"}, summary, seeds=found)


if __name__ == "__main__":
    main()
