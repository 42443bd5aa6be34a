"""Searches on Ray whose machines and workers are killed, and the share of time that workers are idle.

    OMP_NUM_THREADS=1 python benchmarks/ray_engine.py --runs FOLDER [--json FILE] [--nodes N] [--workers N]

A cluster of a head and two nodes of one core each, all on this machine. The same evolution is searched by
this machine's processes, on Ray undisturbed, on Ray with nodes that are killed and replaced, and with workers
that are killed. Every file of the runs is compared. The idle share is that of 16 candidates of unlike length
on two cores, from the first one's begin to the last one's end, by Ray's own record.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray.cluster_utils import Cluster

COMMAND = [str(Path(sys.executable).with_name("posenas"))]
OPTIONS = (
    "dataset.train_images=48",
    "dataset.val_images=8",
    "head.input_size=64,64",
    "training.batch_size=8",
    "training.workers=0",
    "training.parallel=2",
    "strategy.generations=2",
    "strategy.children=8",
    "strategy.parents=2",
    "strategy.ancestor_epochs=1",
    "strategy.child_epochs=6",
    "strategy.final_epochs=1",
)
SEARCH = ["compose", "--space", "evo", "--strategy", "neuroevolution"]
SEARCH += [word for option in OPTIONS for word in ("-o", option)]


def contents(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def begun(run: Path, *words: str) -> subprocess.Popen[str]:
    command = [*COMMAND, *SEARCH, "--run", str(run), *words]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def ended(process: subprocess.Popen[str]) -> str:
    _, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    return err


def workers() -> list[int]:
    """The processes that do a task of a candidate at this moment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::work"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


class Machines:
    """A head without cores for candidates, and two nodes of one core."""

    def __init__(self) -> None:
        head = {"num_cpus": 0, "include_dashboard": False}
        self.cluster = Cluster(initialize_head=True, head_node_args=head)
        self.nodes = [self.cluster.add_node(num_cpus=1) for _ in range(2)]
        self.cluster.wait_for_nodes()

    def kill_node(self, rng: random.Random) -> bool:
        """Kill a node that is at work, and start another one."""
        if not workers():
            return False
        node = self.nodes.pop(rng.randrange(2))
        self.cluster.remove_node(node, allow_graceful=False)
        self.nodes.append(self.cluster.add_node(num_cpus=1))
        return True

    def kill_worker(self, rng: random.Random) -> bool:
        """Kill a worker that is at work."""
        busy = workers()
        if busy:
            os.kill(rng.choice(busy), signal.SIGKILL)
        return bool(busy)


def disturbed(
    machines: Machines, folder: Path, kill: Callable[[random.Random], bool], *, kills: int, pause: float
) -> dict[str, Any]:
    """Searches, one after another, until so many kills are done; each must end like the undisturbed one."""
    expected, rng, done, searches = contents(folder / "local"), random.Random(0), 0, 0
    equal, seconds = 0, []
    while done < kills:
        run = folder / f"{kill.__name__}-{searches}"
        started = time.monotonic()
        process = begun(run, "--engine", machines.cluster.address)
        while process.poll() is None and done < kills:
            time.sleep(rng.uniform(0.5, 1.5) * pause)
            journal = run / "journal.jsonl"
            if journal.exists() and '"train and evaluate"' in journal.read_text():
                done += kill(rng)
        ended(process)
        seconds.append(round(time.monotonic() - started, 1))
        searches += 1
        equal += contents(run) == expected
    lines = [json.loads(line)["key"] for line in (run / "journal.jsonl").read_text().splitlines()]
    return {
        "kills": done,
        "searches": searches,
        "equal to the local engine's": equal,
        "seconds of each": seconds,
        "lines of the last journal": len(lines),
        "of them different": len(set(lines)),
    }


def idle_share(folder: Path, address: str) -> dict[str, Any]:
    """Sixteen candidates of unlike length: epochs 1 to 16, in this order."""
    from posenas.composing.compose import compose
    from posenas.composing.computed_on import provenance_of
    from posenas.runs.recipe import read_recipe, recipe_from_tables
    from posenas.runs.run import create_run
    from posenas.searching.candidate import Job
    from posenas.searching.ray_engine import connected

    composition = compose(recipe_from_tables(read_recipe(folder / "local" / "recipe.toml")))
    run = create_run(folder / "idle", composition.recipe)
    engine = connected(address, composition, run, provenance=provenance_of(composition), warn=print)
    space: Any = composition.space
    jobs = [Job(space.ancestor(), None, epochs=epochs) for epochs in range(1, 17)]
    started, since = time.monotonic(), time.time()
    results = list(engine.finish(jobs, advance=lambda *_: None, warn=print))
    wall = time.monotonic() - started
    time.sleep(3.0)  # Ray's record is complete a moment later
    spans = [
        (event["ts"] / 1e6, event["dur"] / 1e6)
        for event in ray.timeline()
        if event.get("cat", "").startswith("task::")
        and event["cat"].endswith("work")
        and event["ts"] / 1e6 > since  # not those of the searches before
    ]
    engine.close()
    begin, end = min(each for each, _ in spans), max(each + span for each, span in spans)
    busy = sum(span for _, span in spans)
    return {
        "candidates": len(results),
        "tasks in the record": len(spans),
        "wall seconds": round(wall, 1),
        "busy seconds": round(busy, 1),
        "shortest and longest": [round(min(s for _, s in spans), 2), round(max(s for _, s in spans), 2)],
        "idle share": round(1 - busy / (2 * (end - begin)), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--nodes", type=int, default=10)
    parser.add_argument("--workers", type=int, default=20)
    options = parser.parse_args()
    folder = options.runs.absolute()
    started = time.monotonic()
    ended(begun(folder / "local"))
    found: dict[str, Any] = {"seconds of the local engine": round(time.monotonic() - started, 1)}
    machines = Machines()
    try:
        started = time.monotonic()
        ended(begun(folder / "ray", "--engine", machines.cluster.address))
        found["seconds on Ray"] = round(time.monotonic() - started, 1)
        found["equal undisturbed"] = contents(folder / "ray") == contents(folder / "local")
        found["idle"] = idle_share(folder, machines.cluster.address)
        for name, kill, kills, pause in (
            ("workers killed", machines.kill_worker, options.workers, 3.0),
            ("nodes killed", machines.kill_node, options.nodes, 8.0),
        ):
            found[name] = disturbed(machines, folder, kill, kills=kills, pause=pause)
            print(json.dumps(found, indent=1), flush=True)
    finally:
        machines.cluster.shutdown()
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
