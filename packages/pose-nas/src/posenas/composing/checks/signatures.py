"""Whether a component's methods can be called as the contract calls them.

`isinstance` asks a protocol for names alone. Here the signatures behind the names are compared, and a name
that nearly is one of the contract is noticed: a misspelt capability is otherwise just absent.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from itertools import product
from typing import Any, cast

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_CLOSE = 0.8


def members(protocol: type[Any]) -> dict[str, Any]:
    """Return a protocol's methods and properties by name, with those of the protocols that it extends."""
    found: dict[str, Any] = {}
    for base in reversed(protocol.__mro__):
        if getattr(base, "_is_protocol", False):
            found |= {
                name: value
                for name, value in vars(base).items()
                if (not name.startswith("_") or name == "__call__")
                and (inspect.isfunction(value) or isinstance(value, property))
            }
    return found


def misfit(component: object, protocol: type[Any]) -> str:
    """Say why a component's methods cannot be called as the protocol's; return "" if they can.

    A method takes each of the protocol's parameters by position and by name, or by name alone if the protocol
    has it so. A parameter with a default in the protocol has one here, and so has each further parameter. The
    names of positional parameters are free for `__call__`, and for `forward`, which a module has in its
    place.

    Args:
        component: an object. Only its methods' signatures are read.
        protocol: one of the contract's.
    """
    for name, expected in members(protocol).items():
        problem = (
            _value_problem(component, name)
            if isinstance(expected, property)
            else _method_problem(component, name, expected)
        )
        if problem:
            return problem
    return ""


def near_misses(
    component: Any, protocols: Iterable[type[Any]], *, without: type[Any] = object
) -> Iterator[str]:
    """Yield words for each capability that the component seems to mean and does not have.

    Args:
        component: an instance.
        protocols: the capabilities that it may have.
        without: a class whose attributes are its own business, such as `nn.Module`.
    """
    own = {
        name
        for kind in type(component).__mro__
        if kind is not without and not issubclass(without, kind)
        for name, value in vars(kind).items()
        if not name.startswith("_") and (callable(value) or isinstance(value, property))
    }
    capabilities = [protocol for protocol in protocols if not isinstance(component, protocol)]
    meant = {name for protocol in protocols for name in members(protocol)}
    told: set[str] = set()
    for protocol in capabilities:
        wanted = [name for name in members(protocol) if not hasattr(component, name) and name not in told]
        whole = [name for name in members(protocol) if name in vars(protocol)]
        part = [name for name in whole if name in own]
        if wanted and 2 * len(part) > len(whole):
            yield f"has {part[0]!r} of {protocol.__name__} and lacks {wanted[0]!r}; it is not used as it is"
        told |= set(wanted)
        for name in wanted:
            close = get_close_matches(name, own - meant, n=1, cutoff=_CLOSE)
            if close:
                yield f"has {close[0]!r}; was {name!r} of {protocol.__name__} meant? It is not used as it is"


def _value_problem(component: object, name: str) -> str:
    if not hasattr(component, name):
        return f"{name} is missing"
    if callable(getattr(type(component), name, None)):
        return f"{name} is a method, expected a property"
    return ""


def _method_problem(component: Any, name: str, expected: Any) -> str:
    asked = inspect.signature(expected)
    asked = asked.replace(parameters=list(asked.parameters.values())[1:])  # without self
    found_name = "forward" if name == "__call__" and hasattr(component, "forward") else name
    method = getattr(component, found_name, None)
    if not callable(method):
        return f"{found_name} is no method"
    try:
        found = inspect.signature(method)
    except (TypeError, ValueError):
        return ""  # a compiled function tells nobody what it takes
    ways = product((False,) if name == "__call__" else (False, True), (False, True))
    if all(_binds(found, asked, by_name=by_name, bare=bare) for by_name, bare in ways):
        return ""
    return f"{found_name}{_words(found)} should be {found_name}{_words(asked)}"


def _binds(found: inspect.Signature, asked: inspect.Signature, *, by_name: bool, bare: bool) -> bool:
    """Tell whether one signature takes the arguments of another.

    Args:
        found: the method's signature.
        asked: the protocol's signature.
        by_name: whether positional parameters are given by name.
        bare: whether what has a default is left out.
    """
    positional: list[None] = []
    named: dict[str, None] = {}
    for parameter in asked.parameters.values():
        if bare and parameter.default is not inspect.Parameter.empty:
            continue
        if parameter.kind in _POSITIONAL and not by_name:
            positional.append(None)
        else:
            named[parameter.name] = None
    try:
        found.bind(*positional, **cast(dict[str, Any], named))
    except TypeError:
        return False
    return True


def _words(signature: inspect.Signature) -> str:
    """Return the parameters without their types."""
    bare = [
        parameter.replace(annotation=inspect.Parameter.empty) for parameter in signature.parameters.values()
    ]
    return str(signature.replace(parameters=bare, return_annotation=inspect.Signature.empty))
