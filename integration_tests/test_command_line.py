"""The command line as a user meets it: what it answers, and what it says to wrong input."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from posenas.runs.recipe import read_recipe
from running import SMALL, SMALL_SEARCH, Answer

Posenas = Callable[..., Answer]


def one_line(answer: Answer) -> str:
    """The message of a command that ended with 2, which is one line."""
    assert answer.status == 2, answer
    lines = [line for line in answer.err.splitlines() if line.startswith(("posenas:", "Error:"))]
    assert len(lines) == 1, answer.err
    assert "Traceback" not in answer.err
    return lines[0]


def test_help_and_plugins_import_nothing_heavy() -> None:
    for command in ("--help", "plugins"):
        code = (
            "import sys; sys.argv = ['posenas', sys.argv[1]]\n"
            "from posenas.cli import main\n"
            "try:\n    main()\nexcept SystemExit:\n    pass\n"
            "heavy = {'torch', 'numpy', 'cv2', 'rich', 'pydantic'} & set(sys.modules)\n"
            "assert not heavy, heavy"
        )
        subprocess.run([sys.executable, "-c", code, command], check=True, capture_output=True, timeout=60)


def test_plugins_as_json(posenas: Posenas) -> None:
    found = posenas("plugins", "--json").json
    assert all(set(row) == {"kind", "name", "distribution", "version", "status", "problem"} for row in found)
    names = {(row["kind"], row["name"]) for row in found if row["status"] == "ok"}
    assert {("space", "ofa"), ("strategy", "sandwich"), ("head", "heatmap"), ("dataset", "coco")} <= names
    assert {
        ("dataset", "synthetic"),
        ("evaluator", "oks"),
        ("evaluator", "pck"),
        ("strategy", "single"),
    } <= names


def test_zoo_as_json_has_the_papers_network(posenas: Posenas) -> None:
    network = next(row for row in posenas("zoo", "--json").json if row["name"] == "s-vipnas-res50")
    assert network["space"] == "ofa"
    assert network["input_size"] == [256, 192]
    assert network["parameters"] == 7_286_772
    assert network["paper_gflops"] == pytest.approx(1.430, rel=0.005)
    assert network["macs"] == pytest.approx(1.464e9, rel=0.005)
    assert network["published"]["paper_gflops"] == 1.44
    described = posenas("describe", "s-vipnas-res50", "--json").json
    assert described.pop("parts").keys() > {"backbone", "head"}
    assert described == network


def test_the_ends_of_the_papers_space_are_in_the_zoo(posenas: Posenas) -> None:
    ends = {"largest": (10.111e6, 1.846e9, 1.915), "smallest": (2.733e6, 0.550e9, 0.516)}
    for end, (parameters, macs, paper_gflops) in ends.items():
        network = posenas("describe", f"vipnas-res50-{end}", "--json").json
        assert network["parameters"] == pytest.approx(parameters, rel=0.005)
        assert network["macs"] == pytest.approx(macs, rel=0.005)
        assert network["paper_gflops"] == pytest.approx(paper_gflops, rel=0.005)


def test_a_genotype_file_is_described_in_its_space(posenas: Posenas, tmp_path: Path) -> None:
    largest = posenas("describe", "vipnas-res50-largest", "--json").json
    (tmp_path / "largest.json").write_text(json.dumps(largest["genotype"]))
    options = ("-o", "space.backbone=resnet50", "-o", "head.input_size=256,192")
    described = posenas("describe", "largest.json", *options, "--json").json
    assert described["macs"] == largest["macs"]
    assert "stage3" in one_line(posenas("describe", "largest.json"))


def test_show_names_every_option(posenas: Posenas) -> None:
    options = {
        option["name"]: option for option in posenas("show", "strategy", "sandwich", "--json").json["options"]
    }
    assert options["candidates"]["default"] == 16
    assert all(option["help"] for option in options.values())
    for words in (
        ("space", "ofa"),
        ("head", "heatmap"),
        ("dataset", "synthetic"),
        ("training",),
        ("evaluation",),
    ):
        assert posenas("show", *words).status == 0


def test_a_search_from_beginning_to_end(posenas: Posenas, tmp_path: Path) -> None:
    answer = posenas(
        "compose", "--space", "ofa", "--strategy", "sandwich", *SMALL_SEARCH, "--run", "run", "--json"
    )
    assert answer.status == 0, answer.err
    result = answer.last_json
    assert set(result) == {"run", "best", "trials", "seconds"}
    assert set(result["best"]) == {"genotype", "metrics", "costs"}
    assert "oks.AP" in result["best"]["metrics"]
    assert result["trials"] >= 4
    assert (tmp_path / "run" / "report" / "report.html").stat().st_size > 1000
    described = posenas("describe", "run", "--json").json
    assert described["parameters"] == result["best"]["costs"]["parameters"]
    again = posenas("evaluate", "run", "--json").last_json
    assert again["metrics"]["oks.AP"] == pytest.approx(result["best"]["metrics"]["oks.AP"], abs=1e-9)
    assert posenas("report", "run").status == 0
    shutil.copytree(tmp_path / "run", tmp_path / "same")
    assert posenas("report", "run", "same", "--json").json == {"report": "runs.html"}
    assert (tmp_path / "runs.html").stat().st_size > 1000
    assert "--output is for the page of several" in one_line(posenas("report", "run", "--output", "a.html"))
    recipe = (tmp_path / "run" / "recipe.toml").read_text()
    assert "must end in .html" in one_line(posenas("report", "run", "same", "--output", "run/recipe.toml"))
    assert (tmp_path / "run" / "recipe.toml").read_text() == recipe
    assert "name each run once" in one_line(posenas("report", "run", "run", "--output", "a.html"))
    resumed = posenas("resume", "run", "--json").last_json
    assert resumed["best"] == result["best"]


def test_a_genotype_alone_is_trained(posenas: Posenas, tmp_path: Path) -> None:
    from nas_ofa_elastic.space import ElasticSpace

    (tmp_path / "small.json").write_text(json.dumps(ElasticSpace().smallest()))
    answer = posenas("train", "small.json", *SMALL, "--epochs", "1", "--run", "run", "--json")
    assert answer.status == 0, answer.err
    assert answer.last_json["best"]["genotype"] == ElasticSpace().smallest()
    assert answer.last_json["trials"] == 1


def test_a_genotype_is_trained_for_the_epochs_of_the_recipe(posenas: Posenas, tmp_path: Path) -> None:
    from nas_ofa_elastic.space import ElasticSpace

    (tmp_path / "small.json").write_text(json.dumps(ElasticSpace().smallest()))
    (tmp_path / "single.toml").write_text('[strategy]\nname = "single"\nepochs = 2\n')
    (tmp_path / "search.toml").write_text('[strategy]\nname = "sandwich"\nfinal_epochs = 2\n')
    answer = posenas("train", "small.json", "--recipe", "single.toml", *SMALL, "--run", "run")
    assert (answer.status, "epoch 2 of 2" in answer.err) == (0, True), answer.err
    answer = posenas("train", "small.json", "--recipe", "search.toml", *SMALL, "--dry-run")
    assert "note: the recipe's table [strategy] is of 'sandwich', and is left out" in answer.err


def test_the_recipe_of_a_training_counts_before_the_networks_own(posenas: Posenas, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text(
        '[space]\nname = "evo"\n[head]\nname = "heatmap"\ninput_size = [64, 64]\n[training]\nclip_norm = 3\n'
    )
    answer = posenas(
        "train",
        "mobilenetv2-pose",
        "--recipe",
        "recipe.toml",
        *SMALL,
        "-o",
        "space.width=0.125",
        "--epochs",
        "1",
        "--run",
        "run",
    )
    assert "note: the recipe's space.name = evo is left out: the network's is fixed" in answer.err
    saved = read_recipe(tmp_path / "run" / "recipe.toml")
    assert saved["space"]["name"] == "fixed"
    assert saved["head"].items() >= {"input_size": [64, 64], "loss": "mse"}.items()  # which the zoo says
    assert saved["training"]["clip_norm"] == 3


def test_a_saved_recipe_composes_the_same(posenas: Posenas) -> None:
    assert posenas("compose", *SMALL, "--limit", "gmacs<=0.02", "--dry-run", "--save", "a.toml").status == 0
    assert posenas("compose", "--recipe", "a.toml", "--dry-run", "--save", "b.toml").status == 0
    assert Path("a.toml").read_text() == Path("b.toml").read_text()
    saved = Path("a.toml").read_text()
    assert 'limits = ["gmacs<=0.02"]  # differs from the default' in saved
    assert "train_images = 24  # differs from the default, 3000" in saved


@pytest.mark.slow
def test_what_a_space_is_made_for_is_taken_once_and_stays(posenas: Posenas) -> None:
    words = ("-o", "dataset.train_images=24", "-o", "dataset.val_images=8", "--dry-run", "--save")
    evolved = ("--space", "evo", "-o", "space.width=1", "--strategy", "random", "--limit", "gmacs<=1")
    first = posenas("compose", *evolved, *words, "a.toml")
    assert first.status == 0, first.err
    assert "note: taken, since space evo is made for it: head.input_size=256x192, " in first.err
    assert "29,962,600 that published networks of space evo saw" in " ".join(first.err.split())
    saved = tomllib.loads(Path("a.toml").read_text())
    assert (saved["head"]["sigma"], saved["training"]["learning_rate"]) == (2.0, 2.5e-4)
    again = posenas("compose", "--recipe", "a.toml", *words, "b.toml")
    assert "taken" not in again.err
    assert Path("a.toml").read_text() == Path("b.toml").read_text()


def test_the_default_search_is_planned_without_a_doubt(posenas: Posenas) -> None:
    answer = posenas("compose", "--dry-run")
    assert "note: 2 x 3,753 people for the shared weights (468 steps); 16 candidates" in answer.err
    assert answer.err.count("note: ") == 2  # the other one advises a limit
    assert "warning" not in answer.err


def test_composing_says_what_a_search_without_a_limit_finds(posenas: Posenas) -> None:
    for more, told in (
        ((), True),
        (("--limit", "gmacs<=0.02"), False),
        (("--maximize", "oks.AP", "--minimize", "gmacs"), False),
    ):
        answer = posenas("compose", *SMALL, *more, "--dry-run")
        assert answer.status == 0, answer.err
        assert ("note: without a limit" in answer.err) is told


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--space", "off"), "did you mean 'ofa'"),
        (("-o", "strategy.candidate=5"), "did you mean 'candidates'"),
        (("-o", "strategie.candidates=5"), "did you mean 'strategy'"),
        (("-o", "strategy.candidates=many"), "candidates"),
        (("-o", "strategy.candidates=0"), "candidates"),
        (("--strategy", "random", "-o", "strategy.evaluations=9"), "'evaluations'.* called 'candidates' now"),
        ((*SMALL, "--limit", "gmacs<=0.02", "--limit", "gmacs>=0.03"), "no genotype.*limit gmacs>=0.03"),
        (("-o", "training.learning_rat=1"), "did you mean 'learning_rate'"),
        (("--limit", "gmac<=1"), "did you mean 'gmacs'"),
        (("--device", "gpu"), "cpu"),
        (("-o", "head.input_size=100,96"), "is not a multiple of"),
        (("-o", "dataset.train_images=0"), "train_images"),
        (("--dataset", "coco"), "dataset.root"),
        (("--recipe", "missing.toml"), "missing.toml"),
        (("--unknown",), "--unknown"),
    ],
)
def test_wrong_input_is_one_line(posenas: Posenas, arguments: tuple[str, ...], says: str) -> None:
    message = one_line(posenas("compose", "--dry-run", *arguments))
    assert re.search(says, message), message


def test_a_limit_that_no_genotype_meets_is_answered_at_once(posenas: Posenas, tmp_path: Path) -> None:
    started = time.monotonic()
    message = one_line(posenas("compose", "--limit", "gmacs<=0.0001", "--run", "run"))
    assert time.monotonic() - started < 5
    assert "the cheapest is" in message
    assert "gmacs = 0.0" in message
    assert not (tmp_path / "run").exists()


def test_a_changed_recipe_is_refused(posenas: Posenas, tmp_path: Path) -> None:
    assert posenas("compose", *SMALL_SEARCH, "--run", "run").status == 0
    assert "another recipe" in one_line(posenas("compose", *SMALL_SEARCH, "--seed", "1", "--run", "run"))
    recipe = tmp_path / "run" / "recipe.toml"
    recipe.write_text(recipe.read_text().replace("candidates = 3", "candidates = 4"))
    assert "changed after the run began" in one_line(posenas("resume", "run"))


def test_resume_of_nothing_is_one_line(posenas: Posenas) -> None:
    assert "no run here" in one_line(posenas("resume", "nowhere"))
    assert "neither a file" in one_line(posenas("describe", "s-vipnas-res5"))
