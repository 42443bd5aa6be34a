"""Searches on Ray: lost workers and machines, other versions, missing data. Skipped where Ray is missing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from label_files import write_labels
from posenas.composing.compose import compose
from posenas.composing.computed_on import provenance_of
from posenas.contract.errors import PosenasError
from posenas.runs.recipe import ComponentChoice, Recipe
from posenas.runs.run import create_run
from posenas.searching.engines import opened_engine
from running import SMALL, SMALL_SEARCH

pytest.importorskip("ray", reason="Ray is not installed: python -m nox -s ray")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
]

COMMAND = [sys.executable, "-c", "from posenas.cli import main; main()"]
EVOLUTION = [
    *SMALL,
    *("--space", "evo", "--strategy", "neuroevolution", "-o", "strategy.generations=2"),
    *("-o", "strategy.children=4", "-o", "strategy.parents=2", "-o", "strategy.ancestor_epochs=1"),
    *("-o", "strategy.child_epochs=4", "-o", "strategy.final_epochs=1", "-o", "training.parallel=1"),
]


def begun(*words: str) -> subprocess.Popen[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*COMMAND, *words], env=environment, text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE
    )


def ended(process: subprocess.Popen[str]) -> str:
    _, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return err


def contents(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in run.rglob("*") if path.is_file()}


def at_work() -> list[int]:
    """The processes that do a candidate at this moment; Ray writes it into their names."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::work"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head that does no candidates; the tests add nodes."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield made
    made.shutdown()


def test_lost_workers_and_machines_leave_no_trace(tmp_path: Path, cluster: Any) -> None:
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    ended(begun("compose", *EVOLUTION, "--run", str(tmp_path / "local")))
    run = tmp_path / "ray"
    process = begun("compose", *EVOLUTION, "--run", str(run), "--engine", cluster.address)
    killed = 0
    while process.poll() is None and killed < 2:
        time.sleep(0.1)
        busy = at_work()
        if busy and "train and evaluate" in (run / "journal.jsonl").read_text():
            if killed == 0:
                os.kill(busy[0], signal.SIGKILL)
            else:
                cluster.remove_node(nodes.pop(), allow_graceful=False)
            killed += 1
            time.sleep(2.0)
    err = ended(process)
    assert killed == 2
    assert "raylet" not in err, "Ray itself is quiet"
    assert contents(run) == contents(tmp_path / "local")


def test_shared_weights_travel_and_a_killed_command_goes_on(tmp_path: Path, cluster: Any) -> None:
    search = [*SMALL_SEARCH, "-o", "strategy.candidates=6"]
    cluster.add_node(num_cpus=1)
    ended(begun("compose", *search, "--run", str(tmp_path / "local")))
    run = tmp_path / "ray"
    process = begun("compose", *search, "--run", str(run), "--engine", cluster.address)
    journal = run / "journal.jsonl"
    while not journal.exists() or '"effect":"evaluate"' not in journal.read_text():
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.communicate()
    ended(begun("resume", str(run), "--engine", cluster.address))
    assert contents(run) == contents(tmp_path / "local")


def test_ray_on_this_machine_and_a_stop(tmp_path: Path) -> None:
    process = begun(
        *("compose", *EVOLUTION, "-o", "strategy.child_epochs=200"),
        *("--run", str(tmp_path / "run"), "--engine", "ray"),
    )
    while not at_work():
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, err
    resume = f"posenas resume {tmp_path / 'run'} --engine ray"
    assert err.strip().splitlines()[-1] == f"posenas: stopped; nothing is lost: `{resume}` continues"


def test_a_candidate_that_ends_each_of_its_workers_is_given_up(cluster: Any) -> None:
    import ray
    from posenas.searching.ray_machines import got

    cluster.add_node(num_cpus=1)
    ray.init(cluster.address, log_to_driver=False)
    try:
        end = ray.remote(max_retries=1, num_cpus=1)(lambda: os._exit(1))
        with pytest.raises(
            PosenasError, match=r"^Ray gave a candidate up: The worker died .*; resume the run"
        ):
            got(ray, end.remote())
    finally:
        ray.shutdown()


def opened(folder: Path, address: str, recipe: Recipe, *, lose: Path | None = None) -> None:
    """Compose here, lose something, and open the engine."""
    composition = compose(recipe)
    provenance = provenance_of(composition)
    if lose is not None:
        lose.rename(lose.with_suffix(".lost"))
    run = create_run(folder / "run", composition.recipe)
    with opened_engine(address, composition, run, provenance=provenance, warn=print):
        pass


SYNTHETIC = Recipe(
    space=ComponentChoice("fixed", {"width": 0.125}),
    strategy=ComponentChoice("random"),
    dataset=ComponentChoice("synthetic", {"train_images": 8, "val_images": 2}),
    training={"workers": 0},
    precision="32",
)


def test_a_machine_with_another_version_is_named(tmp_path: Path, cluster: Any) -> None:
    other = tmp_path / "other"
    (other / "torch-1.0.dist-info").mkdir(parents=True)
    (other / "torch-1.0.dist-info" / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: torch\nVersion: 1.0\n"
    )
    cluster.add_node(num_cpus=1, env_vars={"PYTHONPATH": f"{other}:{os.environ.get('PYTHONPATH', '')}"})
    with pytest.raises(PosenasError, match=r"^node \S+: torch is 1\.0 there and 2\S+ here; install the same"):
        opened(tmp_path, cluster.address, SYNTHETIC)


def test_a_machine_without_the_data_is_named(tmp_path: Path, cluster: Any) -> None:
    cluster.add_node(num_cpus=1)
    data = tmp_path / "data"
    data.mkdir()
    write_labels(data)
    recipe = replace(SYNTHETIC, dataset=ComponentChoice("yolo", {"root": str(data)}))
    with pytest.raises(PosenasError, match=rf"^node \S+: .*{data}"):
        opened(tmp_path, cluster.address, recipe, lose=data)


def test_a_cluster_without_cores_is_told(tmp_path: Path, cluster: Any) -> None:
    with pytest.raises(PosenasError, match=r"no machine of the cluster has a CPU for candidates"):
        opened(tmp_path, cluster.address, SYNTHETIC)
