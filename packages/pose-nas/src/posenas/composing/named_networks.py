"""Networks by name: zoo entries, genotype files and the winners of runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from posenas.composing.building import make_pair, outline_network
from posenas.composing.loading import load_entry
from posenas.composing.plugins import find_plugins, remedy
from posenas.contract.components import Backbone
from posenas.contract.errors import PosenasError, suggestion
from posenas.contract.genotype import (
    Genotype,
    Real,
    check_genotype,
    choice_texts,
    genotype_id,
    middle,
)
from posenas.contract.keypoint_sets import COCO_17, KEYPOINT_SETS
from posenas.contract.keypoints import KeypointSet
from posenas.contract.messages import message
from posenas.contract.migrations import GENOTYPE
from posenas.contract.phases import PHASES
from posenas.contract.zoo import ZooEntry, zoo_problem
from posenas.networks.counting import measure, measure_parts
from posenas.networks.multiplications import KnownCalls
from posenas.runs.checksums import read_result
from posenas.runs.keypoint_files import keypoints_from
from posenas.runs.recipe import (
    PHASED_TABLES,
    ComponentChoice,
    Recipe,
    merge,
    parse_assignment,
    recipe_from_tables,
    recipe_tables,
)
from posenas.runs.run import open_run
from posenas.runs.strict_json import parse_json


@dataclass(frozen=True)
class NamedNetwork:
    """A genotype of a space, with the head that it is used under.

    Attributes:
        published: what the paper prints about it.
        source: the paper.
        recipe: of the run that it won, else None.
    """

    name: str
    space: ComponentChoice
    genotype: Genotype
    head: ComponentChoice
    keypoints: KeypointSet
    published: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    recipe: Recipe | None = None

    def backbone(self) -> Backbone:
        """Return the network's backbone, built by its space with fresh weights."""
        space, _ = make_pair(self.space, self.head)
        return space.build(self.genotype)

    def used_tables(self, init: str) -> dict[str, Any]:
        """Return the tables of a recipe that uses this network as it is with the weights of a file.

        What no run has said is computed in float32, as published figures are.
        """
        return {"precision": "32", **self.recipe_tables(init=init)}

    def recipe_tables(self, *, init: str | None = None) -> dict[str, Any]:
        """Return the tables of a recipe that trains this network alone.

        Args:
            init: other weights to begin with than the recipe's, which images are then fed as; None for the
                recipe's.
        """
        tables = {} if self.recipe is None else recipe_tables(self.recipe)
        if init is not None:
            tables.pop("normalisation", None)
            tables["init"] = init
        tables["space"] = {"name": self.space.name, **self.space.options}
        tables["head"] = {"name": self.head.name, **self.head.options}
        tables["strategy"] = {"name": "single", "genotype": dict(self.genotype)}
        tables |= {name: _of_final(tables[name]) for name in PHASED_TABLES if name in tables}
        tables |= {"maximize": [], "minimize": []}  # the run's objectives may be of another evaluator
        return tables


def _of_final(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a table of settings without the phases in which no network is trained for itself."""
    return {name: value for name, value in table.items() if name not in PHASES or name == "final"}


def zoo_names() -> list[str]:
    """Return the names of the usable zoo entries."""
    return sorted(plugin.name for plugin in find_plugins(("zoo",)) if plugin.status == "ok")


def find_network(name: str, *, space: str | None = None) -> NamedNetwork:
    """Return the network of a zoo entry, of a genotype's JSON file, or of a finished run.

    Args:
        name: the entry's name, the file or the run's folder.
        space: of a genotype file's genotype; `ofa` where None.

    Raises:
        PosenasError: where there is no such thing.
    """
    path = Path(name)
    if path.is_dir():
        return _of_run(path)
    if path.is_file():
        return _of_file(path, ComponentChoice(space or "ofa"))
    if name not in zoo_names():
        raise PosenasError(
            f"{name!r} is neither a file, a run's folder nor in the zoo; {suggestion(name, zoo_names())}"
        )
    return _of_zoo(name)


def describe_zoo() -> list[dict[str, Any]]:
    """Describe every usable entry of the zoo, and name every other one with its `problem`."""
    found = []
    known: KnownCalls = {}
    for plugin in sorted(find_plugins(("zoo",)), key=lambda plugin: plugin.name):
        if plugin.status != "ok":
            found.append({"name": plugin.name, "problem": f"{plugin} is {plugin.status}: {plugin.problem}"})
            continue
        try:
            found.append(describe_network(_of_zoo(plugin.name), known=known))
        except PosenasError as error:
            found.append({"name": plugin.name, "problem": str(error)})
        except Exception as error:  # whatever a stranger's entry or space does, it must harm no other
            reason = f"{plugin} cannot be described: {type(error).__name__}: {error}; {remedy(plugin)}"
            found.append({"name": plugin.name, "problem": message(reason)})
    return found


def changed(network: NamedNetwork, assignments: Iterable[str]) -> NamedNetwork:
    """Return the network with other options of its space or head, such as `space.backbone=resnet50`.

    Real choices that all weigh the same do so in the changed space too. What is published about the network
    no longer holds.

    Raises:
        PosenasError: for an assignment to anything else.
    """
    parsed = [parse_assignment(text) for text in assignments]
    if not parsed:
        return network
    for path, _ in parsed:
        if path[0] not in ("space", "head"):
            raise PosenasError(
                f"--set {'.'.join(path)}: a network depends on options of space and head alone"
            )
    tables = {
        "space": {"name": network.space.name, **network.space.options},
        "head": {"name": network.head.name, **network.head.options},
    }
    recipe = recipe_from_tables(merge(tables, parsed, flags={}))
    undecided = network.genotype == _undecided_in(network.space, network.head)
    genotype = _undecided_in(recipe.space, recipe.head) if undecided else None
    return replace(
        network, space=recipe.space, head=recipe.head, genotype=genotype or network.genotype, published={}
    )


def _undecided_in(space: ComponentChoice, head: ComponentChoice) -> Genotype | None:
    """Return the genotype whose choices all weigh the same, or None if some dimension is not real."""
    dimensions = make_pair(space, head)[0].dimensions()
    return middle(dimensions) if all(isinstance(each, Real) for each in dimensions.values()) else None


def _of_zoo(name: str) -> NamedNetwork:
    plugin = next(plugin for plugin in find_plugins(("zoo",)) if plugin.name == name)
    entry = load_entry(plugin)
    problem = zoo_problem(entry)
    if problem:
        raise PosenasError(f"{plugin} is not a zoo entry: {plugin.entry_point} {problem}; {remedy(plugin)}")
    assert isinstance(entry, ZooEntry)
    options = dict(entry.head)
    head = options.pop("name")
    return NamedNetwork(
        name=name,
        space=ComponentChoice(entry.space, entry.options),
        genotype=entry.genotype,
        head=ComponentChoice(head, {"input_size": list(entry.input_size), **options}),
        keypoints=KEYPOINT_SETS[entry.keypoints],
        published=entry.published,
        source=entry.source,
    )


def _of_file(path: Path, space: ComponentChoice) -> NamedNetwork:
    try:
        return _of_genotype(path.read_bytes(), path, space)
    except OSError as error:
        raise PosenasError(f"{path}: not a genotype's JSON file ({error})") from error


def _of_genotype(content: bytes, path: Path, space: ComponentChoice) -> NamedNetwork:
    try:
        found = parse_json(content)
        if not isinstance(found, dict):
            raise PosenasError(f"{path}: a genotype is one JSON object with a value for each dimension")
        genotype = GENOTYPE.read(found).get("genotype")
        if not isinstance(genotype, dict):
            raise ValueError("it holds no genotype under this name")
        name = genotype_id(genotype)
    except ValueError as error:
        raise PosenasError(f"{path}: not a genotype's JSON file ({error})") from error
    return NamedNetwork(name, space, genotype, ComponentChoice("heatmap"), COCO_17)


def _of_run(path: Path) -> NamedNetwork:
    _, recipe = open_run(path)
    file = path / "best" / "genotype.json"
    if not file.exists():
        raise PosenasError(f"{path}: this run has no result yet; `posenas resume {path}` finishes it")
    found = _of_genotype(read_result(path, "best/genotype.json"), file, recipe.space)
    keypoints = keypoints_from(read_result(path, "best/keypoints.json"), path / "best" / "keypoints.json")
    return NamedNetwork(found.name, recipe.space, found.genotype, recipe.head, keypoints, recipe=recipe)


def describe_network(network: NamedNetwork, *, known: KnownCalls | None = None) -> dict[str, Any]:
    """Return costs and levels, without running the network: one object of `posenas zoo --json`.

    Args:
        network: the one to describe.
        known: calls that were counted before, and will be for the next networks.
    """
    space, head = make_pair(network.space, network.head)
    check_genotype(network.genotype, space.dimensions())
    outline = outline_network(space, network.genotype, head=head, keypoints=network.keypoints)
    costs = measure(outline, (head.view().height, head.view().width), known=known)
    return {
        "name": network.name,
        "space": network.space.name,
        "genotype": dict(network.genotype),
        "input_size": [head.view().height, head.view().width],
        "keypoints": len(network.keypoints),
        "levels": [
            {"name": level.name, "stride": level.stride, "channels": level.channels}
            for level in cast(Backbone, outline.backbone).levels
        ],
        **costs.as_dict(),
        "published": dict(network.published),
        "source": network.source,
    }


def describe_choices(network: NamedNetwork) -> dict[str, list[str]]:
    """Return what each row of the dimensions chooses whose alternatives have names, by dimension."""
    space, _ = make_pair(network.space, network.head)
    return {
        name: choice_texts(dimension, network.genotype[name])
        for name, dimension in space.dimensions().items()
        if isinstance(dimension, Real) and dimension.alternatives
    }


def describe_parts(network: NamedNetwork) -> dict[str, dict[str, float]]:
    """Return the counted costs of backbone and head, and of the modules of each, by part and cost."""
    space, head = make_pair(network.space, network.head)
    outline = outline_network(space, network.genotype, head=head, keypoints=network.keypoints)
    parts = measure_parts(outline, (head.view().height, head.view().width))
    return {part: dict(costs.as_dict()) for part, costs in parts.items()}
