"""A composition: five components, their settings and their costs, known to work together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from posenas.composing.building import build_holder, build_network, derived, outline_network, sharing
from posenas.composing.goals.costs import CompositionCosts
from posenas.composing.joined import own_space
from posenas.composing.phases import PhaseSettings
from posenas.contract.batches import View
from posenas.contract.components import Dataset, Evaluator, Head, Propagating, SearchSpace
from posenas.contract.finding import Finding
from posenas.contract.genotype import Genotype
from posenas.contract.goals import Limit, MetricLimit, Objective
from posenas.contract.keypoints import KeypointSet
from posenas.contract.made_for import MadeFor
from posenas.contract.normalisation import Normalisation
from posenas.contract.phases import Phase
from posenas.contract.problem import Strategy
from posenas.data.augment import Augmentation
from posenas.data.checking.findings import find
from posenas.data.detections import boxes_of_other_images
from posenas.data.mosaic import ImageAugmentation
from posenas.data.normalising import fed, view_of
from posenas.learning.inference import EvaluationSettings
from posenas.learning.settings import TrainingSettings
from posenas.networks.devices import Compute, loading_processes
from posenas.networks.pose_network import PoseNetwork
from posenas.runs.recipe import Recipe


@dataclass(frozen=True)
class Composition:
    """Components and settings that are known to work together.

    Attributes:
        recipe: spells out every option, so that it means the same to a later version with other defaults.
        space: what is searched: the recipe's space, joined with the head's dimensions where it has some.
        training: settings of all trainings of the run, but for phases that differ.
        augmentation: random changes in the same trainings.
        phases: the settings of phases that differ; `settings_of` gives those of any phase.
        limits: on costs. Genotypes are drawn within them.
        costs: what its networks cost.
        metric_limits: on metrics. They are judged once candidates are scored.
        normalisation: how images become the networks' input; None for what is usual for the head's view.
        initial: how the recipe's initial weights fit, in a sentence; empty without any.
        made_for: the settings of the space's published networks under this head; None where there are none.
        taken: what was taken of them, in a sentence; empty where the recipe says everything.
        warnings: what looks like a mistake in a plugin and may be none.
    """

    recipe: Recipe
    space: SearchSpace
    strategy: Strategy
    head: Head
    dataset: Dataset
    evaluator: Evaluator
    keypoints: KeypointSet
    training: TrainingSettings
    augmentation: Augmentation | ImageAugmentation
    evaluation: EvaluationSettings
    limits: tuple[Limit, ...]
    objectives: tuple[Objective, ...]
    compute: Compute
    costs: CompositionCosts
    metric_limits: tuple[MetricLimit, ...] = ()
    phases: Mapping[Phase, PhaseSettings] = field(default_factory=dict)
    normalisation: Normalisation | None = None
    initial: str = ""
    made_for: MadeFor | None = None
    taken: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def view(self) -> View:
        """What the head looks at, and how its images are fed."""
        return view_of(self.head, self.normalisation)

    @property
    def fed(self) -> str:
        """How images are fed, a clause that follows a semicolon; empty where it is as usual for the view."""
        return fed(self.normalisation)

    def settings_of(self, phase: Phase) -> PhaseSettings:
        """Return how the trainings of a phase go."""
        return self.phases.get(phase) or PhaseSettings(self.training, self.augmentation)

    def loading_processes(self, *, beside: int = 1) -> int:
        """Return how many processes load the images of one training.

        Args:
            beside: processes of this machine that train at the same time, this one among them.
        """
        return loading_processes(self.training.workers, self.compute.device, beside=beside)

    def build(self, genotype: Genotype) -> PoseNetwork:
        """Return the pose network with fresh weights, on torch's default device."""
        return build_network(
            self.space, genotype, head=self.head, keypoints=self.keypoints, compute=self.compute
        )

    @property
    def frames(self) -> int:
        """The frames of a clip in the largest network of the space; 1 where networks look at images."""
        if not isinstance(own_space(self.space), Propagating):
            return 1
        largest = sharing(self.space).largest()
        return outline_network(self.space, largest, head=self.head, keypoints=self.keypoints).frames

    def holder(self) -> PoseNetwork:
        """Return the network that holds the shared weights of all genotypes, fresh ones."""
        return build_holder(self.space, head=self.head, keypoints=self.keypoints, compute=self.compute)

    def costs_of(self, genotype: Genotype) -> dict[str, float]:
        """Return the costs that the genotype's trial has: the counted ones, and those that a goal names."""
        return self.costs.of_trial(genotype, lambda cost, trained: cost.measure(trained))

    def derived(self, genotype: Genotype) -> Genotype:
        """Return the genotype that is trained in the end; the same where the space derives none."""
        return derived(self.space, genotype)

    def findings(self) -> tuple[Finding, ...]:
        """Return what is wrong or left out in the annotations and in a detector's boxes."""
        if not self.evaluation.boxes:
            return find(self.dataset)
        boxes = boxes_of_other_images(
            Path(self.evaluation.boxes),
            self.dataset.split("val"),
            keypoints=self.keypoints,
            threshold=self.evaluation.box_threshold,
        )
        return (*find(self.dataset), *boxes)
