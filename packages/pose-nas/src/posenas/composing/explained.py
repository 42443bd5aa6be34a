"""A composition's recipe as TOML that explains itself: what each table and option is, and what is unusual."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

import tomli_w

from posenas.composing.composition import Composition
from posenas.composing.joined import own_space
from posenas.composing.loading import load
from posenas.composing.options import Option, describe_options
from posenas.composing.settings import SETTINGS_TABLES
from posenas.contract.kinds import COMPONENT_KINDS
from posenas.contract.messages import printable
from posenas.contract.migrations import RECIPE, SCHEMA
from posenas.data.kinds_of_view import views_of
from posenas.data.person_crop import person_crops
from posenas.runs.recipe import COST, DEFAULTS, Recipe, recipe_tables

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SETTINGS = {
    SCHEMA: "the version of this format",
    "seed": "everything random derives from it",
    "device": "auto, cpu or cuda",
    "precision": "of the computation; auto takes what the device is fast with",
    "deterministic": "whether a GPU gives the same bits each time, which may take longer",
    "init": "weights that trainings begin with: a file, or a run's folder",
    "limits": 'bounds on costs and metrics, such as "gmacs<=0.3"',
    "maximize": "objectives to make great; without any objective, the evaluator's first metric",
    "minimize": "objectives to make small, such as gmacs",
}
_UNLIKE = "differs from the default"
_WIDTH = 108


def explained_recipe(composition: Composition) -> str:
    """Return TOML that reads back as the composition's recipe, with a comment on every table and option.

    The comments tell which values differ from the defaults, and what the data are like.
    """
    kinds = _kinds(composition)
    told = {table: _about(table, composition) for table in kinds}
    return with_comments(composition.recipe, kinds, told=told)


def with_comments(
    recipe: Recipe, kinds: Mapping[str, type[Any]], *, told: Mapping[str, Sequence[str]]
) -> str:
    """Return TOML that reads back as the recipe, with comments.

    Args:
        recipe: what is written, in its order.
        kinds: the classes whose fields are the options of the tables, by table; of costs by their path.
        told: more comments on tables, by table.
    """
    lines = _comments(
        "A recipe of posenas: `posenas compose --recipe FILE` searches with it.",
        f'Every option is here. Beside those that were chosen stands "{_UNLIKE}".',
    )
    tables, usual = (RECIPE.written(recipe_tables(each)) for each in (recipe, DEFAULTS))
    costs = {f"{COST}.{name}": options for name, options in tables.pop(COST, {}).items()}
    for name, value in tables.items():
        if not isinstance(value, Mapping):
            lines += ["", *_comments(_SETTINGS[name]), _line(name, value, usual.get(name, ""))]
    for name, table in (tables | costs).items():
        if isinstance(table, Mapping):
            lines += _table(name, table, kinds[name], told=told.get(name, ()))
    return "\n".join(lines) + "\n"


def _kinds(composition: Composition) -> dict[str, type[Any]]:
    """Return the classes whose fields are the options of the tables, by table."""
    made = {kind: getattr(composition, kind) for kind in COMPONENT_KINDS}
    made |= {"space": own_space(composition.space), "augmentation": composition.augmentation}
    kinds = {**SETTINGS_TABLES, **{table: type(component) for table, component in made.items()}}
    return kinds | {f"{COST}.{name}": load("cost", name) for name in composition.recipe.cost}


def _table(path: str, table: Mapping[str, Any], kind: type[Any], *, told: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a table, and of tables in it for the phases that differ.

    Args:
        path: the table's name as it is written in brackets.
        table: its values.
        kind: the class whose fields are the options.
        told: comments on the data.
    """
    options = {option.name: option for option in describe_options(kind)}
    inner = {name: value for name, value in table.items() if _is_phase(name, value, options)}
    yield from ("", *_comments(_purpose(kind)), *_comments(*told), f"[{path}]")
    for name, value in table.items():
        if name in inner:
            continue
        if name in options:
            option = options[name]
            usual = None if option.required else option.default
            yield from ("", *_meaning(option), _line(name, value, usual))
        else:  # the component's own name
            yield _line(name, value, value)
    for phase, differing in inner.items():
        yield from ("", f"# What differs in phase {phase}", f"[{path}.{phase}]")
        for name, value in differing.items():
            yield from (
                "",
                *_meaning(options[name]),
                _line(name, value, table.get(name), unlike=f"differs from [{path}]"),
            )


def _is_phase(name: str, value: object, options: Mapping[str, Option]) -> bool:
    return isinstance(value, Mapping) and name not in options


def _meaning(option: Option) -> list[str]:
    return _comments(f"{option.help} ({option.expected()})" if option.help else option.expected())


def _line(name: str, value: Any, usual: Any, *, unlike: str = _UNLIKE) -> str:
    """Return a value's line; where another one is usual the comment says so.

    Args:
        name: the option's.
        value: plain data.
        usual: the value that is compared; empty ones are not told.
        unlike: what a value is that differs.
    """
    line = f"{_key(name)} = {_written(value)}"
    if value == usual:
        return line
    told = f", {_written(usual)}" if usual not in (None, "", [], {}) else ""
    return f"{line}  # {unlike}{told}"


def _purpose(kind: type[Any]) -> str:
    """Return the first paragraph of a class's docstring."""
    return (inspect.getdoc(kind) or "").partition("\n\n")[0]


def _comments(*texts: str) -> list[str]:
    """Return each text as lines of comments."""
    wrapped = (textwrap.wrap(printable(" ".join(text.split())), _WIDTH) for text in texts)
    return [f"# {line}" for lines in wrapped for line in lines]


def _written(value: Any) -> str:
    """Return a value as TOML in one line."""
    if isinstance(value, Mapping):
        pairs = ", ".join(f"{_key(name)} = {_written(element)}" for name, element in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    return tomli_w.dumps({"value": value}).removeprefix("value = ").removesuffix("\n")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _written(name)


def _about(table: str, composition: Composition) -> list[str]:
    """Return what a table's values have to do with the data, in sentences."""
    keypoints = composition.keypoints
    if table == "dataset":
        return [f"It has {len(keypoints)} keypoints: {', '.join(keypoints.names)}."]
    if table == "head":
        return _about_boxes(composition)
    if table in ("augmentation", "evaluation") and keypoints.unpaired:
        return ["Its keypoints know no left and right, so nothing is mirrored."]
    return []


def _about_boxes(composition: Composition) -> list[str]:
    """Return how large the people are that a view of one person is fitted to."""
    view = composition.view
    sides = [crop.box[2:] for crop in person_crops(composition.dataset.split("train"))]
    if views_of(view).finds_people or not sides:
        return []
    width, height = (median(lengths) for lengths in zip(*sides, strict=True))
    return [
        f"A view of {view.height}x{view.width} shows one person. Half of the training people's boxes are "
        f"higher than {height:.0f} and half are wider than {width:.0f} pixels of their images."
    ]
