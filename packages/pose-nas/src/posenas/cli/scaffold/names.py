"""The names in a new package, all from that of its distribution."""

from __future__ import annotations

import keyword
import sys
from dataclasses import dataclass
from importlib.util import find_spec

from packaging.utils import InvalidName, canonicalize_name
from packaging.version import Version

from posenas import __version__
from posenas.composing.distributions import CORE
from posenas.composing.plugins import find_plugin
from posenas.contract.errors import PosenasError


@dataclass(frozen=True)
class Names:
    """The names in a package with one component.

    Attributes:
        distribution: what pip installs, and the folder's name.
        kind: the component's, such as `head`.
        component: the name that `posenas compose` knows it by.
    """

    distribution: str
    kind: str
    component: str

    @property
    def module(self) -> str:
        """The module that holds the component, such as `my_head`."""
        return canonicalize_name(self.distribution).replace("-", "_")

    @property
    def class_name(self) -> str:
        """The component's class, such as `MyHead`."""
        return "".join(word.capitalize() for word in self.module.split("_"))

    @property
    def figure(self) -> str:
        """The figure that a cost gives, such as `my_cost`."""
        return canonicalize_name(self.component).replace("-", "_")

    @property
    def core(self) -> str:
        """The requirement of the running core, such as `pose-nas>=0.2,<0.3`."""
        major, minor = Version(__version__).release[:2]
        return f"{CORE}>={major}.{minor},<{major}.{minor + 1}"


def names_of(distribution: str, *, kind: str, component: str | None = None) -> Names:
    """Return the names of a new package.

    Args:
        distribution: the name of the package, such as `my-head`.
        kind: the component's kind.
        component: the component's name; by default the package's without the kind, such as `my`.

    Raises:
        PosenasError: where a name is none, or is taken.
    """
    _check_is_name(distribution, "a package")
    if component is not None:
        _check_is_name(component, "a component")
    names = Names(distribution, kind, component or _without_kind(canonicalize_name(distribution), kind))
    _check_module(names)
    offered = find_plugin(kind, names.component)
    if offered is not None:
        raise PosenasError(
            f"{kind} {names.component!r} is offered by {offered.distribution} {offered.version}: give yours "
            "another name with --name"
        )
    return names


def _without_kind(name: str, kind: str) -> str:
    return name.removeprefix(f"{kind}-").removesuffix(f"-{kind}")


def _check_is_name(text: str, what: str) -> None:
    try:
        canonicalize_name(text, validate=True)
    except InvalidName:
        raise PosenasError(
            f"{text!r} is no name of {what}: take letters, digits, hyphens and dots, and begin and end with "
            "a letter or a digit"
        ) from None


def _check_module(names: Names) -> None:
    module = names.module
    problem = ""
    if not module.isidentifier() or keyword.iskeyword(module):
        problem = "which Python cannot import"
    elif _is_taken(module):
        problem = "and there is one already"
    if problem:
        raise PosenasError(
            f"{names.distribution} would have a module {module}, {problem}: choose another name"
        )


def _is_taken(module: str) -> bool:
    """Return whether the name imports something; a mere folder of the name is nothing."""
    if module in sys.stdlib_module_names:
        return True
    spec = find_spec(module)
    return spec is not None and spec.origin is not None
