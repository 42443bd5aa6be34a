"""Commands about latency tables."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from posenas.cli.shared_options import json_option, set_option
from posenas.cli.terminal import say

if TYPE_CHECKING:
    from posenas.networks.latency.table import LatencyTable


@click.group()
def latency() -> None:
    """Tables of a device's operators, which tell what a network takes before it is run."""


@latency.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--space", metavar="NAME", help="The networks' space.  [default: ofa]")
@click.option("--head", metavar="NAME", help="The networks' head.  [default: heatmap]")
@click.option("--dataset", metavar="NAME", help="Its keypoints are the head's.  [default: synthetic]")
@set_option(
    "Set an option, such as space.backbone=resnet50, head.input_size=256,192 or latency.batch_size=8."
)
@click.option(
    "--networks",
    type=click.IntRange(min=6),
    default=48,
    show_default=True,
    help="Networks to measure as a whole; a third of them measures the table's error.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Draws the networks.")
@click.option("--device", help="auto, cpu or cuda.  [default: auto]")
@click.option("--precision", help="auto, 32, tf32, bf16 or fp16.  [default: auto]")
@json_option
def build(
    file: Path, assignments: tuple[str, ...], networks: int, seed: int, as_json: bool, **flags: str | None
) -> None:
    """Measure the operators of a space's networks on this device, and write FILE.

    Repeat the command to continue a build that was stopped.
    """
    from rich.console import Console

    from posenas.composing.latency_subjects import subject_of_recipe
    from posenas.networks.latency.build import build_table, measures_of
    from posenas.reporting.progress import make_display
    from posenas.runs.recipe import merge, parse_assignment, recipe_from_tables

    merged = merge({}, [parse_assignment(text) for text in assignments], flags=flags)
    subject = subject_of_recipe(recipe_from_tables(merged))
    display = make_display(Console(stderr=True))
    try:
        table = build_table(
            file,
            subject,
            networks=networks,
            seed=seed,
            measures=measures_of(subject),
            advance=display.advanced,
        )
    finally:
        display.close()
    _tell({"file": str(file), **_summary(table)}, as_json=as_json)


@latency.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("network", default="")
@set_option("Set an option, such as space.backbone=resnet50 or head.input_size=256,192, of NETWORK.")
@click.option("--measure", is_flag=True, help="Time NETWORK on this machine too.")
@json_option
def show(file: Path, network: str, assignments: tuple[str, ...], measure: bool, as_json: bool) -> None:
    """Show what FILE holds for and how far it errs; and what it says about NETWORK: a zoo entry, a genotype's
    JSON file or a run's folder."""
    from posenas.networks.latency.table import LatencyTable

    table = LatencyTable.load(file)
    summary = {"file": str(file), **_summary(table)}
    if network:
        summary["network"] = _about_network(table, network, assignments, measure=measure)
    _tell(summary, as_json=as_json)


def _about_network(
    table: LatencyTable, name: str, assignments: tuple[str, ...], *, measure: bool
) -> dict[str, Any]:
    from posenas.composing.latency_subjects import network_for, subject_of_network
    from posenas.networks.latency.build import operators_of
    from posenas.networks.latency.measure import measure_latency

    network = network_for(table, name, assignments)
    subject = subject_of_network(network, table)
    prediction = table.predict(operators_of(subject, network.genotype))
    about: dict[str, Any] = {
        "name": name,
        "of_the_tables_networks": subject.description == table.subject,
        "predicted": dataclasses.asdict(prediction),
    }
    if measure:
        measured = measure_latency(
            subject.build(network.genotype),
            input_size=subject.input_size,
            compute=subject.compute,
            batch_size=subject.batch_size,
            threads=subject.threads,
        )
        about["measured"] = dataclasses.asdict(measured)
    return about


def _summary(table: LatencyTable) -> dict[str, Any]:
    return {
        **table.conditions.as_dict(),
        "torch": table.torch,
        "clock": table.clock,
        "subject": dict(table.subject),
        "operators": len(table.entries),
        "held_out": table.judgement(),
    }


def _tell(summary: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(summary))
        return
    height, width = summary["input_size"]
    held_out = summary["held_out"]
    threads = f"{summary['threads']} thread" + ("s" if summary["threads"] > 1 else "")
    say(f"{summary['file']}: {summary['operators']} operators on {summary['device']}, {threads}")
    say(
        f"precision {summary['precision']}, batch size {summary['batch_size']}, input {height}x{width}, "
        f"torch {summary['torch']}, {summary['clock']}"
    )
    for kind in ("space", "head"):
        options = dict(summary["subject"][kind])
        name = options.pop("name")
        say(f"{kind} {name}: " + ", ".join(f"{option} {value}" for option, value in options.items()))
    say(
        f"held-out error: median {held_out['median_error']:.1%}, 90th percentile "
        f"{held_out['percentile_90_error']:.1%}, over {held_out['networks']} networks; fitted on "
        f"{held_out['fitted_on']} others"
    )
    if "network" in summary:
        _tell_network(summary["network"])


def _tell_network(about: dict[str, Any]) -> None:
    predicted = about["predicted"]
    say(
        f"\n{about['name']}: predicted {predicted['ms']:.3f} ms; nine in ten take at most "
        f"{predicted['upper_ms']:.3f} ms; {predicted['unmeasured']} of its {predicted['operators']} "
        "operators are estimated from others"
    )
    if not about["of_the_tables_networks"]:
        say("it is not of the space and head above: the held-out error says nothing about it")
    if "measured" in about:
        measured = about["measured"]
        say(
            f"measured {measured['median_ms']:.3f} ms (quartiles {measured['first_quartile_ms']:.3f} to "
            f"{measured['third_quartile_ms']:.3f}, {measured['repeats']} calls) on {measured['device']}"
        )
