"""The machines of a Ray cluster, looked at before a search begins; and what their tasks gave."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module, metadata
from typing import Any

import torch

from posenas.composing.distributions import CORE
from posenas.contract.errors import PosenasError
from posenas.searching.ray_worker import Brief

_SECONDS_TO_LOOK = 60.0
"""Machines that are busy for longer are looked at by their first task."""


def needs(device: torch.device) -> dict[str, Any]:
    """Return what a task takes of its machine, as Ray names it."""
    return {"num_cpus": 1, "num_gpus": 1 if device.type == "cuda" else 0}


def look_at_machines(
    ray: Any, brief: Brief, device: torch.device, *, code: Mapping[str, str], warn: Callable[[str], None]
) -> None:
    """Let each machine compose the search; refuse one that cannot, or has other packages or data.

    Args:
        ray: the package, connected.
        brief: of the search.
        device: what a task computes on.
        code: versions of the packages that the search depends on, as `Provenance` has them.
        warn: told of machines that may compute other last digits.

    Raises:
        PosenasError: names the machine.
    """
    packages = _packages(code)
    affinity = import_module("ray.util.scheduling_strategies").NodeAffinitySchedulingStrategy
    resource = "GPU" if device.type == "cuda" else "CPU"
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get(resource, 0) >= 1]
    if not nodes:
        raise PosenasError(f"no machine of the cluster has a {resource} for candidates; see `ray status`")
    look = ray.remote(max_retries=1, **needs(device))(_look())
    texts = (brief.recipe, brief.provenance, brief.folder, brief.cache)
    looks = {
        look.options(scheduling_strategy=affinity(node["NodeID"], soft=False)).remote(packages, texts): node
        for node in nodes
    }
    ready, busy = ray.wait(list(looks), num_returns=len(looks), timeout=_SECONDS_TO_LOOK)
    for reference in busy:
        ray.cancel(reference, force=True)
    for reference in ready:
        problem, warnings = got(ray, reference)
        if problem:
            raise PosenasError(f"node {looks[reference]['NodeManagerHostname']}: {problem}")
        for text in warnings:
            warn(text)


def _look() -> Callable[[Mapping[str, str], tuple[str, str, str, str]], tuple[str, list[str]]]:
    """Return what a machine is asked first.

    It is a function within a function, which Ray sends as it stands: the machine may lack this package.
    """

    def look(packages: Mapping[str, str], brief: tuple[str, str, str, str]) -> tuple[str, list[str]]:
        from importlib import metadata

        for name, here in packages.items():
            try:
                there = metadata.version(name)
            except metadata.PackageNotFoundError:
                there = "not installed"
            if there != here:
                return f"{name} is {there} there and {here} here; install the same versions there", []
        from posenas.searching.ray_worker import Brief, prepare

        return "", prepare(Brief(*brief))

    return look


def _packages(code: Mapping[str, str]) -> dict[str, str]:
    """Return the versions here of the packages that every machine must have, by their names."""
    names = {CORE, *code} - {"posenas"}
    return {name: metadata.version(name) for name in sorted(names)}


def got(ray: Any, reference: Any) -> Any:
    """Return what a task gave, or raise what it raised.

    Raises:
        PosenasError: where its workers were killed too often, or the cluster is gone.
    """
    try:
        return ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        raise error.cause from None
    except (ray.exceptions.RayError, ConnectionError) as error:
        raise PosenasError(
            f"Ray gave a candidate up: {in_one_line(error)}; resume the run, or begin one with a lower "
            "training.cache where memory was short"
        ) from error


def in_one_line(error: BaseException) -> str:
    """Return an error's first words, without line breaks."""
    return f"{' '.join(str(error).split()):.300}"
