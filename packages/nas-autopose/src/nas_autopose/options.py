"""The options that several strategies of this package have; each says whether it is the paper's or ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, TypeAlias

from annotated_types import Ge, Gt, Le, Lt
from posenas import Problem, Relaxed

from nas_autopose.capabilities import SinglePath
from nas_autopose.gumbel_step import Estimator

EstimatorChoice: TypeAlias = Literal["auto", "soft", "single"]

SearchEpochs: TypeAlias = Annotated[int, "passes over the people in the search (paper's: 50)", Gt(0)]
ArchitectureRate: TypeAlias = Annotated[
    float, "learning rate of the cells; the paper's 3e-3 is for 55,000 steps, this is ours", Gt(0)
]
EstimatorOption: TypeAlias = Annotated[
    EstimatorChoice,
    "soft computes all operations of an edge, single only a drawn one, auto: single if the space supports it "
    "(ours; the paper says Gumbel-softmax)",
]
FirstTemperature: TypeAlias = Annotated[
    float, "temperature of the Gumbel-softmax at the beginning (ours)", Gt(0)
]
LastTemperature: TypeAlias = Annotated[
    float,
    "temperature of the Gumbel-softmax at the end; it falls exponentially (ours)",
    Gt(0),
]
CalibrationPeople: TypeAlias = Annotated[
    int, "training people that batch norm's statistics of shared weights are taken from (ours)", Gt(0)
]
FinalEpochs: TypeAlias = Annotated[int, "passes in training the found network (paper's: 210)", Gt(0)]
ControllerBatch: TypeAlias = Annotated[
    int, "draws that an update of the controller learns from (paper's: 2)", Gt(0)
]
ControllerRate: TypeAlias = Annotated[
    float, "learning rate of the controller's Adam; the paper's 3.5e-3 is for 900 draws, this is ours", Gt(0)
]
ControllerSize: TypeAlias = Annotated[
    int, "hidden units of the controller's LSTM (ours, as in AutoGAN)", Gt(0), Le(4096)
]
EntropyWeight: TypeAlias = Annotated[
    float,
    "weight of the entropy of the controller's choices beside the reward (ours, as in AutoGAN)",
    Ge(0),
]
BaselineDecay: TypeAlias = Annotated[
    float, "share of the moving baseline that stays at each update (ours, as in AutoGAN)", Ge(0), Lt(1)
]


def capabilities_for(estimator: EstimatorChoice) -> Sequence[type]:
    """Return the capabilities that a space must have for an estimator."""
    return (Relaxed, SinglePath) if estimator == "single" else (Relaxed,)


def estimator_for(estimator: EstimatorChoice, problem: Problem) -> Estimator:
    """Return the estimator of a search."""
    if estimator == "auto":
        return "single" if problem.offers(SinglePath) else "soft"
    return estimator
