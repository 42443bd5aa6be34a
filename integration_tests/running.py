"""Small settings, and what a command answers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

SMALL = (
    "-o", "dataset.train_images=24", "-o", "dataset.val_images=8", "-o", "head.input_size=64,64",
    "-o", "training.batch_size=8", "-o", "training.workers=0",
)  # fmt: skip
SMALL_SEARCH = (
    *SMALL, "-o", "strategy.epochs=2", "-o", "strategy.candidates=3", "-o", "strategy.final_epochs=2",
    "-o", "strategy.calibration_people=16",
)  # fmt: skip


@dataclass(frozen=True)
class Answer:
    """What a command printed and how it ended."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def last_json(self) -> Any:
        return json.loads(self.out.strip().splitlines()[-1])


def refusal(answer: Answer) -> str:
    """Return the one line of a command that ended with 2."""
    assert answer.status == 2, answer
    (line,) = answer.err.splitlines()
    assert line.startswith("posenas: ")
    return line
