"""Which branches are on in each stage: the scale vectors of AutoPose, as dimensions of a genotype.

Source: AutoPose (Gong et al., 2020), section 3.1.1, and the restrictions of its table 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from posenas import Choice, Genotype

Restriction: TypeAlias = Literal["searched", "one", "all"]


@dataclass(frozen=True)
class Gates:
    """The gates of a network's branches.

    Attributes:
        restriction: `searched` lets every branch of a stage be on or off, `one` at most one of them, `all`
            none be off.
        stages: how many stages there are.
        scales: how many branches a stage has.
    """

    restriction: Restriction
    stages: int
    scales: int

    def dimensions(self) -> dict[str, Choice]:
        """Return the dimensions: a gate for each branch, or a stage's one branch, of which 0 is none."""
        match self.restriction:
            case "searched":
                return {
                    f"stage{stage}.branch{branch}": Choice((False, True))
                    for stage in self._stages
                    for branch in self._branches
                }
            case "one":
                choice = Choice((0, *self._branches), ordered=False)
                return {f"stage{stage}.branch": choice for stage in self._stages}
            case "all":
                return {}

    def active(self, genotype: Genotype) -> tuple[tuple[int, ...], ...]:
        """Return the branches that are on in each stage, 0 is the finest."""
        return tuple(
            tuple(branch - 1 for branch in self._branches if self._is_on(genotype, stage, branch))
            for stage in self._stages
        )

    def all_on(self) -> tuple[tuple[int, ...], ...]:
        """Return every branch of every stage."""
        return tuple(tuple(range(self.scales)) for _ in self._stages)

    def _is_on(self, genotype: Genotype, stage: int, branch: int) -> bool:
        match self.restriction:
            case "searched":
                return bool(genotype[f"stage{stage}.branch{branch}"])
            case "one":
                return bool(genotype[f"stage{stage}.branch"] == branch)
            case "all":
                return True

    @property
    def _stages(self) -> range:
        return range(1, self.stages + 1)

    @property
    def _branches(self) -> range:
        return range(1, self.scales + 1)
