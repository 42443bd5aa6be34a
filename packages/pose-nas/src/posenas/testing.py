"""Checks for the tests of a plugin: `posenas.testing` imports neither torch nor pytest.

Three lines of pytest run every check that applies to what a package offers:

    @pytest.mark.parametrize("check", checks_of("my-package"), ids=str)
    def test_the_kit_finds_nothing(check):
        check()
"""

from posenas.kit.check import Check
from posenas.kit.components import ComponentCheck, checks_of
from posenas.kit.kinds import checks_for

__all__ = ["Check", "ComponentCheck", "checks_for", "checks_of"]
