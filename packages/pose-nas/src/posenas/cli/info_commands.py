"""Commands that tell what is installed and what networks cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import click

from posenas.cli.shared_options import json_option, set_option
from posenas.cli.terminal import say, tell
from posenas.contract.errors import PosenasError, suggestion


@click.command()
@json_option
def plugins(as_json: bool) -> None:
    """List what is installed, broken plugins included."""
    from posenas.composing.plugins import find_misplaced, find_plugins, remedy

    found = (*find_plugins(), *find_misplaced())
    if as_json:
        keys = ("kind", "name", "distribution", "version", "status", "problem")
        click.echo(json.dumps([{key: getattr(plugin, key) for key in keys} for plugin in found], indent=1))
        return
    for plugin in found:
        origin = f"{plugin.distribution} {plugin.version}"
        why = f"{plugin.problem}; {remedy(plugin)}" if plugin.status == "broken" else plugin.problem
        tell(f"{plugin.kind:<11}{plugin.name:<26}{origin:<26}{plugin.status:<9}{why}".rstrip())


@click.command()
@click.argument("kind")
@click.argument("name", default="")
@json_option
def show(kind: str, name: str, as_json: bool) -> None:
    """Show the options of a component: KIND is space, strategy, head, dataset, evaluator or cost. `weights
    NAME` shows an importer. The tables training, augmentation, evaluation and latency of a recipe are shown
    without a NAME; `augmentation image` is the one of heads that look at whole images."""
    import inspect

    from posenas.composing.options import describe_options
    from posenas.runs.recipe import cost_table

    if kind == "weights" and name:
        _show_importer(name, as_json=as_json)
        return
    component, source = _component(kind, name)
    table = cost_table(name) if kind == "cost" else kind
    options = describe_options(component)
    summary = inspect.getdoc(component) or ""
    if as_json:
        rows = [
            {
                "name": option.name,
                "type": option.type,
                "default": option.default,
                "help": option.help,
                "constraints": list(option.constraints),
                "after_training": option.after_training,
            }
            for option in options
        ]
        click.echo(
            json.dumps(
                {"kind": kind, "name": name, "source": source, "about": summary, "options": rows},
                default=str,
                indent=1,
            )
        )
        return
    say(f"{f'{kind} {name}'.strip()}, {source}")
    say(f"\n{summary}\n")
    for option in options:
        constraints = "".join(f", {constraint}" for constraint in option.constraints)
        default = "(required)" if option.required else option.default
        say(f"  {table}.{option.name} = {default}    ({option.type}{constraints})")
        say(f"      {option.help}{' [may change after training]' if option.after_training else ''}")


def _show_importer(name: str, *, as_json: bool) -> None:
    """Show what an importer of weights says of itself: it has no options."""
    import inspect

    from posenas.composing.loading import load_entry
    from posenas.composing.plugins import find_plugins

    plugins = {plugin.name: plugin for plugin in find_plugins(("weights",))}
    if name not in plugins:
        raise PosenasError(f"unknown importer of weights {name!r}; {suggestion(name, plugins)}")
    plugin = plugins[name]
    source = f"of {plugin.distribution} {plugin.version} ({plugin.entry_point})"
    about = inspect.getdoc(load_entry(plugin)) or ""
    if as_json:
        click.echo(
            json.dumps({"kind": "weights", "name": name, "source": source, "about": about, "options": []})
        )
        return
    say(f"weights {name}, {source}\n\n{about}\n\nIt reads files of --init, and has no options.")


def _component(kind: str, name: str) -> tuple[type[Any], str]:
    """Return the class whose options are shown, and where it comes from."""
    from posenas.composing.loading import load, offering
    from posenas.composing.plugins import find_plugins
    from posenas.contract.kinds import CLASS_KINDS

    if kind not in CLASS_KINDS:
        return _table(kind, name)
    if not name:
        names = ", ".join(plugin.name for plugin in find_plugins((kind,)))
        raise PosenasError(f"show which {kind}? installed: {names}")
    component = load(kind, name)
    plugin = offering(kind, name)
    return component, f"of {plugin.distribution} {plugin.version} ({plugin.entry_point})"


def _table(kind: str, name: str) -> tuple[type[Any], str]:
    """Return the class of a recipe's table that is no component; to find it, torch is imported."""
    from posenas.composing.settings import AUGMENTATIONS, SETTINGS_TABLES
    from posenas.contract.kinds import CLASS_KINDS

    if kind == "augmentation" and name in AUGMENTATIONS:
        return AUGMENTATIONS[name], f"a table of recipes with a head that looks at a whole {name}"
    if kind not in SETTINGS_TABLES:
        raise PosenasError(
            f"{kind!r} is not a kind of component; {suggestion(kind, (*CLASS_KINDS, *SETTINGS_TABLES))}"
        )
    if name:
        raise PosenasError(f"table {kind} has no parts: `posenas show {kind}` shows all of it")
    return SETTINGS_TABLES[kind], "a table of every recipe"


@click.command()
@click.argument("network")
@click.option("--space", metavar="NAME", help="The space of a genotype's JSON file.  [default: ofa]")
@set_option("Set an option, such as space.backbone=resnet50 or head.input_size=256,192.")
@json_option
def describe(network: str, space: str | None, assignments: tuple[str, ...], as_json: bool) -> None:
    """Show what NETWORK costs and its levels: a zoo entry, a genotype's JSON file or a run's folder."""
    from posenas.composing.named_networks import (
        changed,
        describe_choices,
        describe_network,
        describe_parts,
        find_network,
    )

    found = changed(find_network(network, space=space), assignments)
    described, parts = describe_network(found), describe_parts(found)
    if as_json:
        click.echo(json.dumps(described | {"parts": parts}))
        return
    _print_networks([described])
    say(
        "\nlevels:   "
        + ", ".join(
            f"{level['name']} 1/{level['stride']} x {level['channels']}" for level in described["levels"]
        )
    )
    click.echo("genotype: " + json.dumps(described["genotype"]))
    for name, choices in describe_choices(found).items():
        say(f"{name}: " + "; ".join(choices))
    for name, value in described["published"].items():
        say(f"published {name}: {value}")
    _print_parts(parts)


@click.command()
@json_option
def zoo(as_json: bool) -> None:
    """List the published networks that the installed packages rebuild, with their costs."""
    from posenas.composing.named_networks import describe_zoo

    described = describe_zoo()
    if as_json:
        click.echo(json.dumps(described, indent=1))
        return
    _print_networks([network for network in described if "problem" not in network])
    for network in described:
        if "problem" in network:
            tell(f"{network['name']:<26}{network['problem']}")
    say("\nGMACs are 1e9 multiply-accumulates; papers' GFLOPs are their own rule: multiply-accumulates of")
    say("convolutions by output size, over 2^30; thesis GFLOPs are EvoPose2D's, see docs/pose-nas.md.")
    say("BN stats are batch norm's running means and variances, which some papers count too.")


def _print_networks(described: Sequence[Mapping[str, Any]]) -> None:
    say(
        f"{'name':<26}{'space':<10}{'input':<10}{'points':>6}{'parameters':>13}{'with BN stats':>15}"
        f"{'GMACs':>9}{'papers GFLOPs':>15}{'thesis GFLOPs':>15}"
    )
    for network in described:
        size = "x".join(str(side) for side in network["input_size"])
        say(
            f"{network['name']:<26}{network['space']:<10}{size:<10}{network['keypoints']:>6}"
            f"{network['parameters']:>13,}{network['parameters_with_statistics']:>15,}"
            f"{network['macs'] / 1e9:>9.3f}{network['paper_gflops']:>15.3f}"
            f"{network['thesis_gflops']:>15.3f}"
        )


def _print_parts(parts: Mapping[str, Mapping[str, float]]) -> None:
    say(f"\n{'part':<26}{'parameters':>13}{'GMACs':>9}")
    for part, costs in parts.items():
        say(f"{part:<26}{costs['parameters']:>13,}{costs['gmacs']:>9.3f}")
