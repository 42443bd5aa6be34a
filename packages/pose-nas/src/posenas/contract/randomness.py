"""Seeds that depend only on the run's seed and on what they are for."""

from __future__ import annotations

import hashlib
from random import Random

from posenas.contract.genotype import canonical_json


def derive_seed(*parts: str | int) -> int:
    """A 63-bit seed from a path of names and numbers; stable across machines and processes."""
    digest = hashlib.sha256(canonical_json(list(parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def derive_rng(*parts: str | int) -> Random:
    return Random(derive_seed(*parts))
