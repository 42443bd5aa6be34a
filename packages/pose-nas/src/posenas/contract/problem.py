"""Strategies, and what they may ask of a search: the second page of the contract.

A strategy's `search` gets a `Problem`. Everything costly is one of its methods. Each result is written to the
run's journal before the strategy sees it, so a run that was killed is resumed by calling `search` again: what
the journal knows returns at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from posenas.contract.batches import Batch
    from posenas.contract.components import SearchSpace
    from posenas.contract.genotype import Genotype
    from posenas.contract.goals import MetricLimit, Objective
    from posenas.contract.phases import PlannedTraining
    from posenas.contract.trial import Trial


WEIGHTS = "weights"
"""The group of parameters that every training has."""
ARCHITECTURE = "architecture"
"""The group of a relaxed network's real values, in trainings with `Learning`."""


@dataclass(frozen=True)
class Weights:
    """A weights file of the run.

    Attributes:
        file: its name.
        shared: whether it holds the super-network of a whole space.
        state: where a `Span` says that its training goes on, a file with the network and all optimisers as
            they stand; else None.
    """

    file: str
    shared: bool
    state: str | None = None


class Beginning(Enum):
    """Weights that a training begins with and that are none of this run: random ones, or the recipe's initial
    ones."""

    FRESH = "fresh"
    INITIAL = "init"


FinalWeights: TypeAlias = Literal["auto", "shared", "fresh", "init"]
"""An option of strategies: what the winner's last training begins with. A strategy lists the words that it
knows; `final_init` tells what they mean."""


@dataclass(frozen=True)
class Span:
    """The place of one call's epochs in a whole training that is cut into slices.

    Learning rate, warm-up, a step's `progress` and all random numbers are those of the whole training, so
    that slices give the weights of one call over the whole, bit for bit. A later slice begins with the
    weights of the slice before as `init`, and may have another step.

    Attributes:
        begin: the number of epochs that earlier slices trained; 0 in the first.
        of: the number of epochs of the whole training.
    """

    begin: int
    of: int


@dataclass(frozen=True)
class Candidate:
    """A genotype that is to be trained alone.

    Attributes:
        init: weights of another genotype that it inherits from where tensors fit; None for fresh ones.
    """

    genotype: Genotype
    init: Weights | None = None


@dataclass(frozen=True)
class Learning:
    """How the architecture's values learn, beside the weights.

    Attributes:
        learning_rate: the same in every step; None for the weights' own.
        weight_decay: of the architecture's values.
        on: the people to learn from. `train` takes all of them. With `halves`, the first half of each batch
            is to learn the weights from, and the second half to learn the architecture from.
        betas: how fast the architecture's Adam forgets gradients and their squares; None for torch's figures.
        frozen: names of what is not trained: parameters of the pose network such as `head.bias`, or modules
            such as `backbone.stem` with all parameters in them.
    """

    learning_rate: float | None = None
    weight_decay: float = 0.0
    on: str = "train"
    betas: tuple[float, float] | None = None
    frozen: tuple[str, ...] = ()


@dataclass(frozen=True)
class Relaxation:
    """What a training of weights and architecture gave.

    Attributes:
        weights: of the found genotype's network.
        genotype: with the values that were learnt.
        course: the genotype after each epoch of the call; the last one is `genotype`.
    """

    weights: Weights
    genotype: Genotype
    course: tuple[Genotype, ...]


Update: TypeAlias = Callable[[str], None]
"""Moves one group of parameters by its present gradients, and clears them: `weights`, or `architecture` in
trainings with `Learning`."""


class Step(Protocol):
    """Computes one batch's losses and adds their gradients to those in the network.

    Most steps leave it at that: the training moves every group of parameters after the step, or after
    `training.accumulate` of them. A step may move groups itself by `update`, in the order that it wants. For
    this batch the training then leaves these groups alone, and clears the gradients that they have left.

    A step is a frozen dataclass whose fields are numbers, words, tuples and frozen dataclasses such as the
    space: by them a resumed run knows the training again. Anything else is refused; see
    `posenas.searching.identity`.
    """

    def __call__(
        self, network: Any, batch: Batch, rng: Random, *, update: Update, progress: float
    ) -> Mapping[str, Tensor | float]:
        """Return the losses by name, for the display: tensors without an axis, or floats.

        Return `loss.detach()`, not `float(loss)`: a float waits until the device has computed it. The
        training reads the tensors of many steps together, so nothing may change them later.

        Args:
            network: the network in training: a pose network, or the super-network with its `activate`.
            batch: N views.
            rng: everything random in the step comes from it or from torch's generator.
            update: moves a group of parameters now.
            progress: the share of the whole training that is done, in [0, 1); what `Span` says counts.
        """
        ...


class Problem(Protocol):
    """One search: its space, its goals, and the costly work that is done once and remembered.

    People are in four splits: `fit` to train on while candidates are ranked on `ranking`, which together make
    up `train`; and `val`, which no decision depends on (unless `evaluation.held_out` is 0).
    """

    @property
    def space(self) -> SearchSpace:
        """The space that is searched."""
        ...

    @property
    def objectives(self) -> Sequence[Objective]:
        """What to make great or small; at least one is a metric."""
        ...

    @property
    def metric_limits(self) -> Sequence[MetricLimit]:
        """The limits on metrics, such as `oks.AP>=0.5`. A trial that keeps all is preferred to any other.

        `best` judges by them. A strategy that ranks trials itself asks each one's `violation_of`.
        """
        ...

    def offers(self, capability: type) -> bool:
        """Tell whether the space, or the head's module, has this capability."""
        ...

    def rng(self, purpose: str) -> Random:
        """Return a generator that depends on the run's seed and the purpose alone."""
        ...

    def best(self, trials: Sequence[Trial]) -> Trial:
        """Return the best trial by the objective, or the knee of the front where there are several.

        It is one that keeps the limits on metrics, or else one that misses them least.

        Raises:
            PosenasError: where every trial failed.
        """
        ...

    def costs(self, genotype: Genotype) -> Mapping[str, float]:
        """Return the counted costs of the pose network by name, and those that a limit or an objective names.

        They are those of the network that is trained in the end; see `derived`. Counted are `parameters`,
        `parameters_with_statistics`, `macs`, `gmacs`, `paper_gflops` and `thesis_gflops`.
        """
        ...

    def derived(self, genotype: Genotype) -> Genotype:
        """Return the genotype that is trained in the end where this one is chosen.

        It is another one only where the space is `Derivable`. A network that gets weights of its own is the
        derived one's: call this before `train` and `train_and_evaluate_many`.
        """
        ...

    def within_limits(self, genotype: Genotype) -> bool:
        """Tell whether the genotype's costs keep every limit on costs."""
        ...

    def near_budget(self, genotype: Genotype) -> bool:
        """Tell whether a genotype within the limits is as near the tightest one as those that `draw` gives.

        It is true where the search has no budget to be near.
        """
        ...

    def draw(
        self,
        number: int,
        *,
        first: Sequence[Genotype] = (),
        fixed: Mapping[str, Any] | None = None,
        sample: Callable[[Random], Genotype] | None = None,
        purpose: str = "candidates",
    ) -> list[Genotype]:
        """Return different genotypes within the limits; fewer where there are no more.

        Where no cost is an objective, those after `first` use 85 to 100 % of the tightest limit, as far as
        the space has such genotypes. Those of `sample` are taken as they come. A genotype outside the limits
        takes the values of one within, one random dimension after another.

        Args:
            number: how many are wanted.
            first: those to begin with, as far as they are within the limits.
            fixed: values of some dimensions that every genotype has, those of `first` too. Candidates around
                present values, such as the depths that were learnt so far, are drawn so.
            sample: draws a genotype in place of the space, such as a controller that learns what to choose.
                All its randomness comes from the generator that it is given.
            purpose: names the random numbers, as in `rng`.

        Raises:
            PosenasError: where no genotype within the limits is found, `fixed` is no part of a genotype, or
                `sample` draws none of the space.
        """
        ...

    def note(self, series: str, epoch: int, values: Mapping[str, float]) -> None:
        """Write figures of one epoch to the journal; the report draws them as curves.

        A resumed run does not write them again. Where an epoch is noted a second time with other figures, the
        first ones stay, and a warning says so.

        Args:
            series: the name of the curves, such as `controller`.
            epoch: the place on the curves' axis, from 1 on; each is noted once in a series.
            values: finite figures by the curves' names, such as `{"reward": 0.4}`.

        Raises:
            PosenasError: where there is no figure, or one is not finite.
        """
        ...

    def warn(self, message: str) -> None:
        """Tell the user in one line of something wrong that the search goes on in spite of.

        A resumed run tells it again where the strategy comes to it again.
        """
        ...

    def train_shared(
        self,
        step: Step,
        *,
        epochs: int,
        init: Weights | None = None,
        on: str = "fit",
        name: str = "super-network",
        span: Span | None = None,
    ) -> Weights:
        """Train the super-network of a weight-sharing space, from fresh or from earlier shared weights.

        Where the strategy requires `Relaxed` too, real values are shared parameters: `activate` gives the
        network of a genotype with the genotype's values, and their gradients change the shared ones, which
        are in `network.shared.holder`.

        Args:
            step: how each batch trains it.
            epochs: passes over the people in this call.
            init: shared weights to begin with, or those of the key frame's network of a `Propagating` space;
                None for fresh ones.
            on: the split to train on.
            name: what the display calls it.
            span: the place of these epochs in a training that is cut into slices.
        """
        ...

    def train(
        self,
        genotype: Genotype,
        *,
        epochs: int,
        init: Weights | Beginning | None = None,
        on: str = "train",
        repeat: int = 0,
        span: Span | None = None,
    ) -> Weights:
        """Train one genotype alone, from fresh weights or from its part of shared ones.

        Args:
            genotype: what is trained.
            epochs: passes over the people in this call.
            init: weights to begin with; None for the recipe's initial ones, or fresh ones where it has none.
            on: the split to train on.
            repeat: each number is a training of its own, with other random numbers.
            span: the place of these epochs in a training that is cut into slices.
        """
        ...

    def weights_of(self, run: str, genotype: Genotype) -> Weights:
        """Return the weights of another run's best network, which this run keeps a copy of.

        Args:
            run: its folder.
            genotype: that of its network in this run's space.

        Raises:
            PosenasError: where the run is not finished, or its network is another one.
        """
        ...

    def train_relaxed(
        self,
        step: Step,
        *,
        epochs: int,
        learning: Learning,
        start: Genotype | None = None,
        init: Weights | None = None,
        span: Span | None = None,
        shared: bool = False,
    ) -> Relaxation:
        """Train a network together with its genotype's real values, from fresh weights.

        Args:
            step: how each batch trains them.
            epochs: passes over the people in this call.
            learning: how the values learn.
            start: the genotype with which the whole training begins, the same in every slice; None for the
                middle of every dimension, which is zeros, or for the largest genotype.
            init: the weights of the slice before; None in the first slice.
            span: the place of these epochs in a training that is cut into slices.
            shared: whether the network is the super-network of a space that shares weights too; the strategy
                requires both. For the values of activated networks see `train_shared`.
        """
        ...

    def leave_out(self, genotype: Genotype, weights: Weights, *, whole: Genotype) -> Weights:
        """Return the part of a whole genotype's weights that a pruned one still needs.

        The journal notes how far its outputs are from the whole one's, for the ranking people.

        Args:
            genotype: the pruned one. Its network's tensors are among the whole one's, by the same names and
                shapes.
            weights: those of the whole one's network.
            whole: the genotype that was pruned.
        """
        ...

    def evaluate(self, genotype: Genotype, weights: Weights, *, stage: str) -> Trial:
        """Score one genotype with its own weights on `val`, and keep its predictions.

        The trial tells what the steps of its decoding are worth, where the head tells them apart. A network
        that cannot be run is a failed trial.

        Args:
            genotype: what is scored.
            weights: those of its own network.
            stage: a free word for this part of the search, which the display shows.
        """
        ...

    def evaluate_many(
        self,
        genotypes: Sequence[Genotype],
        weights: Weights,
        *,
        stage: str,
        calibration_people: int,
        progress: tuple[int, int] | None = None,
    ) -> Iterator[Trial]:
        """Score each genotype with its part of shared weights on the ranking people.

        The trials come one by one, in the order of the genotypes. A network that cannot be run is a failed
        trial.

        Args:
            genotypes: what is scored.
            weights: shared; or those of the only genotype, with 0 calibration people.
            stage: a free word for this part of the search, which the display shows.
            calibration_people: batch norm is recalibrated with so many training people first; 0 keeps it.
            progress: how many candidates were scored before these, and how many will be in all.
        """
        ...

    def train_and_evaluate_many(
        self, candidates: Sequence[Candidate], *, epochs: int, stage: str
    ) -> Iterator[Trial]:
        """Train each candidate alone on `fit`, and score it on the ranking people.

        Several are trained at the same time where the recipe lets them. Each is scored with the weights of
        the epoch whose loss was least on the ranking people. A candidate whose training fails is a failed
        trial. The results do not depend on the order in which the trainings end.

        Args:
            candidates: genotypes, each with the weights that its training begins with. The trials come in
                their order.
            epochs: passes over the people, for each candidate.
            stage: a free word for this part of the search, which the display shows.
        """
        ...

    def discard(self, weights: Weights) -> None:
        """Delete the files of weights that the search no longer needs, their training's state among them.

        Reading them all the same trains them again.
        """
        ...


def final_init(problem: Problem, choice: str, *, learnt: Weights | None) -> Weights | Beginning | None:
    """Return what the winner's last training begins with, as the option `final_weights` says.

    `fresh` are random weights, also where the recipe has initial ones; `init` are the recipe's initial ones.
    Any other word stands for the weights that the search has for the winner. Without them the training begins
    with the recipe's initial weights, or fresh ones where it has none.

    Args:
        problem: told where `shared` is chosen and cannot be had.
        choice: the option's value.
        learnt: the weights that the search has for the winner; None where it has none, such as where the
            space derives another network from the winner, which does not nest in the shared weights.
    """
    if choice in (Beginning.FRESH.value, Beginning.INITIAL.value):
        return Beginning(choice)
    if choice == "shared" and learnt is None:
        problem.warn(
            "final_weights=shared: the space derives another network from the winner, which the shared "
            "weights do not fit; its training begins without them"
        )
    return learnt


@runtime_checkable
class Strategy(Protocol):
    """A strategy decides which genotypes to try and how their weights are obtained."""

    def requires(self) -> Sequence[type]:
        """Return the capabilities, protocols of the first page, that space or head module must have."""
        ...

    def search(self, problem: Problem) -> Iterator[Trial]:
        """Yield the trials of the search, by ordinary deterministic code.

        All costly work, and all randomness, comes from `problem`. The last trial yielded is the search's
        answer, whatever its stage is called: the winner with weights of its own, scored by
        `problem.evaluate`. A search without a trial, or whose last one failed or has the super-network's
        weights, ends with an error.
        """
        ...


@runtime_checkable
class Supporting(Strategy, Protocol):
    """A strategy that can search spaces which need more of it than others, such as `Propagating` ones."""

    def supports(self) -> Sequence[type]:
        """Return the capabilities of such spaces that the strategy knows what to do with."""
        ...


@runtime_checkable
class Demanding(Strategy, Protocol):
    """A strategy that cannot search every space that has the capabilities which it requires."""

    def check_space(self, space: SearchSpace) -> None:
        """Refuse a space that cannot be searched, before anything is trained.

        Args:
            space: the one to search; joined with the head's dimensions where the head has some.

        Raises:
            PosenasError: in one line, what the space lacks.
        """
        ...


@runtime_checkable
class Planned(Strategy, Protocol):
    """A strategy that tells beforehand what it is going to train.

    Composing then refuses settings that do not fit into a training, and says which have no effect.
    """

    def trainings(self, space: SearchSpace) -> Sequence[PlannedTraining]:
        """Return the trainings of a search, those of a comparison left out.

        Args:
            space: the one to search; joined with the head's dimensions where the head has some.
        """
        ...
