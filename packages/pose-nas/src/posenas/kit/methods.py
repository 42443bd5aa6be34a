"""The check that any component passes: its methods are those of the contract."""

from __future__ import annotations

from typing import Any

from posenas.composing.checks.conformity import check_methods, check_module_methods, check_requirements
from posenas.composing.plugins import Owner
from posenas.contract.errors import PosenasError
from posenas.kit.check import Check


def method_check(kind: str) -> Check:
    """Return the check of the methods of a kind of component."""

    def methods_are_the_contracts(component: Any) -> None:
        """Check that methods have the names and parameters of the contract, and none is nearly named so."""
        owner = Owner(kind, type(component).__name__)
        warnings = check_methods(kind, component, owner=owner)
        if kind == "head":
            from posenas.kit.modules_of_heads import build  # here, for it loads torch

            warnings += check_module_methods(build(component, views=1).module, owner=owner)
        if kind == "strategy":
            check_requirements(component, owner=owner)
        if warnings:
            raise PosenasError(warnings[0])

    return Check(methods_are_the_contracts, "write the method as posenas.contract has it, or rename it")
