"""The people of a run: who is trained on, who ranks the candidates, who gives the final score."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict

from posenas.composing.composition import Composition
from posenas.contract.batches import Batch
from posenas.contract.errors import PosenasError
from posenas.contract.phases import Phase
from posenas.contract.randomness import derive_rng, derive_seed
from posenas.contract.samples import Sample
from posenas.contract.scores import GroundTruth
from posenas.data.batch_parts import joined, part
from posenas.data.caches import DecodedCache, decoded_cache
from posenas.data.detections import detection_crops
from posenas.data.kinds_of_view import views_of
from posenas.data.loader import BatchLoader, ViewLoader
from posenas.data.person_crop import person_crops
from posenas.data.person_views import read_crops
from posenas.data.views import EvaluatedViews, Reading, Views
from posenas.learning.inference import detection_rules
from posenas.networks.processes import ALONE, Processes

HALVES = "halves"
_STRETCHES = 20


class _Begun(TypedDict):
    """What `ViewLoader.begin` is told of a training."""

    batch_size: int
    seed: int
    augmentation: Any
    processes: Processes


def _close(loaders: Iterable[ViewLoader[Any]]) -> None:
    for loader in loaders:
        loader.close()


def _once(warn: Callable[[str], None]) -> Callable[[str], None]:
    """Return a function that passes each text on once: every training of a search reads the same images."""
    told: set[str] = set()

    def warn_once(text: str) -> None:
        if text not in told:
            told.add(text)
            warn(text)

    return warn_once


@dataclass(frozen=True)
class PairedLoader:
    """A loader of batches whose halves are those of two loaders."""

    first: BatchLoader
    second: BatchLoader

    @property
    def steps(self) -> int:
        """The batches of an epoch."""
        return min(self.first.steps, self.second.steps)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Yield the joined batches until the shorter loader ends.

        A batch that lost unreadable images is cut to its partner's size.
        """
        for first, second in zip(self.first.epoch(number), self.second.epoch(number), strict=False):
            size = min(len(first.images), len(second.images))
            yield joined(part(first, 0, size), part(second, 0, size))


def _stretches(video: Sequence[Sample]) -> dict[int | str, list[Sample]]:
    """Return stretches of a video by the ids of their first images, 20 of them where it is long enough."""
    ordered = sorted(video, key=lambda sample: sample.frame or 0)
    length = max(1, len(ordered) // _STRETCHES)
    parts = [ordered[start : start + length] for start in range(0, len(ordered), length)]
    return {part[0].id: part for part in parts}


class Splits:
    """The splits of a composition's dataset, read when they are first needed and then kept.

    `train` and `val` are the dataset's. `fit` and `ranking` divide `train` by image: candidates are ranked
    on people that the super-network has not seen, and `val` stays out of every decision.
    """

    def __init__(
        self,
        composition: Composition,
        *,
        warn: Callable[[str], None],
        advance: Callable[[str, int, int], None],
        folder: Path | None = None,
        crops_folder: Path | None = None,
        beside: int = 1,
    ) -> None:
        """Take in whose people they are; nothing is read yet.

        Args:
            composition: tells the dataset and the settings.
            warn: told what is wrong with the data, each text once.
            advance: told a task's name, the steps that it has done, and those it has in all.
            folder: where files of decoded images and of crops lie; None makes none.
            crops_folder: where files of crops lie if there is no such folder; None makes none.
            beside: processes of this machine that train at the same time, this one among them.
        """
        self._folder = folder
        self._crops_folder = folder or crops_folder
        self._workers = composition.loading_processes(beside=beside)
        self._kept: tuple[tuple[str, int], tuple[ViewLoader[Any], ...]] | None = None
        self._composition = composition
        self._warn = _once(warn)
        self._advance = advance
        self._loaded: dict[tuple[str, int], tuple[GroundTruth, EvaluatedViews]] = {}
        self._calibration: dict[tuple[int, int], EvaluatedViews] = {}

    @property
    def ranking_split(self) -> str:
        """The name of the split that candidates are ranked on."""
        return "ranking" if self._composition.evaluation.held_out else "val"

    @contextmanager
    def training(
        self,
        split: str,
        *,
        seed: int,
        phase: Phase = "final",
        processes: Processes = ALONE,
        frames: int = 1,
    ) -> Iterator[BatchLoader]:
        """Open a loader of augmented batches.

        Its processes live on, for the next training on the same split: until one on another split begins, or
        one fails, or `close`.

        Args:
            split: `train`, `fit`, or `halves` for pairs of batches of the halves of `train`, which share no
                image.
            seed: order and augmentation derive from it.
            phase: says how large the batches are, and how they are augmented.
            processes: which share each batch.
            frames: of a clip.
        """
        loaders = self._opened(split, seed=seed, phase=phase, processes=processes, frames=frames)
        try:
            yield PairedLoader(*loaders) if split == HALVES else loaders[0]
        except BaseException:
            _close(loaders)
            raise
        for loader in loaders:
            loader.tell_remarks()
        self.close()  # where one training went on within another
        self._kept = (split, frames), loaders

    def close(self) -> None:
        """End the processes that load images for trainings; another training starts new ones."""
        kept, self._kept = self._kept, None
        if kept is not None:
            _close(kept[1])

    def _opened(
        self, split: str, *, seed: int, phase: Phase, processes: Processes, frames: int
    ) -> tuple[ViewLoader[Any], ...]:
        """Return the split's loaders, which nobody else has: those that were kept, or new ones."""
        kept, self._kept = self._kept, None
        of_phase = self._composition.settings_of(phase)
        begun: _Begun = {
            "batch_size": of_phase.training.batch_size,
            "seed": seed,
            "augmentation": of_phase.augmentation,
            "processes": processes,
        }
        if kept is not None and kept[0] != (split, frames):
            _close(kept[1])
        elif kept is not None:
            for loader in kept[1]:
                loader.begin(**begun)
            return kept[1]
        parts = self._halves if split == HALVES else (self._samples(split),)
        return tuple(self._loader(samples, begun, frames) for samples in parts)

    def _loader(self, samples: Sequence[Sample], begun: _Begun, frames: int) -> ViewLoader[Any]:
        composition = self._composition
        settings = composition.training
        of_all: dict[str, Any] = {
            "keypoints": composition.keypoints,
            "cache_bytes": settings.cache * 2**20,
            "cache": self._decoded,
            "workers": self._workers,
            "device": composition.compute.device,
            "on_unreadable": self._warn,
            "max_unreadable": settings.max_unreadable,
        }
        return self._kind(frames).loader(samples, {**of_all, **begun})

    @cached_property
    def _decoded(self) -> DecodedCache | None:
        """A file of all images that are trained on, where there are more than stay in memory."""
        if self._folder is None:
            return None
        views = self._kind(1)
        shown = [sample for sample in self._train if views.count([sample])]
        decoded = sum(3 * sample.height * sample.width for sample in shown)
        if decoded <= self._composition.training.cache * 2**20:
            return None
        return decoded_cache(shown, self._folder, warn=self._warn)

    def _kind(self, frames: int) -> Views:
        return views_of(self._composition.view, frames=frames)

    def views(self, split: str, *, frames: int = 1) -> int:
        """Return how many people or their clips, or whole images, a split shows.

        Args:
            split: its name.
            frames: of a clip.
        """
        return self._kind(frames).count(self._samples(split))

    def evaluated(self, split: str, *, frames: int = 1) -> tuple[GroundTruth, EvaluatedViews]:
        """Return the truth of `val` or `ranking`, and the views to predict in.

        Args:
            split: its name.
            frames: of a clip.
        """
        if (split, frames) not in self._loaded:
            samples = self._samples(split)
            reading = self._reading(f"reading the people of {split}")
            if split == "val" and self._composition.evaluation.boxes:
                views: EvaluatedViews = self._detected(samples, reading)
            else:
                views = self._kind(frames).evaluated(samples, reading)
            self._loaded[split, frames] = GroundTruth(self._composition.keypoints, samples), views
        return self._loaded[split, frames]

    def calibration(self, number: int, *, frames: int = 1) -> EvaluatedViews:
        """Return this number of people of `fit`, or of whole images, unchanged by augmentation.

        Args:
            number: how many people, each in one clip, or images.
            frames: of a clip.
        """
        if (number, frames) not in self._calibration:
            self._calibration[number, frames] = self._drawn(number, frames)
        return self._calibration[number, frames]

    def _drawn(self, number: int, frames: int) -> EvaluatedViews:
        rng = derive_rng(self._composition.recipe.seed, "calibration")
        reading = self._reading("reading the people for batch norm")
        return self._kind(frames).drawn(self._samples("fit"), reading, number=number, rng=rng)

    def _reading(self, task: str) -> Reading:
        composition = self._composition
        return Reading(
            composition.keypoints,
            self._workers,
            self._warn,
            max_unreadable=composition.training.max_unreadable,
            progress=lambda done, total: self._advance(task, done, total),
            folder=self._crops_folder,
            rectangular=composition.evaluation.rectangular,
        )

    def _detected(self, samples: Sequence[Sample], reading: Reading) -> EvaluatedViews:
        """Return the people in a detector's boxes, which `val` alone may have."""
        composition, settings = self._composition, self._composition.evaluation
        crops = detection_crops(
            Path(settings.boxes),
            samples,
            keypoints=composition.keypoints,
            threshold=settings.box_threshold,
        )
        rules = detection_rules(settings, composition.keypoints)
        return read_crops(crops, samples, composition.view, reading=reading, rules=rules)

    def _samples(self, split: str) -> Sequence[Sample]:
        if split == "fit":
            return self._divided[0]
        if split == "ranking":
            return self._divided[1]
        return self._train if split == "train" else self._composition.dataset.split(split)

    @cached_property
    def _train(self) -> Sequence[Sample]:
        return self._composition.dataset.split("train")

    @cached_property
    def _scenes(self) -> Mapping[int | str, Sequence[Sample]]:
        """The images of `train` that stay together: those of a video, or each one that is of none.

        Where one video alone shows people, it is cut into stretches.
        """
        scenes: dict[int | str, list[Sample]] = {}
        for sample in self._train:
            scenes.setdefault(sample.id if sample.video is None else sample.video, []).append(sample)
        shown = [name for name, images in scenes.items() if person_crops(images)]
        if len(shown) == 1 and len(scenes[shown[0]]) > 1:
            return scenes | _stretches(scenes.pop(shown[0]))
        return scenes

    def _shown_scenes(self, purpose: str) -> list[int | str]:
        """Return the scenes that show people, in an order that depends on the seed, the purpose and their
        names or ids alone."""
        seed = self._composition.recipe.seed
        shown = [name for name, images in self._scenes.items() if person_crops(images)]
        return sorted(shown, key=lambda name: derive_seed(seed, purpose, name))

    @cached_property
    def _halves(self) -> tuple[Sequence[Sample], Sequence[Sample]]:
        """The halves of `train`, by scene."""
        order = self._shown_scenes(HALVES)
        if len(order) < 2:
            raise PosenasError(
                "this training needs at least 2 images of `train`, one for each half of a batch, and "
                f"{len(order)} shows somebody with a labelled keypoint"
            )
        halves = order[: len(order) // 2], order[len(order) // 2 :]
        first, second = ([sample for name in half for sample in self._scenes[name]] for half in halves)
        return first, second

    @cached_property
    def _divided(self) -> tuple[Sequence[Sample], Sequence[Sample]]:
        """`fit` and `ranking`. Scenes are held out until they are enough or show enough people; at least one
        stays on either side."""
        settings = self._composition.evaluation
        if not settings.held_out:
            return self._train, []
        order = self._shown_scenes("held out")
        most = settings.most_ranking(len(person_crops(self._train)))
        held_out: set[int] = set()
        people = 0
        for number, name in enumerate(order[: max(1, round(settings.held_out * len(order)))]):
            if people >= most or number + 1 == len(order):
                break
            held_out |= {sample.id for sample in self._scenes[name]}
            people += len(person_crops(self._scenes[name]))
        fit = [sample for sample in self._train if sample.id not in held_out]
        return fit, [sample for sample in self._train if sample.id in held_out]
