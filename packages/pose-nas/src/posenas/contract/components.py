"""What a plugin writes: the first page of the contract. Components, and the capabilities that they may have.

Composing compares the methods' signatures with those on this page: parameters have these names and kinds,
further ones have defaults. It then runs one small forward pass, loss and decoding, so that a component which
breaks a rule of this page is refused in one line before anything is trained.

A component is a frozen dataclass: its fields are its options, its methods its behaviour. There is
nothing to inherit and nothing to register but one entry point. A field that a user may set is
annotated `Annotated[type, "what it does"]`; constraints such as `annotated_types.Ge(1)` go beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    from torch import Tensor, nn

    from posenas.contract.batches import Batch, Look, Poses, PosesWithout, View
    from posenas.contract.finding import Finding
    from posenas.contract.genotype import Dimension, Genotype
    from posenas.contract.keypoints import KeypointSet
    from posenas.contract.levels import Level
    from posenas.contract.made_for import MadeFor
    from posenas.contract.samples import Sample
    from posenas.contract.scores import Evaluation, GroundTruth, Metric, Predictions
    from posenas.contract.sections import Results, Section


class Backbone(Protocol):
    """An nn.Module: (N, 3, H, W) images to one (N, C, H / stride, W / stride) feature map a level."""

    @property
    def levels(self) -> Sequence[Level]:
        """The feature maps from the image to the output, with truthful names, strides and channels.

        Composing compares them with the real maps of the largest, the smallest and a drawn network. It runs
        them on the meta device, so the forward pass asks no tensor for its values.
        """
        ...

    def __call__(self, images: Tensor) -> Mapping[str, Tensor]:
        """Return the feature maps of (N, 3, H, W) images, by the names of their levels."""
        ...


@runtime_checkable
class SearchSpace(Protocol):
    """A space turns a genotype into a backbone."""

    def dimensions(self) -> Mapping[str, Dimension]:
        """Return what can be chosen, by name. Every combination of values is a genotype that can be built.

        A genotype has one value of each dimension and nothing else.
        """
        ...

    def sample(self, rng: Random) -> Genotype:
        """Return a random genotype."""
        ...

    def build(self, genotype: Genotype) -> Backbone:
        """Return the genotype's network with fresh weights, drawn from torch's generator."""
        ...


@runtime_checkable
class WeightSharing(SearchSpace, Protocol):
    """A space whose networks nest, so that one set of weights serves them all.

    Every tensor of a genotype's network is the leading slice of the tensor of the same name in the largest
    network; of a kernel it is the centre. See `posenas.networks.sharing`.
    """

    def largest(self) -> Genotype:
        """Return the genotype whose tensors hold those of every other one."""
        ...

    def smallest(self) -> Genotype:
        """Return the genotype at the other end of the space."""
        ...


@runtime_checkable
class Holding(WeightSharing, Protocol):
    """A space whose largest network lacks some tensors of others, such as those of alternatives.

    Without this capability the largest network holds the shared weights.
    """

    def holder(self) -> Backbone:
        """Return a network that has every tensor of every network in its largest size, with fresh weights.

        Only its tensors are used: it may be unable to run.
        """
        ...


class GuidedBackbone(Protocol):
    """A backbone for one frame of a clip, which is guided by what was found in the frame before."""

    @property
    def levels(self) -> Sequence[Level]:
        """The feature maps, as of any `Backbone`."""
        ...

    @property
    def frozen(self) -> bool:
        """Whether nothing changes its weights and statistics, nor those of its head."""
        ...

    def __call__(self, images: Tensor, guide: Tensor | None = None) -> Mapping[str, Tensor]:
        """Return the feature maps of (N, 3, H, W) images.

        Args:
            images: one frame of each clip.
            guide: (N, K, h, w) from the head of the frame before; None in the first frame.
        """
        ...


@runtime_checkable
class FrameByFrame(Protocol):
    """A backbone for clips: one network a frame, the first of which looks at a key frame alone."""

    @property
    def levels(self) -> Sequence[Level]:
        """The feature maps of the key frame."""
        ...

    @property
    def frames(self) -> Sequence[GuidedBackbone]:
        """The networks of the F frames, in their order."""
        ...

    @property
    def stills(self) -> int:
        """The most times that training shows the frame after the key frame beforehand, as in a still video.

        So the networks learn from guides that have come a longer way than from the key frame.
        """
        ...

    def listen(self, channels: int) -> None:
        """Make what takes in the guides, with fresh weights; it is called once, before anything runs.

        Args:
            channels: those of a guide, one for each keypoint.
        """
        ...


@runtime_checkable
class Propagating(WeightSharing, Protocol):
    """A space of networks for clips, whose frames share the weights of one super-network.

    Its backbones are `FrameByFrame`. The key frame's network is fixed and trained before all others, as a
    network of single images, and everything else begins with its weights.
    """

    @property
    def key_run(self) -> str:
        """The folder of the run whose best network is the key frame's; empty where one is to be trained."""
        ...

    @property
    def key_epochs(self) -> int:
        """The passes over the people in training the key frame's network, where there is no run of it."""
        ...

    def key_frame(self) -> Genotype:
        """Return the genotype of the key frame's network; its backbone is no `FrameByFrame`."""
        ...

    def source(self, path: str) -> str:
        """Return which module of the holder a module of a pose network takes its tensors from.

        Args:
            path: of the module in the pose network, such as `backbone.frames.2.stage1`.
        """
        ...

    def in_training(self, genotype: Genotype, rng: Random) -> Genotype:
        """Return what stands for a genotype in a step of the super-network's training.

        Its clip is as long as the largest one's; frames that it lacks are drawn. Choices that have no large
        and no small end may be drawn anew, so that the two ends of the space learn with each of them.
        """
        ...

    def begins_as(self, name: str) -> str:
        """Return which tensor of the key frame's network a tensor of the holder begins as.

        Any other name says that it begins fresh.
        """
        ...


@runtime_checkable
class Conditional(Protocol):
    """A space, or a searchable head, in which other values decide what some dimensions may be.

    A genotype with an impossible value can still be built: its network is that of one with a possible value.
    """

    def possible(self, genotype: Genotype) -> Mapping[str, Sequence[Any]]:
        """Return the possible values of each such dimension: at least one, whatever is there now."""
        ...


@runtime_checkable
class Evolvable(Protocol):
    """A space, or a searchable head, that says where an evolution begins and how a genotype changes."""

    def ancestor(self) -> Genotype:
        """Return the genotype that an evolution begins with."""
        ...

    def mutate(self, genotype: Genotype, rng: Random) -> Genotype:
        """Return another genotype, near this one."""
        ...


@runtime_checkable
class Relaxed(SearchSpace, Protocol):
    """A space with real dimensions whose networks can be differentiated by them.

    Each row of values, along the last axis, is a choice. Its alternatives weigh by the row's softmax.
    """

    def relax(self, backbone: Any) -> Mapping[str, Tensor]:
        """Make the backbone's architecture values parameters in place, and return them by dimension.

        They keep their names in the state dict and have their dimensions' shapes. In a backbone that is
        relaxed already they stay the same parameters. The backbone may be on the meta device.
        """
        ...

    def set_values(self, backbone: Any, genotype: Genotype) -> None:
        """Put the genotype's real values into the backbone, relaxed or not, in the place of its own.

        It is called after weights were loaded, cut out of shared ones or bound to them, so that the values
        are the genotype's and never those that were saved with the weights.
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


@runtime_checkable
class Tailored(SearchSpace, Protocol):
    """A space whose networks are made for settings that are not the defaults, such as larger views."""

    def made_for(self) -> MadeFor | None:
        """Return the settings of the published networks; None where the defaults fit, as for small ones."""
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

        Targets are encoded once a batch, for all networks with the same choice of head. A batch may hold
        views with nobody labelled, and views of whole images nobody at all.
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
        """Return a scalar on the scale of `loss`; no gradient flows into the teacher's outputs."""
        ...


@runtime_checkable
class Averaging(Protocol):
    """A head module whose loss is a sum of means, such as one over the labelled keypoints.

    The loss of a whole split then does not depend on how it is divided into batches.
    """

    def loss_means(self, outputs: Any, targets: Any) -> tuple[Tensor, Tensor]:
        """Return the (M,) means whose sum `loss` is, and the (M,) numbers of what each is taken over.

        A mean over nothing is 0.
        """
        ...


@runtime_checkable
class FlipTest(Protocol):
    """A head module that can average its outputs with those for the mirrored images."""

    def average_mirrored(self, outputs: Any, mirrored: Any) -> Any:
        """Return the outputs for the images, averaged with `mirrored` after undoing the mirror."""
        ...


@runtime_checkable
class Guiding(Protocol):
    """A head module that can tell the network of a video's next frame what it found."""

    def guide(self, outputs: Any) -> Tensor:
        """Return (N, K, h, w) maps, about 1 where each keypoint is and about 0 elsewhere.

        Gradients flow through them to the outputs.
        """
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
class Exportable(Protocol):
    """A head module that can be written into a file with its decoding, as operators of tensors alone."""

    def exported(self) -> nn.Module:
        """Return a module from feature maps to poses, which shares this one's weights.

        `posenas export` traces it: `module(features)`, or `module(features, pitch)` for whole images, with
        `pitch` as in `Batch`. It gives a dict of tensors by the names of the file's outputs:

        - `keypoints` (P, K, 2) pixels of the view and `scores` (P, K), as `decode` gives them;
        - of whole images also `person_scores` (P,), `boxes` (P, 4) x1, y1, x2, y2 in pixels of the view, and
          `views` (P,) int64, which view each person is in;
        - others, such as `maps`: the head's own outputs, by which the file is compared with torch.
        """
        ...


@runtime_checkable
class Head(Protocol):
    """A head turns feature levels into poses, for a keypoint set."""

    def view(self) -> View:
        """Return how the head wants to see people: crops of one, or whole images, and of which size."""
        ...

    def select(self, levels: Sequence[Level]) -> Sequence[Level]:
        """Return those of the offered levels that the head reads.

        Raises:
            PosenasError: where they are not what it needs; the line says what is.
        """
        ...

    def build(self, levels: Sequence[Level], keypoints: KeypointSet) -> HeadModule:
        """Return the module for the selected levels, with fresh weights."""
        ...


@runtime_checkable
class SearchableHead(Head, Protocol):
    """A head with dimensions of its own, each choice of which is an ordinary head.

    Composing joins the space and the head into one space, whose networks are whole pose networks for counting
    and weight sharing. In a joined genotype the head's dimensions begin with `head.`. The head's own methods
    know them without it. Where there are no dimensions the head is like any other one.
    """

    def dimensions(self) -> Mapping[str, Dimension]:
        """Return what can be chosen, by name; nothing where the options leave no choice.

        Every combination of values is a head that can be built.
        """
        ...

    def sample(self, rng: Random) -> Genotype:
        """Return a random genotype of the head's dimensions."""
        ...

    def largest(self) -> Genotype:
        """Return the genotype whose tensors hold those of every other one, but for those of alternatives."""
        ...

    def smallest(self) -> Genotype:
        """Return the genotype at the other end."""
        ...

    def chosen(self, genotype: Genotype) -> Head:
        """Return the head of a genotype, with the view of this one."""
        ...

    def holder(self) -> Head:
        """Return a head whose module has every tensor of the module of every choice, in its largest size.

        Its `select` returns every level that some choice reads. Its module may be unable to run.
        """
        ...


@runtime_checkable
class Foreseeing(Head, Protocol):
    """A head that tells before the training what it will not learn of some people."""

    def foresee(self, samples: Sequence[Sample], keypoints: KeypointSet) -> Sequence[str]:
        """Return warnings, one line each, with figures and with what helps. No picture is read.

        Args:
            samples: some of the training images, with somebody in each.
        """
        ...


@runtime_checkable
class Dataset(Protocol):
    """A dataset gives images with people, in one keypoint set."""

    def keypoints(self) -> KeypointSet:
        """Return the keypoints that every person has."""
        ...

    def splits(self) -> Sequence[str]:
        """Return the splits' names, at least `train` and `val`."""
        ...

    def split(self, name: str) -> Sequence[Sample]:
        """Return the split's images; each person has all K keypoints, (K, 3)."""
        ...

    def instructions(self) -> str:
        """Return where the files must lie and how to get them."""
        ...


@runtime_checkable
class Noticing(Dataset, Protocol):
    """A dataset that tells what it left out while it read its files."""

    def noticed(self, split: str) -> Sequence[Finding]:
        """Return what was left out, such as people by their category.

        The user is told before anything is trained, beside what the samples themselves show.
        """
        ...


@runtime_checkable
class Evaluator(Protocol):
    """An evaluator scores predictions against the truth by named metrics."""

    def metrics(self) -> Sequence[Metric]:
        """Return the metrics, each with its own name. A search maximises the first unless told otherwise."""
        ...

    def evaluate(self, predictions: Predictions, truth: GroundTruth) -> Evaluation:
        """Return a figure for each of `metrics` and for no other; NaN where there is none.

        It can be that nobody is predicted.
        """
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
