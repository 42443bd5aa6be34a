"""What posenas does on a GPU: one command, which can be stopped and started again.

    python benchmarks/gpu.py [PART ...] [--device cuda] [--precision auto] [--peak TFLOPS] [--folder FOLDER]

Figures go to `gpu-DEVICE.json`, step by step. What is there already for this torch, this commit and these
settings is not measured again. A part begins no further round after 8 minutes; the next call goes on.

- `suite`: tests that search from end to end. They leave the device to `auto`, so that they run on CUDA where
  it is. Tests that compare bits are left out: equal bits are promised on a CPU alone.
- `equality`: levels, loss, gradients and poses of small networks of every space and head against the CPU's,
  in float32 without TF32. They are `equal` if no difference is above a thousandth of the largest element.
- `sandwich`: sandwich steps with two random networks, 64 people, 256x192; and their gradients against
  those of the same static networks, without the optimiser.
- `supervised`: steps of networks of the zoo; `kapao-s` has 32 images of 1280x1280.
- `evaluation`: candidates on 6,352 drawn crops, of which 500 are projected.
- `feed`: crops a second of the loader, a process for each core.
- `projection`: hours of the papers' recipes, from their own plans and COCO's sizes. It measures nothing.

Times are medians of rounds of the wall clock, the device synchronised. The share of peak counts the forward
pass's multiply-adds three times, two operations each. `--small` tries all parts on tiny sizes, on a CPU too.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import figures
import torch
from gpu_equality import equality_items
from gpu_measuring import Bench, Item
from gpu_projection import NOT_PROJECTED, project
from gpu_steps import evaluation_items, feed_items, sandwich_items, supervised_items
from gpu_suite import STOPPED, suite_items
from posenas.networks.devices import Compute, choose_compute
from posenas.runs.files import write_atomically

PARTS: Mapping[str, Callable[..., dict[str, Item]]] = {
    "suite": suite_items,
    "equality": equality_items,
    "sandwich": sandwich_items,
    "supervised": supervised_items,
    "evaluation": evaluation_items,
    "feed": feed_items,
}
PROJECTION = "projection"
SECONDS = 8 * 60

PEAKS: Mapping[str, float] = {"H200": 989e12, "H100 80GB HBM3": 989e12, "A100": 312e12, "V100": 125e12}
"""Operations a second in 16 bits, dense, as NVIDIA's data sheet of each device prints them."""


def peak_of(name: str, precision: str) -> float | None:
    """Return a device's peak in operations a second; None for one that is not in the table.

    It is None for float32 too: whether that is computed in TF32 is a setting of torch. `--peak` says it.
    """
    if precision == "32":
        return None
    return next((peak for device, peak in PEAKS.items() if device in name), None)


def device_name(compute: Compute) -> str:
    return (
        torch.cuda.get_device_name(compute.device) if compute.device.type == "cuda" else figures.cpu_model()
    )


def commit() -> str:
    """Return the checkout's commit, with a plus if files other than figures differ from it."""
    changed = git("status", "--porcelain", "--untracked-files=no", "--", ":/", ":!/benchmarks/results")
    return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")


def git(*words: str) -> str:
    command = ["git", "-C", str(Path(__file__).parent), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def file_name(device: str) -> str:
    return f"gpu-{re.sub(r'[^A-Za-z0-9]+', '-', device).strip('-').lower()}.json"


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return content


def kept(content: Mapping[str, Any], part: str, identity: Mapping[str, Any]) -> dict[str, Any]:
    """Return the figures of a part that hold for this identity, but for what was stopped midway."""
    found = content.get("parts", {}).get(part, {})
    figures = found["figures"] if found and found["of"] == identity else {}
    return {name: each for name, each in figures.items() if STOPPED not in each}


def measure_part(
    items: Mapping[str, Item],
    done: Mapping[str, Any],
    bench: Bench,
    *,
    note: Callable[[Mapping[str, Any]], None],
    clock: Callable[[], float] = time.monotonic,
) -> bool:
    """Measure what a part lacks, and note all its figures after each item.

    Returns:
        Whether nothing is left; the deadline may have come first.
    """
    found = dict(done)
    missing = [name for name in items if name not in found]
    for name in missing:
        if clock() > bench.deadline:
            return False
        found[name] = measured(items[name], bench)
        note(found)
        print(f"  {name}: {json.dumps(found[name])}", flush=True)
        print(f"  {max(0, bench.deadline - clock()):.0f} s left of this part", flush=True)
    return True


def measured(item: Item, bench: Bench) -> dict[str, Any]:
    """Return an item's figures; a device that is too small for it is a result."""
    try:
        return dict(item(bench))
    except torch.OutOfMemoryError as error:
        return {"failed": str(error).splitlines()[0]}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join([*PARTS, PROJECTION]))
    parser.add_argument("--device", default="cuda", choices=("cpu", "cuda"))
    parser.add_argument("--precision", default="auto", choices=("auto", "32", "bf16", "fp16"))
    parser.add_argument("--peak", type=float, help="the device's peak in this precision, TFLOP/s")
    parser.add_argument("--folder", type=Path, default=figures.RESULTS, help="where the figures go")
    parser.add_argument("--small", action="store_true", help="tiny sizes, to try the command")
    parser.add_argument("--rounds", type=int, default=20, help="the most rounds of a step")
    given = parser.parse_args()
    unknown = [part for part in given.parts if part not in (*PARTS, PROJECTION)]
    if unknown:
        parser.error(f"unknown part {unknown[0]!r}; parts are {', '.join([*PARTS, PROJECTION])}")
    return given


def main() -> None:
    given = arguments()
    compute = choose_compute(given.device, given.precision)
    name = device_name(compute)
    peak = given.peak * 1e12 if given.peak else peak_of(name, compute.precision)
    identity = {
        "torch": torch.__version__,
        "commit": commit(),
        "precision": compute.precision,
        "small": given.small,
        "peak": peak,
    }
    path = given.folder / file_name(name)
    for part in given.parts or [*PARTS, PROJECTION]:
        content = {"device": name, "parts": {}} | read(path)
        done = kept(content, part, identity)

        def note(found: Mapping[str, Any], part: str = part, content: dict[str, Any] = content) -> None:
            content["parts"][part] = {"of": identity, "figures": dict(found)}
            write_atomically(path, (json.dumps(content, indent=1) + "\n").encode())

        print(f"{part}: {len(done)} figures are there", flush=True)
        if part == PROJECTION:
            if given.small:
                print("  nothing to project: tiny sizes tell nothing about the recipes", flush=True)
                continue
            projected = project({each: kept(content, each, identity) for each in PARTS})
            note(projected | {"not projected": NOT_PROJECTED})
            for work, hours in projected.items():
                print(f"  {work}: {json.dumps(hours)}", flush=True)
            continue
        bench = Bench(compute, given.small, peak, time.monotonic() + SECONDS, given.rounds)
        if not measure_part(PARTS[part](small=given.small), done, bench, note=note):
            print(f"{part} stopped after {SECONDS} s; start the command again to go on", flush=True)


if __name__ == "__main__":
    main()
