"""Seeds that depend only on the run's seed and on what they are for."""

from __future__ import annotations

import hashlib
from random import Random

from posenas.contract.genotype import canonical_json


def derive_seed(*parts: str | int) -> int:
    """Return a 63-bit seed from a path of names and numbers.

    It is the same on every machine and in every process.
    """
    digest = hashlib.sha256(canonical_json(list(parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def derive_rng(*parts: str | int) -> Random:
    """Return a random number generator whose seed is `derive_seed` of the same parts."""
    return Random(derive_seed(*parts))
