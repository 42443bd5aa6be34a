"""What a strategy works with: the costly steps of a search, each done once and remembered.

Every step is an effect. Its key is a hash of what its result depends on (the recipe is fixed for a run),
and its result is in the journal before the strategy sees it. To resume a run is to run the strategy
again: what the journal knows returns at once, and the first step that it does not know really runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import cached_property, partial
from random import Random
from typing import Any

import torch

from posenas.composing.budget import Guide
from posenas.composing.compose import Composition, offers, qualified
from posenas.composing.limits import draw_genotypes, guide_to_budget, near_budget, within
from posenas.composing.objectives import best_trial
from posenas.contract.components import SearchSpace
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype, genotype_id, middle
from posenas.contract.goals import Objective
from posenas.contract.problem import Candidate, Learning, Relaxation, Step, Weights
from posenas.contract.randomness import derive_rng, derive_seed
from posenas.contract.trial import Trial, ablations_from_dict
from posenas.learning.training import SupervisedStep, Watch
from posenas.networks.counting import Costs
from posenas.networks.latency.cost import LATENCY, UPPER_LATENCY
from posenas.networks.pose_network import PoseNetwork
from posenas.runs.events import Events
from posenas.runs.journal import Journal, effect_key
from posenas.runs.predictions_file import are_kept, keep_predictions
from posenas.runs.run import Run
from posenas.searching.candidate import Job, train_candidate
from posenas.searching.effects import Effects
from posenas.searching.identity import identity
from posenas.searching.parallel import Crew, processes
from posenas.searching.relaxed_training import train_relaxed
from posenas.searching.workshop import Workshop


class Problem:
    """One search: its space, its limits, and the effects `train_shared`, `train`, `train_relaxed`,
    `leave_out`, `evaluate`, `evaluate_many` and `train_and_evaluate_many`.

    People are in four splits: `fit` to train on while candidates are ranked on `ranking`, which together
    make up `train`; and `val`, which no decision depends on (unless `evaluation.held_out` is 0).
    """

    def __init__(self, composition: Composition, run: Run, journal: Journal, *, events: Events) -> None:
        self._composition = composition
        self._run = run
        self._events = events
        self._effects = Effects(run, journal, warn=self._warn)
        self._workshop = Workshop(
            composition, run, warn=self._warn, advance=self._advance, read=self.read_weights
        )
        self._crew: Crew | None = None
        self._costs: dict[str, Costs] = {}
        self._shared: set[str] = set()

    @property
    def space(self) -> SearchSpace:
        return self._composition.space

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What to make great or small; at least one is a metric."""
        return self._composition.objectives

    def offers(self, capability: type) -> bool:
        """Whether the space, or the head's module, has this capability."""
        composition = self._composition
        return offers(capability, composition.space, composition.head, composition.keypoints)

    def best(self, trials: Sequence[Trial]) -> Trial:
        """The best by the objective, or the knee of the front where there are several.

        Raises:
            PosenasError: where every trial failed.
        """
        best = best_trial(trials, self.objectives)
        if best is None:
            raise PosenasError(f"all {len(trials)} candidates failed; the first said: {trials[0].failure}")
        return best

    def rng(self, purpose: str) -> Random:
        """A generator that depends on the run's seed and the purpose alone."""
        return derive_rng(self._composition.recipe.seed, purpose)

    def cost(self, genotype: Genotype) -> Costs:
        """Of the whole pose network, without running it."""
        key = genotype_id(genotype)
        if key not in self._costs:
            self._costs[key] = self._composition.cost(genotype)
        return self._costs[key]

    def latency(self, genotype: Genotype) -> Mapping[str, float]:
        """In milliseconds, by the names of `LatencyCost.figures`: measured, or from the recipe's table."""
        latency = self._composition.latency
        inputs = {"genotype": dict(genotype), **latency.identity()}
        figures: Mapping[str, float] = self._effects.result(
            "latency", inputs, lambda: latency.figures(genotype)
        )
        return figures

    def costs(self, genotype: Genotype) -> dict[str, float]:
        """Every cost by its name; latency where a limit or an objective names it."""
        latency = self.latency(genotype) if self._composition.asks_latency else {}
        return {**self.cost(genotype).as_dict(), **latency}

    def cost_by_name(self, genotype: Genotype, name: str) -> float:
        """As limits judge it: of latency the upper figure."""
        if name == LATENCY:
            return self.latency(genotype)[UPPER_LATENCY]
        return self.cost(genotype).as_dict()[name]

    def draw(
        self, number: int, *, first: Sequence[Genotype] = (), purpose: str = "candidates"
    ) -> list[Genotype]:
        """Different genotypes within the limits, beginning with those of `first` that are; fewer where
        there are no more. Where no cost is an objective, the others use 85 to 100 % of the tightest limit, as
        far as the space has such genotypes."""
        drawn = draw_genotypes(
            self.space,
            number,
            limits=self._composition.limits,
            cost=self.cost_by_name,
            rng=self.rng(purpose),
            first=first,
            guide=self._guide,
        )
        if len(drawn) < number and purpose == "candidates":
            self._events.tell(
                "warned",
                message=f"{number} candidates are asked for, and no more than {len(drawn)} different ones "
                "within the limits were found",
            )
        return drawn

    def within_limits(self, genotype: Genotype) -> bool:
        return within(genotype, self._composition.limits, self.cost_by_name)

    def near_budget(self, genotype: Genotype) -> bool:
        """Whether a genotype within the limits uses as much of the tightest one as those that `draw` gives;
        true where the search has no budget to be near."""
        return self._guide is None or near_budget(genotype, self._composition.limits, self.cost_by_name)

    @cached_property
    def _guide(self) -> Guide | None:
        """To the genotypes near the limits; None where a cost is an objective: cheap ones count then."""
        if any(objective.is_cost for objective in self.objectives):
            return None
        rng = self.rng("guide to the budget")
        return guide_to_budget(self.space, self._composition.limits, self.cost_by_name, rng=rng)

    def train_shared(
        self,
        step: Step,
        *,
        epochs: int,
        init: Weights | None = None,
        on: str = "fit",
        name: str = "super-network",
    ) -> Weights:
        """Trains the super-network of a weight-sharing space, from fresh weights or on from earlier shared
        ones; `step` says how, and `name` what the display calls it.

        Where the strategy requires `Relaxed` too, real values are shared parameters: `activate` gives the
        network of a genotype with the genotype's values, and their gradients change the shared ones, which
        are in `network.shared.largest`.
        """
        inputs = {
            "network": "shared",
            "step": identity(step, role="step"),
            "epochs": epochs,
            "on": on,
            **self._beginning(init),
        }

        def build() -> torch.nn.Module:
            return self._workshop.fresh_shared() if init is None else self._workshop.trained_shared(init.file)

        file = self._train_effect(name, inputs, build, step=step, epochs=epochs, on=on)
        self._shared.add(file)
        return Weights(file, shared=True)

    def train(
        self,
        genotype: Genotype,
        *,
        epochs: int,
        init: Weights | None = None,
        on: str = "train",
        repeat: int = 0,
    ) -> Weights:
        """Trains one genotype alone, from fresh weights or from its part of shared ones; each `repeat` is
        a training of its own, with other random numbers."""
        inputs = {
            "network": dict(genotype),
            "epochs": epochs,
            "on": on,
            **self._beginning(init),
        }
        if repeat:
            inputs["repeat"] = repeat

        def build() -> torch.nn.Module:
            return self._workshop.fresh(genotype) if init is None else self._workshop.load(genotype, init)

        file = self._train_effect("network", inputs, build, step=SupervisedStep(), epochs=epochs, on=on)
        return Weights(file, shared=False)

    def train_relaxed(
        self, step: Step, *, epochs: int, learning: Learning, start: Genotype | None = None
    ) -> Relaxation:
        """Trains a network together with its genotype's real values, from fresh weights and `start`, or from
        the middle of every dimension: zeros."""
        identity(learning, role="learning")
        genotype = dict(middle(self.space.dimensions()) if start is None else start)
        inputs = {
            "network": "relaxed",
            "start": genotype,
            "step": identity(step, role="step"),
            "epochs": epochs,
            "learning": asdict(learning),
            **self._beginning(None),
        }
        key = effect_key("train relaxed", inputs)
        checkpoint = self._run.checkpoints / f"{key}.safetensors"

        def compute() -> Any:
            return train_relaxed(
                self._workshop,
                genotype,
                step=step,
                epochs=epochs,
                learning=learning,
                seed=derive_seed(self._composition.recipe.seed, key),
                checkpoint=checkpoint,
                watch=self._watch("training network and architecture"),
            )

        def again() -> str:
            file = str(compute()["weights"])
            checkpoint.unlink(missing_ok=True)
            return file

        result = self._effects.result("train relaxed", inputs, compute)
        checkpoint.unlink(missing_ok=True)
        self._effects.made(result["weights"], again)
        weights = Weights(result["weights"], shared=False)
        return Relaxation(weights, result["genotype"], tuple(result["course"]))

    def leave_out(self, genotype: Genotype, weights: Weights, *, whole: Genotype) -> Weights:
        """The part of a whole genotype's weights that a pruned one still needs, and how far its outputs are
        from the whole one's, for the ranking people."""
        on = self._workshop.people.ranking_split
        inputs = {"genotype": dict(genotype), "weights": weights.file, "whole": dict(whole), "on": on}

        def part() -> PoseNetwork:
            return self._workshop.part(genotype, self._workshop.tensors(weights.file))

        def again() -> str:
            return self._workshop.save(part())

        def compute() -> Any:
            change = self._workshop.change(self._workshop.load(whole, weights), part(), on=on)
            return {"weights": again(), "change": asdict(change)}

        result = self._effects.result("leave out", inputs, compute)
        self._effects.made(result["weights"], again)
        return Weights(result["weights"], shared=False)

    def evaluate(self, genotype: Genotype, weights: Weights, *, stage: str) -> Trial:
        """Scores one genotype with its own weights on `val`, and keeps its predictions; tells what the steps
        of its decoding are worth, where the head tells them apart."""
        inputs = {"genotype": dict(genotype), "weights": weights.file, "on": "val"}

        def compute() -> Mapping[str, Any]:
            network = self._workshop.load(genotype, weights)
            predictions, scores = self._workshop.predict_and_score(network, on="val")
            composition = self._composition
            file = keep_predictions(
                self._run.predictions,
                predictions,
                category=composition.keypoints.categories[0],
                samples=[each for each in composition.dataset.split("val") if each.file_id is not None],
            )
            return scores | {"predictions": file}

        result = self._effects.attempt("evaluate", inputs, compute)
        kept = self._run.predictions / result.get("predictions", "")
        if "predictions" in result and not are_kept(kept):
            self._warn(f"{kept}: is missing or damaged; predicting again")
            compute()
        return self._trial(genotype, weights.file, result, stage=stage, on="val")

    def evaluate_many(
        self,
        genotypes: Sequence[Genotype],
        weights: Weights,
        *,
        stage: str,
        calibration_people: int,
        progress: tuple[int, int] | None = None,
    ) -> Iterator[Trial]:
        """Scores each genotype with its part of shared weights on the ranking people, batch norm's
        statistics taken anew from so many training people first.

        Args:
            weights: shared; or of the only genotype, with 0 calibration people.
            progress: how many candidates were scored before these, and how many will be in all.
        """
        on = self._workshop.people.ranking_split
        before, total = (0, len(genotypes)) if progress is None else progress
        for done, genotype in enumerate(genotypes, start=before + 1):
            inputs = {
                "genotype": dict(genotype),
                "weights": weights.file,
                "on": on,
                "calibration_people": calibration_people,
            }

            def compute(genotype: Genotype = genotype) -> Mapping[str, Any]:
                network = self._workshop.load(genotype, weights)
                return self._workshop.scores(
                    *self._workshop.predict(network, on=on, calibration_people=calibration_people)
                )

            result = self._effects.attempt("evaluate", inputs, compute)
            yield self._trial(genotype, weights.file, result, stage=stage, on=on)
            self._advance("evaluating candidates", done, total)

    def train_and_evaluate_many(
        self, candidates: Sequence[Candidate], *, epochs: int, stage: str
    ) -> Iterator[Trial]:
        """Trains each candidate alone on `fit`, several at the same time where the recipe lets them, and
        scores it on the ranking people with the weights of the epoch whose loss was least there.

        A candidate whose training fails is a failed trial. The results do not depend on the order in which
        the trainings end.
        """
        jobs = [
            Job(candidate.genotype, epochs=epochs, **self._beginning(candidate.init))
            for candidate in candidates
        ]
        on = self._workshop.people.ranking_split
        results = self._finish([job for job in jobs if not self._effects.knows(job.key)])
        for job in jobs:
            result = self._effects.result(job.effect, job.inputs, lambda: next(results))
            job.clear(self._run)  # only now that the journal knows the result
            file = result.get("weights")
            if file is not None:
                self._effects.made(file, partial(self._train_candidate_again, job))
            yield self._trial(job.genotype, file, result, stage=stage, on=on)

    def _finish(self, jobs: Sequence[Job]) -> Iterator[Mapping[str, Any]]:
        """The jobs' results in their order, from one process or several."""
        for file in {job.init for job in jobs if job.init is not None}:
            self.read_weights(file)  # trains again what was lost, before another process needs it
        size = processes(self._composition.training.parallel, self._composition.compute.device)
        if size < 2 or len(jobs) < 2:
            for number, job in enumerate(jobs, 1):
                watch = self._watch(f"training candidate {number} of {len(jobs)}")
                yield train_candidate(self._workshop, job, watch)
            return
        if self._crew is None:
            self._crew = Crew(self._composition.recipe, self._run, size=size)
        advance = partial(self._advance, f"training {len(jobs)} candidates")
        yield from self._crew.train(jobs, advance=advance, warn=self._warn)

    def _train_candidate_again(self, job: Job) -> str:
        file = train_candidate(self._workshop, job, self._watch("training candidate")).get("weights", "")
        job.clear(self._run)
        return str(file)

    def discard(self, weights: Weights) -> None:
        """Deletes a weights file that the search no longer needs; one that is read all the same is trained
        again."""
        self._effects.discard(weights.file)

    def close(self) -> None:
        """Ends the processes that train candidates."""
        if self._crew is not None:
            self._crew.close()
            self._crew = None

    def read_weights(self, file: str) -> bytes:
        """A weights file's content; one that was deleted is trained again.

        Raises:
            PosenasError: where it is damaged, or training it again gives other weights.
        """
        return self._effects.read_weights(file)

    def is_shared(self, file: str) -> bool:
        """Whether a weights file holds a super-network of this search."""
        return file in self._shared

    def _beginning(self, init: Weights | None) -> dict[str, str | None]:
        """What the weights are known by that a training begins with: inputs of its effect."""
        if init is not None:
            return {"init": init.file}
        initial = self._workshop.initial
        return {"init": None} | ({} if initial is None else {"initial": initial.digest})

    def _train_effect(
        self,
        name: str,
        inputs: Mapping[str, Any],
        build: Callable[[], torch.nn.Module],
        *,
        step: Step,
        epochs: int,
        on: str,
    ) -> str:
        key = effect_key("train", inputs)
        checkpoint = self._run.checkpoints / f"{key}.safetensors"

        def compute() -> str:
            seed = derive_seed(self._composition.recipe.seed, key)
            torch.manual_seed(seed)
            network = build()
            watch = self._watch(f"training {name}")
            self._workshop.train(
                network, step=step, epochs=epochs, on=on, seed=seed, checkpoint=checkpoint, watch=watch
            )
            return self._workshop.save(network)

        def again() -> str:
            file = compute()
            checkpoint.unlink(missing_ok=True)
            return file

        file: str = self._effects.result("train", inputs, compute)
        self._effects.made(file, again)
        checkpoint.unlink(missing_ok=True)  # only now that the journal knows the finished weights
        return file

    def _trial(
        self, genotype: Genotype, weights: str | None, result: Mapping[str, Any], *, stage: str, on: str
    ) -> Trial:
        # The journal sorts its keys; the objective comes first, from there as from the evaluator.
        declared = [
            qualified(self._composition.recipe, metric.name)
            for metric in self._composition.evaluator.metrics()
        ]
        metrics = result.get("metrics", {})
        return Trial(
            genotype=genotype,
            stage=stage,
            split=on,
            metrics={name: metrics[name] for name in (*declared, *metrics) if name in metrics},
            by_keypoint=result.get("by_keypoint", {}),
            costs=self.costs(genotype),
            weights=weights,
            predictions=result.get("predictions"),
            failure=result.get("failure"),
            loss=result.get("loss"),
            inherited=result.get("inherited"),
            ablations=ablations_from_dict(result.get("ablations", {})),
        )

    def _advance(self, task: str, done: int, total: int) -> None:
        self._events.tell("advanced", task=task, done=done, total=total)

    def _warn(self, message: str) -> None:
        self._events.tell("warned", message=message)

    def _watch(self, task: str) -> Watch:
        def epoch(number: int, epochs: int, losses: Mapping[str, float]) -> None:
            self._events.tell("epoch_finished", task=task, epoch=number, epochs=epochs, losses=losses)

        return Watch(step=lambda done, total: self._advance(task, done, total), epoch=epoch)
