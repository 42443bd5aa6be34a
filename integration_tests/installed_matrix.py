"""The matrix of our packages, found once a process."""

from __future__ import annotations

from functools import cache

from posenas.composing.matrix.matrix import Matrix, find_matrix


@cache
def installed_matrix() -> Matrix:
    return find_matrix()
