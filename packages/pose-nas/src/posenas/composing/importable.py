"""A look at a module's source that tells whether it would import, and runs none of it.

Only what is certain counts: imports inside `if`, `with` or a `try` that catches import errors may be meant to
fail, and a module that fills its own namespace may define any name.
"""

from __future__ import annotations

import ast
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from importlib.util import find_spec


@dataclass(frozen=True)
class SourceLook:
    """What the source of a module and of its parent packages tells.

    Attributes:
        problem: why the import would fail; empty if nothing speaks against it.
        names: those bound at module level; None if the source does not tell.
        marked: functions under a plain `@hookimpl`, which listen to the event of their name.
    """

    problem: str
    names: frozenset[str] | None = None
    marked: frozenset[str] = frozenset()


def look_at(module: str) -> SourceLook:
    """Read a dotted module and the packages above it, and import none of them."""
    look = SourceLook("")
    spec: ModuleSpec | None = None
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        name = ".".join(parts[:depth])
        spec = _top_level_spec(name) if spec is None else _submodule_spec(name, spec)
        if spec is None:
            return SourceLook(f"there is no module {name}")
        look = _look_at_source(spec)
        if look.problem:
            return look
    return look


def _top_level_spec(name: str) -> ModuleSpec | None:
    try:
        return find_spec(name)
    except ValueError:  # a module that was imported without a specification, such as __main__
        return ModuleSpec(name, None)


def _submodule_spec(name: str, parent: ModuleSpec) -> ModuleSpec | None:
    """Return a submodule's specification, or None if there is no such module.

    `find_spec` would import the parent. The parent's search locations are enough.
    """
    for location in parent.submodule_search_locations or ():
        for hook in sys.path_hooks:
            try:
                finder = hook(location)
            except ImportError:
                continue
            spec = finder.find_spec(name)
            if spec is not None:
                return spec
    return None


def _look_at_source(spec: ModuleSpec) -> SourceLook:
    get_source = getattr(spec.loader, "get_source", None)
    try:
        source = get_source(spec.name) if get_source else None
        with warnings.catch_warnings(action="ignore"):  # of the compiler, about the author's escapes
            tree = None if source is None else ast.parse(source)
    except (ImportError, SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        return SourceLook(f"{spec.origin}{f', line {line}' if line else ''}: the source is broken: {reason}")
    if source is None or tree is None:
        return SourceLook("")
    marked = frozenset(_marked(tree) if "hookimpl" in source else ())
    for statement in _unconditional(tree.body):
        problem = _statement_problem(statement)
        if problem:
            return SourceLook(f"{spec.origin}, line {statement.lineno}: {problem}")
    names = frozenset(_bound_names(tree))
    return SourceLook("", None if names & {"*", "__getattr__"} else names, marked)


def _marked(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and any(map(_is_hookimpl, node.decorator_list)):
            yield node.name


def _is_hookimpl(decorator: ast.expr) -> bool:
    name = decorator.attr if isinstance(decorator, ast.Attribute) else getattr(decorator, "id", "")
    return name == "hookimpl"


def _unconditional(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        if not isinstance(statement, ast.Try):
            yield statement
        elif not any(_catches_import_errors(handler) for handler in statement.handlers):
            yield from _unconditional(statement.body)


def _catches_import_errors(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    caught = {node.id for node in ast.walk(handler.type) if isinstance(node, ast.Name)}
    return bool(caught & {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"})


def _statement_problem(statement: ast.stmt) -> str:
    if isinstance(statement, ast.Raise):
        return f"the import ends in: {ast.unparse(statement)}"
    imported = [alias.name for alias in statement.names] if isinstance(statement, ast.Import) else []
    if isinstance(statement, ast.ImportFrom) and statement.level == 0 and statement.module:
        imported = [statement.module]
    for name in imported:
        top_level = name.partition(".")[0]
        if top_level not in sys.stdlib_module_names and _top_level_spec(top_level) is None:
            return f"it imports {top_level}, which is not installed"
    return ""


def _bound_names(node: ast.AST) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield child.name
        elif isinstance(child, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name.partition(".")[0] for alias in child.names)
        elif isinstance(child, ast.Name):
            if isinstance(child.ctx, ast.Store):
                yield child.id
        else:
            yield from _bound_names(child)
