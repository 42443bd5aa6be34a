"""The form of the public docstrings: whole sentences that make sense alone, as in an editor's hover.

Functions begin with a verb in the imperative, which ruff's D401 checks too. Functions with three or more
parameters explain each of them under `Args:`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

PACKAGES = Path(__file__).parents[1] / "packages"
MANY = 3
EXPLAINED = 0.75

# Words that carry on what stands before them, such as the function's name; or begin no sentence with a verb.
_PREPOSITIONS = """
    above across after and as at because before below beside between but by depending during for from if in
    instead into like of on only or over per since so than through to under unless until up upon when whenever
    while with within without
"""
_CONTINUATIONS = """
    also either else few first he her his it its last less likewise many more most near neither next no none
    not other others same she somebody something such that their them then there these they this those true
    false why yes
"""
_NOUN_PHRASES = """
    a all an another any each every everything how nobody nothing one several some the two what whatever where
    which who whose whether
"""

CONTINUING = frozenset(f"{_PREPOSITIONS} {_CONTINUATIONS}".split())
"""Words that carry on what stands before them, such as the function's name."""
BEGINNINGS = CONTINUING | frozenset(_NOUN_PHRASES.split())
"""Words that no function's docstring begins with; a class or a property may be a noun phrase."""

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def documented() -> Iterator[tuple[str, ast.AST]]:
    """Yield every public class and function of the packages, with where it stands."""
    for file in sorted(PACKAGES.glob("*/src/**/*.py")):
        place = str(file.relative_to(PACKAGES))
        for name, node in public(ast.parse(file.read_text()).body):
            yield f"{place}:{node.lineno} {name}", node


def public(body: list[ast.stmt], within: str = "") -> Iterator[tuple[str, ast.ClassDef | Function]]:
    """Yield the public definitions of a module or a class, those of its classes too."""
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("_"):
                continue
            yield within + node.name, node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body, f"{node.name}.")


def is_property(node: ast.AST) -> bool:
    """Tell whether a function is read like an attribute."""
    decorators = [ast.unparse(each) for each in getattr(node, "decorator_list", [])]
    return any(each.split(".")[-1] in ("property", "cached_property") for each in decorators)


def first_word(text: str) -> str:
    """Return a docstring's first word in small letters, without marks."""
    found = re.match(r"\W*([\w'-]+)", text)
    return found[1].lower() if found else ""


def begins_in_the_middle(node: ast.AST) -> bool:
    """Tell whether a docstring's first sentence only makes sense with what stands around it."""
    text = ast.get_docstring(node)  # type: ignore[arg-type]
    if not text:
        return False
    noun = isinstance(node, ast.ClassDef) or is_property(node)
    return first_word(text) in (CONTINUING if noun else BEGINNINGS)


def parameters(node: Function) -> list[str]:
    """Return the names of a function's parameters, without `self` and those that are ignored."""
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [each.arg for each in given if each.arg not in ("self", "cls") and not each.arg.startswith("_")]


def explains(node: Function) -> bool:
    """Tell whether a function's docstring has a line under `Args:` for each of its parameters."""
    _, found, arguments = (ast.get_docstring(node) or "").partition("Args:\n")
    return bool(found) and all(re.search(rf"^ +{name}\b.*:", arguments, re.M) for name in parameters(node))


def test_docstrings_make_sense_alone() -> None:
    wrong = [place for place, node in documented() if begins_in_the_middle(node)]
    assert not wrong, f"{len(wrong)} begin in the middle: {wrong}"


def test_many_parameters_are_explained() -> None:
    many = [
        (place, explains(node))
        for place, node in documented()
        if isinstance(node, ast.FunctionDef) and len(parameters(node)) >= MANY and ast.get_docstring(node)
    ]
    missing = [place for place, explained in many if not explained]
    share = 1 - len(missing) / len(many)
    assert share >= EXPLAINED, f"{share:.0%} of {len(many)} explain their parameters; not {missing}"
