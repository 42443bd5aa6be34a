"""The documentation names everything that a user can meet, and leads nowhere that is not there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from posenas.cli import posenas as root_command
from posenas.composing.checks.signatures import members
from posenas.composing.loading import load
from posenas.composing.options import describe_options
from posenas.composing.plugins import find_plugins
from posenas.composing.settings import AUGMENTATIONS, SETTINGS_TABLES
from posenas.contract import components, costs, problem
from posenas.contract.kinds import CLASS_KINDS, COMPONENT_KINDS
from posenas.runs.events import RunEvents
from posenas.runs.recipe import cost_table

ROOT = Path(__file__).parents[1]
PAGES = [
    *ROOT.glob("*.md"),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "packages").glob("*/README.md")),
]
REFERENCE = {page.name: page.read_text() for page in PAGES if page.parent == ROOT / "docs"}
CODE = re.compile(r"^```.*?^```", flags=re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
PROTOCOLS = {
    name: value
    for page in (components, problem, costs)
    for name, value in vars(page).items()
    if getattr(value, "_is_protocol", False) and value.__module__ == page.__name__
}
ASKED = ("Problem", "Step")
"""What the core offers to strategies, and what they hand to it: nothing that it calls by itself."""
COMPONENTS = [
    (plugin.kind, plugin.name, plugin.distribution)
    for plugin in find_plugins(CLASS_KINDS)
    if plugin.distribution in {path.name for path in (ROOT / "packages").iterdir()}
]


def commands(group: click.Group, prefix: str = "posenas") -> Iterator[tuple[str, click.Command]]:
    """Every command that can be typed, by its full name."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


COMMANDS = dict(commands(root_command))


def documented(word: str) -> bool:
    return any(word in text for text in REFERENCE.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    assert documented(f"`{name}")


def test_every_flag_is_documented() -> None:
    flags = {
        option
        for command in COMMANDS.values()
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for option in parameter.opts
        if option.startswith("--")
    }
    page = REFERENCE["pose-nas.md"]
    assert len(flags) > 15
    assert {flag for flag in flags if not re.search(rf"{flag}\b", page)} == set()


@pytest.mark.parametrize("hook", [name for name in vars(RunEvents) if not name.startswith("_")])
def test_every_hook_is_documented(hook: str) -> None:
    assert f"| `{hook}(" in (ROOT / "docs" / "plugins" / "listener.md").read_text()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_is_documented(protocol: str) -> None:
    assert f"| `{protocol}` |" in REFERENCE["architecture.md"]


@pytest.mark.parametrize("protocol", [name for name in PROTOCOLS if name not in ASKED])
def test_the_architecture_says_when_each_method_is_called(protocol: str) -> None:
    page = REFERENCE["architecture.md"]
    table = page.partition("## When each method is called")[2].partition("\n## ")[0]
    own = vars(PROTOCOLS[protocol])
    names = [name for name in members(PROTOCOLS[protocol]) if name in own and name != "levels"]
    assert names
    assert not [name for name in names if f"`{protocol}.{name}`" not in table]


@pytest.mark.parametrize(("kind", "name", "distribution"), COMPONENTS)
def test_every_component_and_option_is_on_its_packages_page(kind: str, name: str, distribution: str) -> None:
    page = REFERENCE[f"{distribution}.md"]
    assert f"`{name}`" in page
    assert f"`{name}`" in (ROOT / "packages" / distribution / "README.md").read_text()
    for option in describe_options(load(kind, name)):
        assert f"`{cost_table(name) if kind == 'cost' else kind}.{option.name}`" in page


def test_the_readme_installs_every_package() -> None:
    readme = (ROOT / "README.md").read_text()
    (command,) = [line for line in readme.splitlines() if "pip install -c constraints.txt" in line]
    for folder in (ROOT / "packages").iterdir():
        assert f"-e packages/{folder.name}" in command
        assert f"](packages/{folder.name})" in readme


TABLES = [*SETTINGS_TABLES.items(), ("augmentation", AUGMENTATIONS["image"])]


@pytest.mark.parametrize(("table", "settings"), TABLES)
def test_every_setting_is_documented(table: str, settings: type[Any]) -> None:
    for option in describe_options(settings):
        assert f"`{table}.{option.name}`" in REFERENCE["pose-nas.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(CODE.sub("", page.read_text())):
        if not re.match(r"[a-z]+:", target):
            path, _, section = target.partition("#")
            found = page.parent / path if path else page
            assert found.exists(), f"{page.name} links to {target}"
            assert not section or section in sections(found), f"{page.name} links to {target}"


def sections(page: Path) -> set[str]:
    """The anchors that GitHub gives to a page's headings."""
    headings = re.findall(r"^#+ (.*)$", CODE.sub("", page.read_text()), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_printed_command_exists_with_its_flags(page: Path) -> None:
    text = page.read_text()
    code = [*CODE.findall(text), *re.findall(r"^ {4}.*$", CODE.sub("", text), flags=re.MULTILINE)]
    joined = "\n".join(code).replace("\\\n", " ")
    for line in re.findall(r"^\s*(?:\$ )?(posenas .*)$", joined, flags=re.MULTILINE):
        words = shlex.split(line, comments=True)
        name = next((name for name in COMMANDS if words[: len(name.split())] == name.split()), None)
        if name is None:
            assert words[1] in ("--help", "--version"), line
            continue
        known = {option for parameter in COMMANDS[name].params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("-")} <= known, line


def test_there_is_a_page_for_every_package() -> None:
    for package in sorted((ROOT / "packages").glob("*/pyproject.toml")):
        assert f"{package.parent.name}.md" in REFERENCE


def written(value: object) -> str:
    """A default as the pages spell it."""
    if value in ("", [], {}):
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def defaults() -> Iterator[tuple[str, object]]:
    for table, settings in TABLES:
        yield from ((f"{table}.{option.name}", option.default) for option in describe_options(settings))
    for plugin in find_plugins(COMPONENT_KINDS):
        for option in describe_options(load(plugin.kind, plugin.name)):
            yield f"{plugin.kind}.{option.name} of {plugin.name}", option.default


def test_printed_defaults_are_the_real_ones() -> None:
    """Options of several components may share a name; a printed default is that of one of them."""
    real: dict[str, set[str]] = {}
    for name, default in defaults():
        real.setdefault(name.split()[0], set()).add(written(default))
    wrong = []
    for page in sorted((ROOT / "docs").glob("*.md")):
        for line in page.read_text().splitlines():
            cells = [cell.strip() for cell in line.split("|")[1:-1]]
            names = re.findall(r"`([a-z]+\.[a-z_]+)`", cells[0]) if len(cells) == 4 else []
            shown = re.findall(r"`([^`]+)`", cells[1]) or [cells[1]] if names else []
            for index, name in enumerate(names):
                value = shown[min(index, len(shown) - 1)]
                if name in real and value not in real[name]:
                    wrong.append(f"{page.name}: {name} is {sorted(real[name])}, not {value}")
    assert not wrong, "\n".join(wrong)
