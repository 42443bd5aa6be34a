"""Broken files of every kind, read as the command line reads them.

    python integration_tests/fuzzing.py [INPUTS] [SEED]      # of every kind in turn; 3,000 take some minutes

Each input is one that is right, with a few values or bytes changed. It may be refused, with status 2 and one
printable line of at most 400 characters, or taken, but then every number must be finite. All else is a fault:
a traceback, a longer line, a control character.
"""

from __future__ import annotations

import contextlib
import copy
import io
import json
import math
import random
import re
import shutil
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from label_files import write_labels
from posenas.cli import main
from posenas.composing.loading import load
from posenas.composing.named_networks import find_network
from posenas.composing.plugins import find_plugins
from posenas.contract.errors import PosenasError
from posenas.contract.samples import UnreadableImageError
from posenas.data.coco.dataset import CocoDataset
from posenas.data.detections import image_id, read_detections
from posenas.data.images.file_image import FileImage
from posenas.networks.initial_weights import read_initial_weights
from posenas.networks.latency.operators import Operator
from posenas.networks.latency.table import LatencyTable
from safetensors.torch import save
from whole_body_files import write_whole_bodies

LONGEST = 400
_WHOLE_BODIES = "coco_wholebody_val_v1.0.json"
KEYPOINTS = ("nose", "left_shoulder", "right_shoulder", "left_hip", "right_hip")
GENOTYPES = {
    "ofa": ["-o", "space.backbone=tiny"],
    "evo": [],
    "cnf": ["-o", "space.hidden=1", "-o", "space.cells=1"],
    "fixed": [],
}
_RAW = {
    "@digits": "9" * 5000,
    "@large": "1" + "0" * 400,
    "@infinite": "1e999",
    "@deep": "[" * 3000,
    "@closed": "[" * 300 + "]" * 300,
    "@nan": "NaN",
    "@infinity": "-Infinity",
}
"""Put into JSON as they stand."""
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 0.5, 2**31, 2**53 + 1, 2**63, 2**64, 10**40, 1e308, -1e308),
    *(
        "",
        "1",
        "NaN",
        "none",
        "\ud800",
        "\x1b[31mred\x07",
        "<script>",
        "a\0b",
        "../../x",
        "/dev/zero",
        "x" * 100_000,
    ),
    *([], {}, [[[]]], [1, 2], {"a": 1}, ["\x1b"]),
    *(quoted for quoted in _RAW),
)


@dataclass(frozen=True)
class Outcome:
    """What became of an input.

    Attributes:
        fault: empty where it was refused as it should be, or taken with finite numbers.
    """

    kind: str
    taken: bool
    fault: str = ""


def command(*arguments: str | Path) -> tuple[int, str]:
    """The status of a command in this process, and all that it printed."""
    printed, before = io.StringIO(), sys.argv
    sys.argv = ["posenas", *map(str, arguments)]
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            main()
    except SystemExit as end:
        return int(end.code or 0), printed.getvalue()
    finally:
        sys.argv = before
    return 0, printed.getvalue()


def judged(kind: str, read: Callable[[], object], *arguments: str | Path) -> Outcome:
    """Runs a command, and reads what it accepted once more to look at its numbers."""
    try:
        status, printed = command(*arguments)
        if status not in (0, 2):
            return Outcome(kind, False, f"status {status}")
        fault = _line_fault(printed)
        if fault or status == 2:
            return Outcome(kind, False, fault)
        return Outcome(kind, True, "" if _is_finite(read()) else "a number that is not finite was taken")
    except (PosenasError, UnreadableImageError) as error:
        return Outcome(kind, False, _line_fault(str(error)))
    except Exception:
        return Outcome(kind, False, traceback.format_exc())


def _line_fault(printed: str) -> str:
    for line in printed.splitlines():
        is_message = line.startswith(("posenas:", "Error:", "warning:", "- "))
        if is_message and len(line) > LONGEST:
            return f"{len(line)} characters: {line[:200]}"
        if any(not character.isprintable() and character not in "\t\xa0\u3000" for character in line):
            return f"control characters: {line[:200]!a}"
    return ""


def _is_finite(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, np.ndarray):
        return bool(np.isfinite(value).all()) if value.dtype.kind == "f" else True
    if isinstance(value, torch.Tensor):
        return bool(value.float().isfinite().all()) if value.is_floating_point() else True
    if isinstance(value, Mapping):
        return all(_is_finite(each) for each in value.values())
    if isinstance(value, list | tuple):
        return all(_is_finite(each) for each in value)
    if is_dataclass(value):
        return all(_is_finite(getattr(value, field.name)) for field in fields(value))
    return True


def changed_json(value: Any, rng: random.Random) -> bytes:
    """The value with one or two changes, as text; now and then with changed bytes too."""
    value = copy.deepcopy(value)
    for _ in range(rng.choice((1, 1, 2))):
        _change(value, rng)
    text = json.dumps(value)
    for name, raw in _RAW.items():
        text = text.replace(f'"{name}"', raw)
    content = text.encode()
    return changed_bytes(content, rng) if rng.random() < 0.15 else content


def _change(value: Any, rng: random.Random) -> None:
    """In place, anywhere in it."""
    while True:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        if not keys:
            return
        key = rng.choice(keys)
        inner = value[key]
        if not isinstance(inner, dict | list) or not inner or rng.random() < 0.15:
            break
        value = inner
    other = rng.choice(list(keys))
    action = rng.choice(("put", "put", "put", "delete", "double", "exchange"))
    if action == "put":
        value[key] = copy.deepcopy(rng.choice(_VALUES))
    elif action == "delete":
        del value[key]
    elif action == "exchange":
        value[key], value[other] = value[other], value[key]
    elif isinstance(value, list):
        value.append(copy.deepcopy(inner))
    else:
        value[f"{key}2"] = inner


def changed_bytes(content: bytes, rng: random.Random, *, within: int | None = None) -> bytes:
    """Flipped, cut, inserted or set to zero, of the whole or of the first bytes alone."""
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(max(1, min(len(data), within or len(data))))
        action = rng.choice(("flip", "flip", "cut", "insert", "zero"))
        if action == "flip" and data:
            data[place] ^= 1 << rng.randrange(8)
        elif action == "cut":
            del data[place : None if rng.random() < 0.5 else place + rng.randint(1, 40)]
        elif action == "insert":
            data[place:place] = rng.randbytes(rng.randint(1, 40))
        else:
            data[place : place + 8] = bytes(len(data[place : place + 8]))
    return bytes(data)


def changed_text(text: bytes, rng: random.Random) -> bytes:
    """The text with one word replaced by another value, or with changed bytes."""
    if rng.random() < 0.4:
        return changed_bytes(text, rng)
    words = re.split(rb"([\s,\[\]:{}]+)", text)
    place = rng.randrange(len(words))
    value = rng.choice([*_VALUES, "nan", "1e999", "-0.5", "240", "!!python/name:os.system", "&a [*a]", "- x"])
    new = _RAW.get(value, value) if isinstance(value, str) else json.dumps(value)
    words[place] = new.encode("utf-8", "surrogatepass")
    return b"".join(words)


def annotations(images: int = 4) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "images": [
            {"id": index, "file_name": f"{index}.png", "width": 48, "height": 64} for index in range(images)
        ],
        "annotations": [
            {
                "id": index + 1,
                "image_id": index,
                "category_id": 1,
                "iscrowd": 0,
                "bbox": [4, 5.5, 30, 50],
                "area": 700.0,
                "keypoints": [
                    number for x, y in rng.integers(8, 40, (5, 2)).tolist() for number in (x, y, 2)
                ],
            }
            for index in range(images)
        ],
        "categories": [
            {"id": 1, "name": "person", "keypoints": list(KEYPOINTS), "skeleton": [[1, 2], [2, 4]]}
        ],
    }


class Fuzzer:
    """Inputs of each kind, in a folder of their own."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self._folder, self._rng = folder, rng
        self._root = folder / "data"
        (self._root / "images").mkdir(parents=True)
        for name in ("train", "val"):
            (self._root / f"{name}.json").write_text(json.dumps(annotations()))
        for index in range(4):
            picture = np.full((64, 48, 3), 40 * index, np.uint8)
            cv2.imwrite(str(self._root / "images" / f"{index}.png"), picture)
        self._data = ("--dataset", "coco", "-o", f"dataset.root={self._root}", "-o", "head.input_size=64,64")
        self._tried = 0

    def file(self, name: str, content: bytes) -> Path:
        path = self._folder / name
        path.write_bytes(content)
        return path

    def coco(self) -> Outcome:
        """By `data check`, and by `compose`."""
        root = self._folder / "changed"
        if not root.exists():
            shutil.copytree(self._root, root)
        (root / "val.json").write_bytes(changed_json(annotations(), self._rng))
        source = ("-o", f"dataset.root={root}")
        check = ("data", "check", "coco", *source, "--samples", "2", "--out", self._folder / "check.png")
        compose = ("compose", "--dry-run", "--dataset", "coco", *source, "-o", "head.input_size=64,64")
        arguments = check if self._rng.random() < 0.5 else compose
        return judged("annotations", lambda: CocoDataset(root=str(root)).split("val"), *arguments)

    def whole_bodies(self) -> Outcome:
        """By `data check`, as whole bodies, as faces or as hands."""
        root = self._folder / "whole_bodies"
        if not root.exists():
            root.mkdir()
            write_whole_bodies(root, train_images=2, val_images=3)
            shutil.copy(root / "annotations" / _WHOLE_BODIES, root / _WHOLE_BODIES)
        right = json.loads((root / _WHOLE_BODIES).read_text())
        (root / "annotations" / _WHOLE_BODIES).write_bytes(changed_json(right, self._rng))
        name = self._rng.choice(("cocowholebody", "wbf", "wbh"))
        return judged(
            "whole bodies",
            lambda: load("dataset", name)(root=str(root)).split("val"),
            *("data", "check", name, "-o", f"dataset.root={root}", "--samples", "2"),
            *("--out", self._folder / "check.png"),
        )

    def labels(self) -> Outcome:
        """By `data check`, with a changed `data.yaml` or a changed label file."""
        root = self._folder / "labelled"
        if not root.exists():
            root.mkdir()
            write_labels(root, train_images=2, val_images=2)
        kept = {
            path: path.read_bytes()
            for path in (root / "data.yaml", *sorted((root / "labels").rglob("*.txt")))
        }
        path = self._rng.choice([root / "data.yaml", *kept])
        path.write_bytes(changed_text(kept[path], self._rng))
        try:
            return judged(
                "label files",
                lambda: load("dataset", "yolo")(root=str(root)).split("val"),
                *("data", "check", "yolo", "-o", f"dataset.root={root}", "--samples", "2"),
                *("--out", self._folder / "check.png"),
            )
        finally:
            path.write_bytes(kept[path])

    def boxes(self) -> Outcome:
        rows = [
            {"image_id": index, "category_id": 1, "bbox": [3, 4, 30, 40], "score": 0.9} for index in range(4)
        ]
        path = self.file("boxes.json", changed_json(rows, self._rng))
        return judged(
            "boxes",
            lambda: [(each.box, each.score) for each in read_detections(path, image=image_id)[0]],
            *("compose", "--dry-run", *self._data, "-o", f"evaluation.boxes={path}"),
        )

    def genotype(self) -> Outcome:
        name = self._rng.choice(sorted(_genotypes()))
        path = self.file("genotype.json", changed_json(_genotypes()[name], self._rng))
        return judged(
            "genotypes",
            lambda: dict(find_network(str(path), space=name).genotype),
            *("describe", path, "--space", name),
        )

    def weights(self) -> Outcome:
        rng = self._rng
        tensors = {
            "features.0.weight": torch.rand(4, 3, 3, 3),
            "features.1.running_var": torch.rand(4),
            "features.1.num_batches_tracked": torch.tensor(3),
        }
        name = rng.choice(sorted(tensors))
        if rng.random() < 0.4 and tensors[name].is_floating_point():
            tensors[name].view(-1)[0] = rng.choice((math.nan, math.inf, -math.inf, -1.0))
        elif rng.random() < 0.3:
            tensors[name] = rng.choice((torch.zeros(0), torch.full((4,), 1e300, dtype=torch.float64)))
        if rng.random() < 0.5:
            content = save(tensors)
        else:
            buffer = io.BytesIO()
            torch.save({"state_dict": tensors}, buffer)
            content = buffer.getvalue()
        if rng.random() < 0.6:
            content = changed_bytes(content, rng, within=rng.choice((16, 300, None)))
        path = self.file("weights.bin", content)
        return judged(
            "initial weights",
            lambda: dict(read_initial_weights(path).tensors),
            *("compose", "--dry-run", *self._data, "--init", path),
        )

    def assignment(self) -> Outcome:
        rng = self._rng
        target = rng.choice(
            (
                *(
                    "seed",
                    "device",
                    "limits",
                    "maximize",
                    "space.backbone",
                    "strategy.epochs",
                    "strategy.name",
                ),
                *("head.input_size", "dataset.sigmas", "training.batch_size", "training.learning_rate"),
                *(
                    "augmentation.flip",
                    "evaluation.held_out",
                    "latency.batch_size",
                    "nothing.at.all",
                    "",
                    "space",
                ),
            )
        )
        value = rng.choice([*_VALUES, "nan", "inf,1", "1e999", "[1,", "2001-01-01", "64,64", "{a=1}"])
        text = _RAW.get(value, value) if isinstance(value, str) else json.dumps(value)
        return judged(
            "assignments", lambda: None, *("compose", "--dry-run", *self._data, "-o", f"{target}={text}")
        )

    def recipe(self) -> Outcome:
        text = (
            'seed = 3\nlimits = ["gmacs<=9"]\n[space]\nname = "ofa"\nbackbone = "tiny"\n[strategy]\n'
            f'name = "sandwich"\nepochs = 2\n[head]\nname = "heatmap"\ninput_size = [64, 64]\n[dataset]\n'
            f'name = "coco"\nroot = "{self._root}"\n[training]\nbatch_size = 4\nlearning_rate = 0.001\n'
        )
        if self._rng.random() < 0.6:
            line = self._rng.choice([each for each in text.splitlines() if "=" in each])
            value = self._rng.choice([*_VALUES, "nan", "-inf", "1e999", "0x" + "f" * 40, "'''"])
            raw = _RAW.get(value, value) if isinstance(value, str) else json.dumps(value)
            text = text.replace(line, f"{line.split(' = ')[0]} = {raw}")
        else:
            text = changed_bytes(text.encode(), self._rng).decode("latin-1")
        path = self.file("recipe.toml", text.encode("utf-8", "surrogatepass"))
        return judged("recipes", lambda: None, "compose", "--dry-run", "--recipe", path)

    def image(self) -> Outcome:
        rng = self._rng
        ending = rng.choice(
            (".jpg", ".png", ".bmp", ".gif", ".webp", ".tif", ".ppm", ".jp2", ".avif", ".ras")
        )
        noise = np.random.default_rng(rng.randrange(9)).integers(0, 256, (64, 48, 3)).astype(np.uint8)
        whole = cv2.imencode(ending, noise)[1].tobytes()
        path = self.file("image", changed_bytes(whole, rng, within=rng.choice((40, 200, None))))
        with contextlib.redirect_stderr(io.StringIO()):
            return _read_image(path)

    def latency(self) -> Outcome:
        path = self.file("table.json", changed_json(_table(), self._rng))

        def predicted() -> object:
            table = LatencyTable.load(path)
            known = [entry.operator for entry in table.entries]
            new = Operator("conv2d(1x9x32x32) 16,9,3,3", 999, 888)
            return table.predict([*known, new]), table.judgement()

        return judged("latency tables", predicted, "latency", "show", path)

    def run_file(self, run: Path) -> Outcome:
        """Of a copy of a finished run; by `report` and `describe`."""
        copied = self._folder / "run"
        shutil.rmtree(copied, ignore_errors=True)
        shutil.copytree(run, copied)
        files = [
            path for path in copied.rglob("*") if path.suffix in (".json", ".jsonl", ".toml", ".safetensors")
        ]
        path = self._rng.choice(sorted(files))
        content = path.read_bytes()
        if path.suffix == ".json":
            path.write_bytes(changed_json(json.loads(content), self._rng))
        elif path.suffix == ".jsonl":
            lines = content.splitlines()
            number = self._rng.randrange(len(lines))
            lines[number] = changed_json(json.loads(lines[number]), self._rng)
            path.write_bytes(b"\n".join(lines) + b"\n")
        else:
            path.write_bytes(changed_bytes(content, self._rng))
        name = self._rng.choice(("report", "describe"))
        return judged("files of a run", lambda: None, name, copied)

    def kinds(self, run: Path | None) -> Sequence[Callable[[], Outcome]]:
        kinds = [
            *(self.coco, self.boxes, self.genotype, self.weights, self.assignment, self.recipe),
            *(self.image, self.latency, self.whole_bodies, self.labels),
        ]
        return kinds if run is None else [*kinds, lambda: self.run_file(run)]


def _read_image(path: Path) -> Outcome:
    try:
        FileImage(path).read()
    except UnreadableImageError as error:
        return Outcome("images", False, _line_fault(str(error)))
    except Exception:
        return Outcome("images", False, traceback.format_exc())
    return Outcome("images", True)


def _genotypes() -> Mapping[str, Any]:
    """Of each space, the smallest or the middle one, as JSON."""
    from posenas.contract.genotype import middle

    found = {}
    for plugin in find_plugins(("space",)):
        if plugin.status == "ok":
            space = load("space", plugin.name)()
            found[plugin.name] = json.loads(json.dumps(dict(middle(space.dimensions()))))
    return found


def _table() -> dict[str, Any]:
    network = {
        "genotype": {"a": 1},
        "measured_ms": 2.0,
        "first_quartile_ms": 1.9,
        "third_quartile_ms": 2.1,
        "predicted_ms": 2.05,
    }
    return {
        "format": "posenas latency table 1",
        "unit": "ms",
        "device": "a processor",
        "threads": 1,
        "precision": "32",
        "batch_size": 1,
        "input_size": [64, 64],
        "torch": "2.13",
        "clock": "wall",
        "subject": {"space": {"name": "ofa"}, "head": {"name": "heatmap"}, "keypoints": 17},
        "sum": {"constant_ms": 0.1, "scale": 1.02},
        "columns": ["operator", "median_ms", "first_quartile_ms", "third_quartile_ms", "macs", "elements"],
        "entries": [
            ["conv2d(1x3x64x64) 8,3,3,3", 0.5, 0.4, 0.6, 884736, 45056],
            ["conv2d(1x8x32x32) 16,8,3,3", 0.3, 0.2, 0.4, 1179648, 24576],
            ["relu(1x8x32x32)", 0.02, 0.01, 0.03, 0, 16384],
        ],
        "networks": [network | {"held_out": held_out} for held_out in (True, True, False)],
    }


def outcomes(inputs: int, seed: int, folder: Path, run: Path | None) -> Iterator[Outcome]:
    """Every kind in turn."""
    fuzzer = Fuzzer(folder, random.Random(seed))
    kinds = fuzzer.kinds(run)
    for number in range(inputs):
        yield kinds[number % len(kinds)]()


def finished_run(folder: Path) -> Path:
    """A small search that has ended."""
    from running import SMALL_SEARCH

    path = folder / "finished"
    status, printed = command("compose", *SMALL_SEARCH, "--run", path)
    assert status == 0, printed
    return path


def tell(inputs: int, seed: int) -> int:
    """Prints the counts by kind and every fault; returns how many faults there were."""
    warnings.simplefilter("error")
    refused, taken, faults = Counter[str](), Counter[str](), 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for outcome in outcomes(inputs, seed, folder, finished_run(folder)):
            (taken if outcome.taken else refused)[outcome.kind] += 1
            if outcome.fault:
                faults += 1
                print(f"--- {outcome.kind}\n{outcome.fault}", flush=True)
    for kind in sorted(refused | taken):
        print(f"{kind:<18}{refused[kind]:>6} refused{taken[kind]:>6} taken")
    print(f"{faults} faults in {inputs} inputs, seed {seed}")
    return faults


if __name__ == "__main__":
    numbers = [int(text) for text in sys.argv[1:]]
    sys.exit(bool(tell(*(numbers + [3000, 0][len(numbers) :]))))
