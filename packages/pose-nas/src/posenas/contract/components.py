"""The contract: six protocols, and the capabilities that are asked for by name.

Composing compares the methods' signatures with those on this page: parameters have these names and kinds,
further ones have defaults. It then runs one small forward pass, loss and decoding, so that a component which
breaks a rule of this page is refused in one line before anything is trained.

A component is a frozen dataclass: its fields are its options, its methods its behaviour. There is
nothing to inherit and nothing to register but one entry point. A field that a user may set is
annotated `Annotated[type, "what it does"]`; constraints such as `annotated_types.Ge(1)` go beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor

    from posenas.contract.batches import Batch, Look, Poses, PosesWithout, View
    from posenas.contract.costs import CostFigure, Networks
    from posenas.contract.finding import Finding
    from posenas.contract.genotype import Dimension, Genotype
    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.levels import Level
    from posenas.contract.samples import Sample
    from posenas.contract.scores import Evaluation, GroundTruth, Metric, Predictions
    from posenas.contract.sections import Results, Section


class Backbone(Protocol):
    """An nn.Module: (N, 3, H, W) images to one (N, C, H / stride, W / stride) feature map a level."""

    @property
    def levels(self) -> Sequence[Level]:
        """From the image to the output; truthful names, strides and channels.

        Composing compares them with the feature maps of the largest, the smallest and a drawn network, on
        the meta device: the forward pass asks no tensor for its values.
        """
        ...

    def __call__(self, images: Tensor) -> Mapping[str, Tensor]: ...


@runtime_checkable
class SearchSpace(Protocol):
    """Turns a genotype into a backbone."""

    def dimensions(self) -> Mapping[str, Dimension]:
        """Every combination of values is a genotype that can be built. What `sample` and the capabilities'
        methods give is one value of each, and nothing else."""
        ...

    def sample(self, rng: Random) -> Genotype: ...

    def build(self, genotype: Genotype) -> Backbone:
        """The network with fresh weights, drawn from torch's generator."""
        ...


@runtime_checkable
class WeightSharing(SearchSpace, Protocol):
    """A space whose networks nest: every tensor of any genotype's network is the leading slice (for
    kernels the centre) of the tensor of the same name in the largest network. One set of weights
    then serves them all; see `posenas.networks.sharing`."""

    def largest(self) -> Genotype: ...

    def smallest(self) -> Genotype: ...


@runtime_checkable
class Conditional(SearchSpace, Protocol):
    """A space in which other values of a genotype decide what some dimensions may be. A genotype with any
    other value of theirs can still be built; its network is that of a genotype with a possible one."""

    def possible(self, genotype: Genotype) -> Mapping[str, Sequence[Any]]:
        """For each of these dimensions at least one value, whatever the genotype has there now."""
        ...


@runtime_checkable
class Evolvable(SearchSpace, Protocol):
    """A space that says where an evolution begins and how a genotype changes."""

    def ancestor(self) -> Genotype: ...

    def mutate(self, genotype: Genotype, rng: Random) -> Genotype:
        """Another genotype, near this one."""
        ...


@runtime_checkable
class Relaxed(SearchSpace, Protocol):
    """A space with real dimensions whose networks can be differentiated by them. Each row of values, along
    the last axis, is a choice whose alternatives weigh by the row's softmax."""

    def relax(self, backbone: Any) -> Mapping[str, Tensor]:
        """Makes the backbone's architecture values parameters, in place and by their names in the state dict;
        returns them by their dimensions' names, of their dimensions' shapes. Those of a backbone that is
        relaxed already stay the same parameters. It may be on the meta device."""
        ...

    def set_values(self, backbone: Any, genotype: Genotype) -> None:
        """Puts the genotype's real values into the backbone, relaxed or not, in place of those that it has.

        Called after weights were loaded, cut out of shared ones or bound to them: the values are the
        genotype's, and never those that were saved with the weights.
        """
        ...


@runtime_checkable
class Derivable(SearchSpace, Protocol):
    """A space that searches one network and trains another one in the end, such as its arg-max.

    Costs, limits and comparisons are those of the derived genotype, and a search's answer has one. A strategy
    asks `Problem.derived` for it before it trains a network that is to have weights of its own.
    """

    def derived(self, genotype: Genotype) -> Genotype:
        """Return the genotype that is trained in the end; of a derived one it is the same."""
        ...


class HeadModule(Protocol):
    """An nn.Module that ends a pose network. `Any` is whatever the head calls outputs and targets."""

    def __call__(self, features: Mapping[str, Tensor], targets: Any | None = None) -> Any:
        """Return the outputs for feature maps.

        Args:
            features: (N, C, H, W) feature maps, by the names of the selected levels.
            targets: what `targets` gave for the batch, in training alone. A head that crops regions crops
                the true ones while its own are still poor. Most heads ignore the targets.
        """
        ...

    def targets(self, batch: Batch) -> Any:
        """Return what the loss compares outputs with, on the batch's device.

        Targets are encoded once a batch. A batch may hold views with nobody labelled, and views of whole
        images nobody at all.
        """
        ...

    def loss(self, outputs: Any, targets: Any) -> Tensor:
        """Return a real number without axes that can be differentiated.

        The loss is finite where nobody is labelled too.
        """
        ...

    def decode(self, outputs: Any, batch: Batch) -> Poses:
        """Return the poses in the outputs, which are finite.

        A view of a person has one pose, with keypoints (N, K, 2) and scores (N, K). A view of a whole image
        has any number.

        Args:
            outputs: what the module gave for the batch's images.
            batch: the batch, with `pitch` for distances in pixels of the original image. It has no true
                people where pictures of a user are looked at, and decoding never reads them.
        """
        ...


@runtime_checkable
class Distillable(Protocol):
    """A head module whose outputs can be taught by a larger network's outputs."""

    def distillation_loss(self, outputs: Any, teacher: Any) -> Tensor:
        """A scalar on the scale of `loss`; no gradient flows into the teacher's outputs."""
        ...


@runtime_checkable
class Averaging(Protocol):
    """A head module whose loss is made of means over what the targets of a batch have, such as the labelled
    keypoints. The loss of a whole split then does not depend on how it is divided into batches."""

    def loss_means(self, outputs: Any, targets: Any) -> tuple[Tensor, Tensor]:
        """(M,) the means whose sum `loss` is, of a batch that has something of each; and (M,) over how many
        each is taken. A mean over none is 0."""
        ...


@runtime_checkable
class FlipTest(Protocol):
    """A head module that can average its outputs with those for the mirrored images."""

    def average_mirrored(self, outputs: Any, mirrored: Any) -> Any:
        """Outputs for the images, averaged with `mirrored` after undoing the mirror."""
        ...


@runtime_checkable
class ScaleTest(Protocol):
    """A head module for whole images that can put together its outputs for several sizes of them.

    The sides of each input are multiples of the stride of the head's view.
    """

    def combine(self, looks: Sequence[Look], view: tuple[int, int]) -> Any:
        """Return outputs for the views in their own size.

        Args:
            looks: the outputs for the views in several sizes, mirrored or not.
            view: height and width of the views, pixels.
        """
        ...


@runtime_checkable
class Ablatable(Protocol):
    """A head module whose decoding has steps that can be left out, to tell what each of them is worth.

    The outputs of one forward pass are decoded with and without each step. A second evaluation with other
    options would cost a second pass, and could not tell how often a step replaces a keypoint.
    """

    def decode_ablated(self, outputs: Any, batch: Batch) -> tuple[Poses, Mapping[str, PosesWithout]]:
        """Return what `decode` gives, and the poses without each step, by the step's name.

        A name is one word, such as `fusion`. Steps that the options leave out are not there. Every batch has
        the same steps.

        Args:
            outputs: as in `HeadModule.decode`.
            batch: as in `HeadModule.decode`.
        """
        ...


@runtime_checkable
class Timed(Protocol):
    """A head module that tells where the time of its decoding goes.

    `posenas predict` prints the stages. From outside only the whole of a decoding could be timed.
    """

    @property
    def seconds(self) -> Mapping[str, float]:
        """The seconds spent so far, by the stages' names."""
        ...


@runtime_checkable
class Head(Protocol):
    """Turns feature levels into poses, for a keypoint set."""

    def view(self) -> View: ...

    def select(self, levels: Sequence[Level]) -> Sequence[Level]:
        """Those of the offered levels that the head reads. Raises PosenasError where it cannot."""
        ...

    def build(self, levels: Sequence[Level], keypoints: KeypointSet) -> HeadModule:
        """The module for the selected levels."""
        ...


@runtime_checkable
class Foreseeing(Head, Protocol):
    """A head that tells before the training what it will not learn of some people."""

    def foresee(self, samples: Sequence[Sample], keypoints: KeypointSet) -> Sequence[str]:
        """Warnings, one line each, with figures and with what helps; no picture is read.

        Args:
            samples: some of the training images, with somebody in each.
        """
        ...


@runtime_checkable
class Dataset(Protocol):
    """Images with people, in one keypoint set."""

    def keypoints(self) -> KeypointSet: ...

    def splits(self) -> Sequence[str]:
        """At least `train` and `val`."""
        ...

    def split(self, name: str) -> Sequence[Sample]:
        """The split's images; each person has all K keypoints, (K, 3)."""
        ...

    def instructions(self) -> str:
        """Where the files must lie and how to get them."""
        ...


@runtime_checkable
class Noticing(Dataset, Protocol):
    """A dataset that tells what it left out while it read its files."""

    def noticed(self, split: str) -> Sequence[Finding]:
        """Such as people who are left out by their category. The user is told before anything is trained,
        beside what the samples themselves show."""
        ...


@runtime_checkable
class Evaluator(Protocol):
    """Predictions and truth to named metrics."""

    def metrics(self) -> Sequence[Metric]:
        """The first one is what a search maximises unless it is told otherwise. Each has its own name."""
        ...

    def evaluate(self, predictions: Predictions, truth: GroundTruth) -> Evaluation:
        """A figure for each of `metrics` and for no other; NaN where there is none. It can be that nobody is
        predicted."""
        ...


@runtime_checkable
class Cost(Protocol):
    """What networks cost, such as their latency: figures for limits, objectives and the report.

    Its options are those of the recipe's table `[cost.NAME]`, and each has a default: what a cost declares is
    read from one with the defaults, before anything is built.
    """

    @property
    def dear(self) -> bool:
        """Whether a figure takes long, or differs when it is taken again.

        A dear cost is asked for only where the other costs are within their limits, and its figures are kept
        in the run's journal. The figures of any other cost depend on the genotype and the recipe alone.
        """
        ...

    def figures(self) -> Sequence[CostFigure]:
        """Return the figures that can be named."""
        ...

    def bind(self, networks: Networks) -> Meter:
        """Return what measures these networks.

        Raises:
            PosenasError: where it cannot measure them.
        """
        ...


class Meter(Protocol):
    """A cost of one composition's networks."""

    def measure(self, genotype: Genotype) -> Mapping[str, float]:
        """Return every declared figure of the genotype's network by name, and others if it has more.

        All of them are in the costs of a trial; each is finite.
        """
        ...


@runtime_checkable
class Divisible(Meter, Protocol):
    """A meter that tells what the parts of a network cost."""

    def parts(self, genotype: Genotype) -> Mapping[str, float]:
        """Return figures by the figure's name and the part's path, such as `gmacs.head.face`.

        A part that a network lacks is left out, and costs 0.
        """
        ...


@runtime_checkable
class Conditioned(Meter, Protocol):
    """A meter whose figures depend on more than the recipe says, such as the kind of device."""

    def identity(self) -> Mapping[str, Any]:
        """Return all that the figures depend on beside the genotype and the recipe, as plain data.

        A figure that the journal has under another identity is measured again.
        """
        ...

    def files(self) -> Mapping[str, Path]:
        """Return the files that the figures are read from, by the names of the options that name them.

        A run goes on only where their content is what it was.
        """
        ...


@runtime_checkable
class Explained(Cost, Protocol):
    """A cost that tells the report where its figures are from."""

    def caveat(self) -> str:
        """Return a sentence on where the figures are from and when they would be others."""
        ...


@runtime_checkable
class Reporting(Protocol):
    """A component of any of the five kinds that shows something of its own in the report of a run."""

    def sections(self, results: Results) -> Sequence[Section]:
        """Return the sections to show, none where there is nothing to tell.

        It is called whenever a report is written, of an unfinished run too; no network and no data are
        loaded. The same results give the same bytes, and nothing in them depends on where the run lies. A
        strategy's sections stand after the candidates, an evaluator's and a head's after the scores, a
        dataset's after the predicted poses, and a space's before the genotype. What it raises is told in the
        report, which is written without its sections.
        """
        ...
