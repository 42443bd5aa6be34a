"""Recipes: the five chosen components, their options, limits and seed, in one TOML file.

    schema = 1                 # the version of this format; the first where it is left out
    seed = 0
    device = "auto"
    precision = "auto"
    deterministic = true       # the same bits each time on a GPU too
    init = "runs/first"        # weights to begin with; without it they are fresh
    limits = ["gmacs<=0.3"]
    maximize = ["oks.AP"]      # objectives; without any, the evaluator's first metric
    minimize = ["gmacs"]

    [space]
    name = "ofa"
    backbone = "tiny"          # options lie flat beside the name

The tables [strategy], [head], [dataset] and [evaluator] have the same form. The tables of settings have no
name: [training], [augmentation], [evaluation], [latency] and [normalisation]. In [training.shared],
[training.candidate] and [training.final], and in [augmentation.final] and its like, stands what differs in
one phase of the search. Other costs that have options have a table [cost.NAME]. Everything may be left out.
Whether a component has such options is judged by `posenas.composing.options`.
"""

from __future__ import annotations

import hashlib
import math
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from pathlib import Path
from typing import Any

import tomli_w

from posenas.contract.errors import PosenasError, suggestion
from posenas.contract.genotype import canonical_json
from posenas.contract.kinds import COMPONENT_KINDS
from posenas.contract.migrations import RECIPE
from posenas.contract.phases import PHASES
from posenas.runs.strict_json import DEEPEST

NAMELESS_TABLES = ("training", "augmentation", "evaluation", "latency", "normalisation")
PHASED_TABLES = ("training", "augmentation")
"""The tables that have a table of their own for each phase that differs."""
COST = "cost"
"""The table of tables by the names of costs; left out of a recipe that has none."""
LATENCY = "latency"
"""The cost whose options have a table of their own."""
TABLES = (*COMPONENT_KINDS, *NAMELESS_TABLES, COST)
SETTINGS = ("seed", "device", "precision", "deterministic", "init", "limits", "maximize", "minimize")
_LATER = ("deterministic", "init")
"""Settings that are left out where they are not set: runs from before there were any keep their digest."""
_LISTS = {"limits": "gmacs<=0.3", "maximize": "oks.AP", "minimize": "gmacs"}


@dataclass(frozen=True)
class ComponentChoice:
    """The name of a component, and the options that differ from its defaults, as plain data."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def own_name(self) -> str:
        """The name without its distribution's: `evo` of `nas-evo:evo`, which is chosen where two offer it."""
        return self.name.rpartition(":")[2]


@dataclass(frozen=True)
class Recipe:
    """The choices that a run depends on.

    Attributes:
        training: settings of trainings that differ from their defaults, as plain data. Under the name of a
            phase it has a mapping of those that differ in this phase.
        augmentation: settings of the random changes that differ from their defaults, in the same form.
        evaluation: settings of evaluations that differ from their defaults, as plain data.
        latency: settings of latency measurements that differ from their defaults, as plain data.
        normalisation: what differs in how images become a network's input from what is usual for the view,
            as plain data.
        cost: options of other costs than the latency, by the cost's name.
        limits: such as "gmacs<=0.3" or "gmacs>=0.2"; a genotype must meet them all.
        maximize: objectives by name, such as "oks.AP".
        minimize: objectives by name, such as "gmacs".
        init: file of the weights that trainings begin with, or a run's folder; empty for fresh ones.
        deterministic: whether a GPU must give the same bits each time.
    """

    space: ComponentChoice = ComponentChoice("ofa")
    strategy: ComponentChoice = ComponentChoice("sandwich")
    head: ComponentChoice = ComponentChoice("heatmap")
    dataset: ComponentChoice = ComponentChoice("synthetic")
    evaluator: ComponentChoice = ComponentChoice("oks")
    training: Mapping[str, Any] = field(default_factory=dict)
    augmentation: Mapping[str, Any] = field(default_factory=dict)
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    latency: Mapping[str, Any] = field(default_factory=dict)
    normalisation: Mapping[str, Any] = field(default_factory=dict)
    cost: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    limits: tuple[str, ...] = ()
    maximize: tuple[str, ...] = ()
    minimize: tuple[str, ...] = ()
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    init: str = ""
    deterministic: bool = False


DEFAULTS = Recipe()


def read_recipe(path: Path) -> dict[str, Any]:
    """Return the tables of a recipe file.

    Raises:
        PosenasError: if it cannot be read or is no recipe; it names the file, and the line if there is one.
    """
    return current_tables(read_toml(path, f"recipe {path}"), f"recipe {path}")


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """Return what a TOML file holds.

    Raises:
        PosenasError: if it cannot be read, or is no TOML; it begins with the words that say what is read.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise PosenasError(f"{what} is not UTF-8 text: {error}") from error
    except ValueError as error:  # not TOML, or a number of thousands of digits
        raise PosenasError(f"{what} is not valid TOML: {error}") from error
    except RecursionError:
        raise PosenasError(f"{what} is not valid TOML: it is nested too deep") from None
    except OSError as error:
        raise PosenasError(f"{what} cannot be read: {error.strerror}") from error


def current_tables(content: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return a recipe's tables, taken from the version of the format that they say to the newest.

    Raises:
        PosenasError: for a newer version, an unknown key or a misplaced value; it begins with the words that
            say what is read.
    """
    try:
        tables = RECIPE.read(content)
    except ValueError as error:
        raise PosenasError(f"{what}: {error}") from None
    for key, value in tables.items():
        _check_top_level(key, what)
        if (key in TABLES) != isinstance(value, dict):
            raise PosenasError(f"{what}: {_misplaced(key)}")
    return tables


def recipe_tables(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe as plain data, in the order of the file."""
    tables: dict[str, Any] = {key: getattr(recipe, key) for key in SETTINGS}
    for key in _LATER:
        if not tables[key]:
            del tables[key]
    tables |= {key: list(tables[key]) for key in _LISTS}
    for kind in COMPONENT_KINDS:
        choice = getattr(recipe, kind)
        tables[kind] = {"name": choice.name, **choice.options}
    for table in NAMELESS_TABLES:
        tables[table] = dict(getattr(recipe, table))
    if not recipe.normalisation:
        del tables["normalisation"]
    if recipe.cost:
        tables[COST] = {name: dict(options) for name, options in recipe.cost.items()}
    return tables


def cost_table(name: str) -> str:
    """Return the path of the table that holds a cost's options."""
    return name if name == LATENCY else f"{COST}.{name}"


def cost_options(recipe: Recipe, name: str) -> Mapping[str, Any]:
    """Return the recipe's options of a cost."""
    return recipe.latency if name == LATENCY else recipe.cost.get(name, {})


def recipe_text(recipe: Recipe) -> str:
    """Return TOML that reads back as the same recipe."""
    return tomli_w.dumps(RECIPE.written(recipe_tables(recipe)))


def recipe_from_text(text: str) -> Recipe:
    """Return the recipe that `recipe_text` gave this text of."""
    return recipe_from_tables(current_tables(tomllib.loads(text), "recipe"))


def recipe_digest(recipe: Recipe) -> str:
    """Return the hexadecimal SHA-256 of the recipe's canonical JSON; the order of options does not matter."""
    return hashlib.sha256(canonical_json(recipe_tables(recipe)).encode()).hexdigest()


def recipe_from_tables(tables: Mapping[str, Any], defaults: Recipe = DEFAULTS) -> Recipe:
    """Return the recipe of these tables; what they leave out is taken from the defaults.

    Raises:
        PosenasError: for an unknown key, or a value of the wrong type.
    """
    for key, value in tables.items():
        _check_top_level(key, "recipe")
        _check_plain(value, key)
    complete = overlay(recipe_tables(defaults), tables)
    parts: dict[str, Any] = {kind: _choice(kind, complete[kind]) for kind in COMPONENT_KINDS}
    parts |= {table: _settings(table, complete.get(table, {})) for table in NAMELESS_TABLES}
    parts |= {key: _texts(key, complete[key]) for key in _LISTS}
    parts[COST] = _costs(complete.get(COST, {}))
    return Recipe(
        **parts,
        seed=_seed(complete["seed"]),
        device=_word("device", complete["device"]),
        precision=_word("precision", complete["precision"]),
        init=_word("init", complete["init"]) if complete.get("init") else "",
        deterministic=_truth("deterministic", complete.get("deterministic", False)),
    )


def parse_value(text: str) -> Any:
    """Return a value as on the command line: TOML, or a list without its brackets, or else plain text."""
    for spelling in (text, f"[{text}]") if "," in text else (text,):
        try:
            parsed = tomllib.loads(f"value = {spelling}")
        except (RecursionError, ValueError):  # not TOML, or endless
            continue
        if set(parsed) == {"value"} and not isinstance(parsed["value"], date | time):
            return parsed["value"]
    return text


def parse_assignment(text: str) -> tuple[tuple[str, ...], Any]:
    """Return the path and the value of an assignment.

    `strategy.candidates=50` gives (("strategy", "candidates"), 50).

    Raises:
        PosenasError: if it has another form, or begins with an unknown key.
    """
    target, equals, value = text.partition("=")
    path = tuple(part.strip() for part in target.split("."))
    where = f"--set {text}"
    if not equals or not all(path):
        raise PosenasError(f"{where}: expected table.key=value, such as strategy.candidates=50")
    _check_top_level(path[0], where)
    if path[0] in PHASED_TABLES and len(path) == 3:
        check_phase(path[1], where)
    if len(path) != _depth(path):
        raise PosenasError(f"{where}: {_misplaced(path[0])}")
    return path, parse_value(value.strip())


def _depth(path: Sequence[str]) -> int:
    """Return how many names lead to a value of the recipe, the value's own among them."""
    if path[0] == COST or (path[0] in PHASED_TABLES and path[1:2] and path[1] in PHASES):
        return 3
    return 2 if path[0] in TABLES else 1


def merge(
    tables: Mapping[str, Any],
    assignments: Iterable[tuple[tuple[str, ...], Any]],
    *,
    flags: Mapping[str, Any],
    defaults: Recipe = DEFAULTS,
) -> dict[str, Any]:
    """Return the tables of a file, overruled by flags; assignments overrule both.

    Naming another component than the tables do discards the options that the tables give.

    Args:
        tables: of a recipe file.
        assignments: as `parse_assignment` gives them; the last one wins.
        flags: by the recipe's keys; for a component its name. None and () are flags not given.
        defaults: name the components that the tables do not.
    """
    flagged: dict[str, Any] = {}
    for key, value in flags.items():
        _check_top_level(key, "flags")
        if value is not None and value != ():
            flagged[key] = {"name": value} if key in COMPONENT_KINDS else value
    assigned: dict[str, Any] = {}
    for path, value in assignments:
        *tables_above, key = path
        table = assigned
        for above in tables_above:
            table = table.setdefault(above, {})
        table[key] = value
    merged: dict[str, Any] = {kind: {"name": getattr(defaults, kind).name} for kind in COMPONENT_KINDS}
    for layer in (tables, flagged, assigned):
        merged = overlay(merged, layer)
    return merged


def overlay(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Return a recipe's tables with others over them; another component discards the lower's options."""
    merged = dict(lower)
    for key, value in upper.items():
        below = lower.get(key)
        if not isinstance(value, Mapping) or not isinstance(below, Mapping):
            merged[key] = value
        elif value.get("name", below.get("name")) != below.get("name") and key in COMPONENT_KINDS:
            merged[key] = dict(value)
        elif key == COST or key in PHASED_TABLES:
            merged[key] = overlay(below, value)
        else:
            merged[key] = {**below, **value}
    return merged


def _check_top_level(key: str, where: str) -> None:
    known = (*TABLES, *SETTINGS)
    if key not in known:
        raise PosenasError(f"{where}: unknown key {key!r}; {suggestion(key, known)}")


def _misplaced(key: str) -> str:
    if key in SETTINGS:
        return f"{key} is a single value, not a table"
    inner = "name" if key in COMPONENT_KINDS else "NAME.option" if key == COST else "option"
    return f"{key} is a table, not a single value: give {key}.{inner}"


def _check_plain(value: object, where: str, depth: int = 0) -> None:
    """Raise PosenasError for a value that TOML and JSON do not both hold."""
    if depth > DEEPEST:
        raise PosenasError(f"recipe: {where}: nested too deep, more than {DEEPEST} lists and tables")
    if isinstance(value, Mapping):
        for key, element in value.items():
            _check_plain(key, where)
            _check_plain(element, f"{where}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        for element in value:
            _check_plain(element, where, depth + 1)
    elif isinstance(value, str) and not _is_plain_text(value):
        raise PosenasError(f"recipe: {where} = {value}: text holds a zero byte, or bytes that are not UTF-8")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise PosenasError(f"recipe: {where} is a number beyond 64 bits")
    elif isinstance(value, float) and not math.isfinite(value):
        raise PosenasError(f"recipe: {where} = {value}: numbers must be finite")
    elif not isinstance(value, bool | int | float | str):
        raise PosenasError(f"recipe: {where} = {value}: expected a number, text, true, false, list or table")


def _is_plain_text(text: str) -> bool:
    """Return whether files, whose names and content the text may become, can hold it."""
    return "\0" not in text and all(not "\ud800" <= character <= "\udfff" for character in text)


def _table(key: str, value: object) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise PosenasError(f"recipe: {_misplaced(key)}")
    return dict(value)


def _settings(key: str, value: object) -> dict[str, Any]:
    """Return a table of settings, without tables of phases in which nothing differs."""
    table = _table(key, value)
    if key not in PHASED_TABLES:
        return table
    for phase in set(PHASES) & table.keys():
        if not isinstance(table[phase], Mapping):
            raise PosenasError(
                f"recipe: {key}.{phase} is a table, not a single value: give {key}.{phase}.option"
            )
    return {name: inner for name, inner in table.items() if name not in PHASES or inner}


def check_phase(name: str, where: str) -> None:
    """Raise PosenasError if there is no such phase; it begins with the words that say where it stands."""
    if name not in PHASES:
        raise PosenasError(f"{where}: unknown phase {name!r}; {suggestion(name, PHASES)}")


def _costs(value: object) -> dict[str, dict[str, Any]]:
    tables = _table(COST, value)
    for name, options in tables.items():
        if not isinstance(options, Mapping):
            raise PosenasError(f"recipe: {COST}.{name} = {options}: expected a table of options")
        if name == LATENCY:
            raise PosenasError(f"recipe: {COST}.{name}: its options are in the table {cost_table(name)}")
    return {name: dict(options) for name, options in tables.items()}


def _choice(kind: str, value: object) -> ComponentChoice:
    options = _table(kind, value)
    return ComponentChoice(_word(f"{kind}.name", options.pop("name")), options)


def _texts(key: str, value: object) -> tuple[str, ...]:
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        raise PosenasError(f'recipe: {key} = {value}: expected a list of text, such as ["{_LISTS[key]}"]')
    return tuple(texts)


def _seed(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise PosenasError(f"recipe: seed = {value}: expected a whole number, 0 or more")
    return value


def _truth(key: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise PosenasError(f"recipe: {key} = {value!r}: expected true or false")
    return value


def _word(key: str, value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):  # precision = 32
        return str(value)
    if not isinstance(value, str) or not value:
        raise PosenasError(f"recipe: {key} = {value!r}: expected text")
    return value
