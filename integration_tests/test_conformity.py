"""Components that do not keep the contract's word are refused when they are composed, each in one line."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from odd_components import SMALL, SOURCES, module, others
from running import Answer

Posenas = Callable[..., Answer]

WRONG: dict[str, tuple[str, tuple[str, str], str]] = {
    "average_mirrored takes too few": (
        "head",
        module("def average_mirrored(self, outputs): return outputs"),
        "average_mirrored(outputs) should be average_mirrored(outputs, mirrored)",
    ),
    "distillation_loss by another name": (
        "head",
        module("def distillation_loss(self, outputs, larger): return outputs.mean()"),
        "distillation_loss(outputs, larger) should be distillation_loss(outputs, teacher)",
    ),
    "combine takes too few": (
        "head",
        module("def combine(self, looks): return looks[0].outputs"),
        "combine(looks) should be combine(looks, view)",
    ),
    "decode_ablated takes too few": (
        "head",
        module("def decode_ablated(self, outputs): return self.decode(outputs), {}"),
        "decode_ablated(outputs) should be decode_ablated(outputs, batch)",
    ),
    "seconds is a method": (
        "head",
        module("def seconds(self): return {}"),
        "seconds is a method, expected a property",
    ),
    "largest takes too many": (
        "space",
        ("def largest(self)", "def largest(self, limit)"),
        "largest(limit) should be largest()",
    ),
    "mutate by keyword alone": (
        "space",
        ("def mutate(self, genotype, rng)", "def mutate(self, genotype, *, rng)"),
        "mutate(genotype, *, rng) should be mutate(genotype, rng)",
    ),
    "derived does not settle": (
        "space",
        (
            "    def ancestor",
            "    def derived(self, genotype): return {'width': 12 - genotype['width']}\n    def ancestor",
        ),
        "derived gives another genotype for one that it gave, expected the same one",
    ),
    "derived gives no genotype": (
        "space",
        ("    def ancestor", "    def derived(self, genotype): return {'width': 5}\n    def ancestor"),
        "derived gives no genotype of its space: genotype: width = 5 is not one of its values",
    ),
    "relax takes too few": (
        "space",
        (
            "    def ancestor",
            "    def relax(self): return {}\n    def set_values(self, backbone, genotype): pass\n"
            "    def discrete(self, genotype): return genotype\n"
            "    def prune(self, genotype, threshold): return genotype\n    def ancestor",
        ),
        "relax() should be relax(backbone)",
    ),
    "sections takes too many": (
        "space",
        ("    def ancestor", "    def sections(self, results, page): return ()\n    def ancestor"),
        "sections(results, page) should be sections(results)",
    ),
    "sections takes too few": (
        "strategy",
        ("    pass", "    def sections(self): return ()"),
        "sections() should be sections(results)",
    ),
    "select takes too many": (
        "head",
        (
            "    def build(",
            "    def select(self, levels, keypoints): return levels\n    def build(",
        ),
        "select(levels, keypoints) should be select(levels)",
    ),
    "evaluate takes too few": (
        "evaluator",
        ("def evaluate(self, predictions, truth)", "def evaluate(self, predictions)"),
        "evaluate(predictions) should be evaluate(predictions, truth)",
    ),
    "search takes too many": (
        "strategy",
        ("    pass", "    def search(self, problem, seed): yield"),
        "search(problem, seed) should be search(problem)",
    ),
    "split takes too few": (
        "dataset",
        ("    pass", "    def split(self): return ()"),
        "split() should be split(name)",
    ),
    "loss with an axis": (
        "head",
        module("def loss(self, outputs, targets): return outputs.mean((0, 2, 3))"),
        "loss of views with somebody labelled is a tensor of shape (17,), expected",
    ),
    "loss that is NaN": (
        "head",
        module("def loss(self, outputs, targets): return outputs.mean() * float('nan')"),
        "loss of views with somebody labelled is nan, expected a finite number",
    ),
    "loss that is NaN for nobody": (
        "head",
        module("def loss(self, outputs, targets): return outputs.mean() / targets.weights.sum()"),
        "loss of views with nobody labelled is",
    ),
    "loss without gradient": (
        "head",
        module("def loss(self, outputs, targets): return outputs.detach().mean()"),
        "cannot be differentiated by the outputs",
    ),
    "targets of nobody": (
        "head",
        module(
            "def targets(self, batch):",
            "    batch.keypoints[batch.labelled.any(1)][1]",
            "    return super().targets(batch)",
        ),
        "targets of views with nobody in one labelled failed: IndexError",
    ),
    "forward fails": (
        "head",
        module("def forward(self, features, targets=None): return features['absent']"),
        "forward of its module with targets of views with somebody labelled failed: KeyError: 'absent'",
    ),
    "forward without targets": (
        "head",
        module("def forward(self, features): return super().forward(features)"),
        "forward(features) should be forward(features, targets=None)",
    ),
    "forward that needs targets": (
        "head",
        module(
            "def forward(self, features, targets=None):",
            "    return super().forward(features) + targets.weights.mean()",
        ),
        "forward of its module failed: AttributeError: 'NoneType'",
    ),
    "decode without the batch": (
        "head",
        module("def decode(self, outputs): return super().decode(outputs, None)"),
        "decode(outputs) should be decode(outputs, batch)",
    ),
    "decode of another shape": (
        "head",
        module("def decode(self, outputs, batch): return Poses(torch.zeros(2, 17, 3), torch.zeros(2, 17))"),
        "decode of outputs gives keypoints of shape (2, 17, 3), expected (2, 17, 2)",
    ),
    "decode with scores of another shape": (
        "head",
        module("def decode(self, outputs, batch): return Poses(torch.zeros(2, 17, 2), torch.zeros(2))"),
        "decode of outputs gives keypoint_scores of shape (2,), expected (2, 17)",
    ),
    "decode of NaN": (
        "head",
        module(
            "def decode(self, outputs, batch):",
            "    return Poses(torch.ones(2, 17, 2) / 0 * 0, torch.ones(2, 17))",
        ),
        "decode of outputs gives keypoints that are not finite",
    ),
    "decode gives no Poses": (
        "head",
        module("def decode(self, outputs, batch): return outputs"),
        "decode of outputs gives Tensor, expected Poses",
    ),
    "average that cannot be decoded": (
        "head",
        module("def average_mirrored(self, outputs, mirrored): return None"),
        "decode of what average_mirrored gives failed: ",
    ),
    "view of another kind": (
        "head",
        (
            "    def build(",
            "    def view(self):\n        from posenas.contract.batches import View\n"
            "        return View('clip', 64, 64)\n    def build(",
        ),
        "expected a View of kind person or image",
    ),
    "a stride that is not true": (
        "space",
        ("stride=4", "stride=2"),
        "level 'features' of stride 2 with 8 channels is not true: for 2 views of 64x64 its map has shape "
        "(2, 8, 16, 16), expected (2, 8, 32, 32)",
    ),
    "channels that are not true": (
        "space",
        ("channels=width", "channels=8"),
        "level 'features' of stride 4 with 8 channels is not true: for 2 views of 64x64 its map has shape "
        "(2, 4, 16, 16), expected (2, 8, 16, 16)",
    ),
    "a level that is not there": (
        "space",
        ('return {"features"', 'return {"feature"'),
        "level 'features' is not in the feature maps feature",
    ),
    "a network that cannot be run": (
        "space",
        ("nn.Conv2d(3,", "nn.Conv2d(4,"),
        "forward of its network failed: RuntimeError: ",
    ),
    "a network that cannot be built": (
        "space",
        ('return Network(genotype["width"])', 'return Network(genotype["height"])'),
        "build failed: KeyError: 'height'",
    ),
    "a sample that does not depend on the rng alone": (
        "space",
        (
            "def sample(self, rng): return sample_uniform(self.dimensions(), rng)",
            "count = iter(range(99))\n"
            "    def sample(self, rng): return {'width': (4, 8)[next(self.count) % 2]}",
        ),
        "sample draws another genotype from a generator of the same seed",
    ),
    "genotypes that JSON cannot hold": (
        "space",
        ("Choice((4, 8))", "Choice(((4, 4), (8, 8)))"),
        "sample gives {'width': (8, 8)}, which JSON reads back as something else",
    ),
    "a genotype of another space": (
        "space",
        ('def largest(self): return {"width": 8}', 'def largest(self): return {"width": 16}'),
        "largest gives no genotype of its space: genotype: width = 16 is not one of its values",
    ),
    "mutation out of the space": (
        "space",
        ('rng): return {"width": 8}', 'rng): return {"depth": 8}'),
        "mutate gives no genotype of its space: genotype: unknown dimension 'depth'",
    ),
    "metrics of other names": (
        "evaluator",
        ('Evaluation({"one": 1.0, "two": 2.0})', 'Evaluation({"One": 1.0, "two": 2.0})'),
        "evaluate gives metrics One, two, and metrics declares one, two",
    ),
    "a metric twice": (
        "evaluator",
        ('Metric("two")', 'Metric("one")'),
        "metrics gives ['one', 'one'], expected one or more Metric, each of a name of its own",
    ),
    "nobody predicted": (
        "evaluator",
        (
            "def evaluate(self, predictions, truth): ",
            "def evaluate(self, predictions, truth): 1 / len(predictions.scores); ",
        ),
        "evaluate of 0 predictions failed: ZeroDivisionError",
    ),
    "no val": (
        "dataset",
        ("    pass", "    def splits(self): return ('train', 'test')"),
        "splits gives 'train', 'test' and lacks val",
    ),
    "a split that fails": (
        "dataset",
        ("    pass", "    def split(self, name): return {'train': ()}[name]"),
        "images of `train` show somebody",
    ),
    "keypoints of another shape": (
        "dataset",
        (
            "    pass",
            "    def split(self, name):\n"
            "        return [replace(one, people=tuple(replace(person, keypoints=person.keypoints[:, :2])\n"
            "            for person in one.people)) for one in super().split(name)]",
        ),
        "keypoints have shape (17, 2), expected (17, 3)",
    ),
    "a labelled keypoint that is no number": (
        "dataset",
        (
            "    pass",
            "    def split(self, name):\n"
            "        return [replace(one, people=tuple(replace(\n"
            "            each, keypoints=each.keypoints * [numpy.nan, 1, 1]) for each in one.people))\n"
            "            for one in super().split(name)]",
        ),
        "a labelled keypoint is not finite",
    ),
    "ids that are not unique": (
        "dataset",
        (
            "    pass",
            "    def split(self, name):\n"
            "        return [replace(one, id=one.id // 2) for one in super().split(name)]",
        ),
        "split('train') has 6 samples and ",
    ),
    "a picture of another size": (
        "dataset",
        (
            "    pass",
            "    def split(self, name):\n"
            "        return [replace(one, width=one.width + 1) for one in super().split(name)]",
        ),
        ", and its sample says uint8 (",
    ),
    "figures that are not finite": (
        "evaluator",
        ('{"one": 1.0,', '{"one": float("inf"),'),
        "evaluate gives one as inf, expected a finite number",
    ),
    "stride and size that agree once": (
        "space",
        ("self.layer(images)}", "self.layer(images)[:, :, :16, :16]}"),
        "level 'features' of stride 4 with 4 channels is not true: for 2 views of 192x128",
    ),
    "a layer without gradient": (
        "space",
        ("self.layer(images)}", "self.layer(images).detach() + self.layer.bias[:, None, None]}"),
        "1 of 2 parameters get no gradient, such as layer.weight; leave out what forward does not use",
    ),
    "a network that computes NaN": (
        "space",
        ("self.layer(images)}", "(self.layer(images) - 1e9).sqrt()}"),
        "the gradient of layer.weight, layer.bias is not finite",
    ),
    "a network that runs without values alone": (
        "space",
        ("self.layer(images)}", "self.layer(images).to('meta')}"),
        "a step of its network failed: ",
    ),
    "the fifth sample is outside": (
        "space",
        (
            "def sample(self, rng): return sample_uniform(self.dimensions(), rng)",
            "def sample(self, rng): return {'width': rng.choice((4, 8, 12))}",
        ),
        "sample gives no genotype of its space: genotype: width = 12 is not one of its values",
    ),
    "the second mutation is outside": (
        "space",
        ('rng): return {"width": 8}', 'rng): return {"width": 2 * genotype["width"]}'),
        "mutate gives no genotype of its space: genotype: width = 16 is not one of its values",
    ),
    "a head's layer without gradient": (
        "head",
        module(
            "def __init__(self, *given, **options):",
            "    super().__init__(*given, **options)",
            "    self.unused = torch.nn.Linear(1, 1)",
        ),
        "get no gradient, such as unused.weight, unused.bias; leave out what forward does not use",
    ),
    "requirements that are no capabilities": (
        "strategy",
        ("    pass", "    def requires(self): return ('WeightSharing',)"),
        "requires names 'WeightSharing', expected protocols of capabilities",
    ),
    "numpy values": (
        "space",
        (
            "def sample(self, rng): return sample_uniform(self.dimensions(), rng)",
            "def sample(self, rng): return {'width': numpy.int64(rng.choice((4, 8)))}",
        ),
        "sample gives no genotype of its space: genotype: width = np.int64(",
    ),
    "numpy values in the dimensions too": (
        "space",
        ("Choice((4, 8))", "Choice(tuple(numpy.array((4, 8))))"),
        "sample gives {'width': np.int64(8)}, which JSON cannot hold: ",
    ),
    "a sample from the global generator": (
        "space",
        ("return sample_uniform(self.dimensions(), rng)", "return {'width': random.choice((4, 8))}"),
        "sample draws another genotype from a generator of the same seed",
    ),
    "a network without levels": (
        "space",
        ("self.levels =", "self.level ="),
        "levels failed: AttributeError: ",
    ),
    "feature maps that are lists": (
        "space",
        ("self.layer(images)}", "[self.layer(images)]}"),
        "level 'features' of the feature maps is list, expected a tensor",
    ),
    "layers named by their width": (
        "space",
        (
            "self.levels =",
            "self.add_module(f'layer{width}', self.layer)\n        self.levels =",
        ),
        "its networks do not nest: weight sharing: layer4.weight is not in the network",
    ),
    "widths that shrink": (
        "space",
        ('return Network(genotype["width"])', 'return Network(12 - genotype["width"])'),
        "its networks do not nest: weight sharing: layer.weight of shape (8, 3, 4, 4) is no slice",
    ),
    "a network that does not depend on its parameters": (
        "space",
        ("self.layer(images)}", "self.layer(images) * 0}"),
        "all 2 parameters have gradients of 0",
    ),
    "select that fails": (
        "head",
        ("    def build(", "    def select(self, levels): return [levels[9]]\n    def build("),
        "select failed: IndexError",
    ),
    "a level that is not offered": (
        "head",
        (
            "    def build(",
            "    def select(self, levels): return [replace(levels[0], name='mine')]\n    def build(",
        ),
        "select gives Level(name='mine', stride=4, channels=24), which is none of the offered levels",
    ),
    "build gives no module": (
        "head",
        ("return Module(level, keypoints", "return dict(level=level, keypoints=keypoints"),
        "build gives dict, expected an nn.Module",
    ),
    "a loss that is constant": (
        "head",
        module("def loss(self, outputs, targets): return super().loss(outputs, targets) * 0 + 1"),
        "parameters have gradients of 0",
    ),
    "a loss without targets": (
        "head",
        module("def loss(self, outputs, targets): return outputs.square().mean()"),
        " whoever is labelled, expected one that depends on targets",
    ),
    "poses as arrays": (
        "head",
        module(
            "def decode(self, outputs, batch):",
            "    return Poses(torch.zeros(2, 17, 2).numpy(), torch.zeros(2, 17).numpy())",
        ),
        "decode of outputs gives keypoints of shape ndarray, expected (2, 17, 2)",
    ),
    "figures that are tensors": (
        "evaluator",
        ('{"one": 1.0,', '{"one": torch.ones(()),'),
        "evaluate gives one as Tensor, expected a number",
    ),
    "figures by the order of the predictions": (
        "evaluator",
        (
            '{"one": 1.0,',
            '{"one": float(predictions.keypoints[0].sum()) if len(predictions.scores) else 0.0,',
        ),
        "one depend on the order of the predictions",
    ),
    "samples that can be read once": (
        "dataset",
        ("    pass", "    def split(self, name): return iter(super().split(name))"),
        "split('train') gives list_iterator, expected a sequence of Sample",
    ),
    "names instead of keypoints": (
        "dataset",
        ("    pass", "    def keypoints(self): return ['nose', 'tail']"),
        "keypoints gives list, expected KeypointSet",
    ),
    "pictures of real numbers": (
        "dataset",
        (
            "    pass",
            "    def split(self, name):\n"
            "        return [replace(one, source=Bright()) for one in super().split(name)]",
        ),
        " reads as float64 (64, 64, 3), and its sample says uint8 (",
    ),
    "search by another name": (
        "strategy",
        ("class Strategy(RandomSearch):\n    pass", "class Strategy:\n    def requires(self): return ()"),
        "is no strategy: odd:Strategy lacks search",
    ),
    "a demand that fails": (
        "strategy",
        ("    pass", "    def check_space(self, space): return space.dimensions()['depth']"),
        "check_space failed: KeyError: 'depth'",
    ),
    "figures of a cost that are not finite": (
        "cost",
        ("float(len(", "float('nan') * float(len("),
        "measure gives wires = nan, expected a finite number",
    ),
    "figures that a cost does not declare": (
        "cost",
        ('return {"wires"', 'return {"wire"'),
        "measure gives wire, and no wires",
    ),
    "a meter by another name": (
        "cost",
        ("def measure(", "def mesure("),
        "measure is no method",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_component_is_one_line(posenas: Posenas, install_odd: Callable[..., None], name: str) -> None:
    kind, (before, after), says = WRONG[name]
    assert before in SOURCES[kind]
    install_odd(kind, SOURCES[kind].replace(before, after))
    answer = posenas("compose", *others(kind), *SMALL, "--dry-run")
    assert answer.status == 2, answer
    (line,) = answer.err.splitlines()
    assert line.startswith("posenas: ")
    assert says in line
    if "images of `train`" not in says:
        assert f"{kind} odd of odd 1.5" in line


@pytest.mark.parametrize("kind", SOURCES)
def test_the_right_ones_are_composed_without_a_word(
    posenas: Posenas, install_odd: Callable[..., None], kind: str
) -> None:
    install_odd(kind, SOURCES[kind])
    answer = posenas("compose", *others(kind), *SMALL, "--dry-run")
    assert answer.status == 0, answer.err
    assert answer.err.splitlines()[-1] == "the five components fit together"
    assert "warning" not in answer.err


MISSPELT = """
from dataclasses import dataclass
from posenas.standard.heads.heatmap import HeatmapHead
from torch import nn

class Module(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, features, targets=None): return self.inner(features, targets)
    def targets(self, batch): return self.inner.targets(batch)
    def loss(self, outputs, targets): return self.inner.loss(outputs, targets)
    def decode(self, outputs, batch): return self.inner.decode(outputs, batch)
    def averge_mirrored(self, outputs, mirrored): return self.inner.average_mirrored(outputs, mirrored)

@dataclass(frozen=True)
class Head(HeatmapHead):
    def build(self, levels, keypoints): return Module(super().build(levels, keypoints))
"""


def test_a_misspelt_capability_is_told(posenas: Posenas, install_odd: Callable[..., None]) -> None:
    install_odd("head", MISSPELT)
    answer = posenas("compose", *others("head"), *SMALL, "--dry-run")
    assert answer.status == 0
    assert (
        "warning: head odd of odd 1.5 has 'averge_mirrored'; was 'average_mirrored' of FlipTest" in answer.err
    )
