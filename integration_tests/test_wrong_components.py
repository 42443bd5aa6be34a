"""Wrong components that composing cannot refuse: most are found by `posenas check`, some by nobody.

`test_conformity.py` has those that composing refuses.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from odd_components import SMALL, SOURCES, module, others
from posenas.contract.errors import PosenasError
from posenas.testing import checks_of
from running import Answer

Posenas = Callable[..., Answer]
Install = Callable[[str, str], None]

OPTIONS = {"dataset.train_images": 6, "dataset.val_images": 3, "head.input_size": (64, 64)}
FORWARD = ': return {"features": self.layer(images)}'
SPLIT = "    def split(self, name):\n        return "
SEARCH = "    def search(self, problem):\n        "

FOUND: dict[str, tuple[str, tuple[str, str], str, str]] = {
    "weights from a generator of its own": (
        "space",
        ("self.levels =", "nn.init.constant_(self.layer.bias, random.random())\n        self.levels ="),
        "weights_come_from_torchs_generator",
        "layer.bias differ between two networks built under one seed; initialise weights by torch.nn.init",
    ),
    "a random scale that weights do not hold": (
        "space",
        (
            FORWARD,
            FORWARD.replace(")}", ") * self.scale}") + "\n    scale = property(lambda _: random.random())",
        ),
        "cut_out_equals_active",
        "level 'features' of an active network and of the one cut out differ by ",
    ),
    "gradients of the other sign": (
        "space",
        (FORWARD, FORWARD.replace(")}", ").detach() * 2 - self.layer(images)}")),
        "the_loss_falls_on_eight_pictures",
        "in 12 steps, expected a fall; look for a layer that stops or turns gradients",
    ),
    "mutate changes what it is given": (
        "space",
        ('rng): return {"width": 8}\n', 'rng): return genotype.update(width=8) or genotype\n'),
        "mutations_stay_inside",
        "mutate changes the genotype that it is given",
    ),
    "mutate changes nothing": (
        "space",
        ('rng): return {"width": 8}', "rng): return dict(genotype)"),
        "mutations_stay_inside",
        "32 mutations in a row change nothing",
    ),
    "possible values that are none": (
        "space",
        ("    def ancestor", "    def possible(self, genotype): return {'width': (5,)}\n    def ancestor"),
        "possible_values_are_of_dimensions",
        "possible offers width = [5], which is none of its values",
    ),
    "a decoder that is 4 pixels off": (
        "head",
        module(
            "def decode(self, outputs, batch):",
            "    poses = super().decode(outputs, batch)",
            "    return replace(poses, keypoints=poses.keypoints + 4.0)",
        ),
        "truth_is_decoded",
        "pixels of the view from its true place; let decode undo what targets encodes",
    ),
    "a loss of the wrong sign": (
        "head",
        module("def loss(self, outputs, targets): return -super().loss(outputs, targets)"),
        "truth_is_decoded",
        "pixels of the view from its true place",
    ),
    "a decoder that is shy of the border": (
        "head",
        module(
            "def decode(self, outputs, batch):",
            "    poses = super().decode(outputs, batch)",
            "    return replace(poses, keypoints=poses.keypoints.clamp(min=3.0))",
        ),
        "people_at_the_border_are_decoded",
        "let targets and decode reach from 0 to the view's last pixel",
    ),
    "unlabelled keypoints that count": (
        "head",
        module(
            "def targets(self, batch):",
            "    targets = super().targets(batch)",
            "    return replace(targets, weights=torch.ones_like(targets.weights))",
        ),
        "unlabelled_keypoints_do_not_count",
        "by where three unlabelled keypoints are; multiply the loss of each keypoint by batch.labelled",
    ),
    "left and right that are not exchanged": (
        "head",
        module("def average_mirrored(self, outputs, mirrored): return (outputs + 2 * mirrored.flip(3)) / 3"),
        "mirrored_outputs_are_undone",
        "turn the outputs back and exchange left and right: KeypointSet.mirrored",
    ),
    "images in another order each time": (
        "dataset",
        ("    pass", SPLIT + "random.sample(list(super().split(name)), len(super().split(name)))"),
        "splits_stay_the_same",
        "gives other images, or another order, the second time; sort what is listed",
    ),
    "pictures that no other process can read": (
        "dataset",
        ("    pass", SPLIT + "[replace(one, source=Local(one.source)) for one in super().split(name)]"),
        "sizes_are_true",
        "let the source be picklable",
    ),
    "every name is a split": (
        "dataset",
        ("    pass", SPLIT + "super().split(name if name == 'train' else 'val')"),
        "splits_are_there",
        "split gives samples for a split that it does not name",
    ),
    "no instructions": (
        "dataset",
        ("    pass", "    def instructions(self): return ' '"),
        "instructions_help",
        "instructions gives ' '; return a sentence on where the files are from",
    ),
    "figures that do not depend on the predictions": (
        "evaluator",
        ("    def metrics", "    def metrics"),
        "worse_predictions_score_worse",
        "one is as good with large errors as with none",
    ),
    "an error that is said to be better when higher": (
        "evaluator",
        (
            '{"one": 1.0,',
            '{"one": float(abs(predictions.keypoints.sum() - sum(each.keypoints[:, :2].sum()\n'
            "            for sample in truth.samples for each in sample.people))),",
        ),
        "worse_predictions_score_worse",
        "one is better with errors of",
    ),
    "an evaluator that writes into the predictions": (
        "evaluator",
        ("truth): return", "truth):\n        predictions.keypoints[:] = 0\n        return"),
        "inputs_stay_as_they_were",
        "evaluate changes predictions.keypoints; work on copies of the arrays",
    ),
    "figures of numpy": (
        "evaluator",
        ('{"one": 1.0,', '{"one": numpy.float64(1),'),
        "figures_are_plain_numbers",
        "one is float64, expected float; convert figures by float()",
    ),
    "no figure for the truth itself": (
        "evaluator",
        ('{"one": 1.0,', '{"one": float("nan"),'),
        "figures_are_plain_numbers",
        "one is not finite for perfect predictions",
    ),
    "a search that yields nothing": (
        "strategy",
        ("    pass", SEARCH + "yield from ()"),
        "the_best_is_found",
        "search yields no trial",
    ),
    "a search without an end": (
        "strategy",
        (
            "    pass",
            SEARCH + "trial = list(super().search(problem))[-1]\n        while True: yield trial",
        ),
        "the_best_is_found",
        "search yields 2000 trials of a space of 25 genotypes, and does not end",
    ),
    "a search that ends before its last trial": (
        "strategy",
        ("    pass", SEARCH + "yield from list(super().search(problem))[:-1] or problem.evaluate_many(\n"
         "            [problem.space.largest()], problem.train(problem.space.largest(), epochs=1),\n"
         "            stage='candidate', calibration_people=0)"),
        "the_last_trial_is_the_answer",
        "the last trial, of stage 'candidate', is none that problem.evaluate gave; train the winner alone",
    ),
    "a method that the problem does not have": (
        "strategy",
        ("    pass", SEARCH + "yield problem.fit(problem.space.largest())"),
        "the_best_is_found",
        "AttributeError: 'ToyProblem' object has no attribute 'fit'",
    ),
    "a search with a seed of its own": (
        "strategy",
        (
            "    pass",
            SEARCH + "genotype = problem.space.sample(Random(7))\n"
            "        yield problem.evaluate(genotype, problem.train(genotype, epochs=1), stage='final')",
        ),
        "another_seed_gives_other_trials",
        "searches with 3 seeds ask for the same; draw everything from problem.rng or problem.draw",
    ),
    "a search that reads the clock": (
        "strategy",
        (
            "    pass",
            SEARCH + "for trial in super().search(problem):\n"
            "            yield replace(trial, notes={'second': time.perf_counter()})",
        ),
        "the_same_seed_gives_the_same_trials",
        "a second search with the same seed yields other trials",
    ),
    "a search that remembers the one before": (
        "strategy",
        (
            "@dataclass(frozen=True)\nclass Strategy(RandomSearch):\n    pass",
            "SEEN = []\n\n@dataclass(frozen=True)\nclass Strategy(RandomSearch):\n"
            + SEARCH
            + "SEEN.append(problem)\n        genotype = {'depth': 3, 'width': 8 * (len(SEEN) % 5 + 1)}\n"
            "        yield problem.evaluate(genotype, problem.train(genotype, epochs=1), stage='final')",
        ),
        "a_stopped_search_is_resumed",
        "a search that was resumed leaves another journal; let search begin anew each time",
    ),
    "a search that trusts every trial": (
        "strategy",
        (
            "    pass",
            SEARCH + "trials = list(super().search(problem))\n"
            "        best = max(trials, key=lambda trial: trial.metrics['toy.AP']).genotype\n"
            "        yield problem.evaluate(best, problem.train(best, epochs=1), stage='final')",
        ),
        "failing_trials_are_survived",
        "KeyError: 'toy.AP'; leave out trials with a failure, which have no metrics",
    ),
    "a search beyond the space": (
        "strategy",
        (
            "    pass",
            SEARCH + "genotype = {**problem.draw(1)[0], 'width': 5}\n"
            "        yield problem.evaluate(genotype, problem.train(genotype, epochs=1), stage='final')",
        ),
        "genotypes_lie_inside",
        "width = 5 is not one of its values: ",
    ),
    "figures at random": (
        "cost",
        ("float(len(genotype))", "1 + random.random()"),
        "figures_stay_the_same",
        "wires of one genotype differ when they are asked for again",
    ),
    "figures without the parts that they promise": (
        "cost",
        ('CostFigure("wires", "wires")', 'CostFigure("wires", "wires", divisible=True)'),
        "parts_add_up",
        "wires is declared divisible, and there is no parts()",
    ),
}  # fmt: skip
UNFOUND: dict[str, tuple[str, tuple[str, str]]] = {
    # Nothing else knows the true figure of a stranger's cost.
    "figures that are ten times too large": ("cost", ("float(len(genotype))", "10.0 * len(genotype)")),
    # Only a person who looks at pictures knows where keypoints are.
    "people that are labelled a pixel to the right": (
        "dataset",
        (
            "    pass",
            SPLIT + "[replace(one, people=tuple(replace(each, keypoints=each.keypoints + [1, 0, 0])\n"
            "            for each in one.people)) for one in super().split(name)]",
        ),
    ),
}


@pytest.mark.parametrize("name", FOUND)
def test_a_check_of_the_kit_finds_it(install_odd: Install, name: str) -> None:
    kind, (before, after), where, says = FOUND[name]
    assert before in SOURCES[kind]
    install_odd(kind, SOURCES[kind].replace(before, after))
    (check,) = (each for each in checks_of("odd", options=OPTIONS) if each.check.name == where)
    with pytest.raises(PosenasError) as raised:
        check()
    line = str(raised.value)
    assert "\n" not in line
    assert line.startswith(f"{kind} odd of odd 1.5: {where}: ")
    assert says in line


@pytest.mark.slow
@pytest.mark.parametrize("name", FOUND)
def test_composing_does_not(posenas: Posenas, install_odd: Install, name: str) -> None:
    kind, (before, after), *_ = FOUND[name]
    install_odd(kind, SOURCES[kind].replace(before, after))
    answer = posenas("compose", *others(kind), *SMALL, "--dry-run")
    assert answer.status == 0, answer.err


@pytest.mark.slow
@pytest.mark.parametrize("name", UNFOUND)
def test_nobody_finds_it(posenas: Posenas, install_odd: Install, name: str) -> None:
    kind, (before, after) = UNFOUND[name]
    install_odd(kind, SOURCES[kind].replace(before, after))
    answer = posenas("compose", *others(kind), *SMALL, "--dry-run")
    assert answer.status == 0, answer.err
    for check in checks_of("odd", options=OPTIONS):
        check()
