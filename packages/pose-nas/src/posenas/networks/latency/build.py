"""Building a latency table: times of single operators, of whole networks, and a fit between the two.

Times are saved at once in the file `NAME.building` beside the table, so a build that was stopped goes on
where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, TypeAlias

import torch

from posenas.contract.components import SearchSpace, WeightSharing
from posenas.contract.errors import PosenasError
from posenas.contract.genotype import Genotype, genotype_id
from posenas.networks.devices import Compute
from posenas.networks.latency.alone import measure_alone, without_numbers
from posenas.networks.latency.beside import Beside, measure_beside
from posenas.networks.latency.conditions import Conditions, conditions_of
from posenas.networks.latency.entries import OperatorTimes
from posenas.networks.latency.measure import MeasuredLatency, choose_clock, clock_in_words, ready
from posenas.networks.latency.notes import BuildNotes
from posenas.networks.latency.operators import Call, Operator, list_operators, record_calls
from posenas.networks.latency.sums import fit_sum
from posenas.networks.latency.table import LatencyTable, MeasuredNetwork
from posenas.networks.pose_network import BuildNetwork, PoseNetwork

Advance: TypeAlias = Callable[[str, int, int], None]
"""A function that is told a task, how much of it is done, and how much there is."""

FEWEST_NETWORKS = 6
_REFERENCE = 2  # the first two may be the ends of the space
_NETWORK_PASSES = 4
_OPERATOR_PASSES = 2 * _NETWORK_PASSES
_OPERATORS_AT_ONCE = 200
_GENOTYPES_FOR_OPERATORS = 4  # times the networks: operators are cheap to list and to measure


@dataclass(frozen=True)
class Subject:
    """The networks that a table is for.

    Attributes:
        space: the search space of their genotypes.
        build: makes a genotype's pose network, on torch's default device.
        description: the space and the head with their options, and the number of keypoints.
        compute: the device, and the type that networks compute in there.
        input_size: (height, width) in pixels.
        batch_size: images in one forward pass.
        threads: threads of the CPU.
    """

    space: SearchSpace
    build: BuildNetwork
    description: Mapping[str, Any]
    compute: Compute
    input_size: tuple[int, int]
    batch_size: int = 1
    threads: int = 1

    @property
    def conditions(self) -> Conditions:
        """The conditions under which the networks are measured."""
        return conditions_of(
            self.compute, threads=self.threads, batch_size=self.batch_size, input_size=self.input_size
        )


@dataclass(frozen=True)
class Measures:
    """The functions that take times.

    Attributes:
        operators: times of operators, recorded without numbers.
        network: time of a network beside another one.
    """

    operators: Callable[[Sequence[Call]], Sequence[MeasuredLatency]]
    network: Callable[[PoseNetwork, PoseNetwork], Beside]


def measures_of(subject: Subject) -> Measures:
    """Return the functions that take times on the subject's device."""

    def operators(calls: Sequence[Call]) -> Sequence[MeasuredLatency]:
        clock = choose_clock(subject.compute.device, subject.threads)
        return measure_alone(calls, compute=subject.compute, threads=subject.threads, time_call=clock)

    def network(network: PoseNetwork, reference: PoseNetwork) -> Beside:
        shape = (subject.batch_size, 3, *subject.input_size)
        return measure_beside(
            network, reference, shape=shape, compute=subject.compute, threads=subject.threads
        )

    return Measures(operators, network)


def build_table(
    path: Path, subject: Subject, *, networks: int, seed: int, measures: Measures, advance: Advance
) -> LatencyTable:
    """Measure what is missing, and write the table to `path`.

    Args:
        path: file of the table, which must not exist yet.
        subject: the networks that the table is for.
        networks: number of networks measured whole; a third of them is held out, to judge the table on.
        seed: of the networks' choice.
        measures: the functions that take times.
        advance: is told how far the build has come.

    Raises:
        PosenasError: where the file exists already, or an unfinished one of another build does.
    """
    if path.exists():
        raise PosenasError(f"{path}: exists already; give another name, or remove it")
    fitted, held_out, others = _draw(subject.space, networks, seed)
    notes = BuildNotes(
        path,
        {
            "subject": dict(subject.description),
            **subject.conditions.as_dict(),
            "torch": torch.__version__,
            "networks": networks,
            "seed": seed,
        },
    )
    calls = _missing_calls(subject, [*fitted, *others], notes, advance)
    _measure(subject, calls, [*fitted, *held_out], notes, measures=measures, advance=advance)
    table = _judge(subject, fitted, held_out, notes)
    table.save(path)
    notes.remove()
    return table


def _draw(
    space: SearchSpace, networks: int, seed: int
) -> tuple[list[Genotype], list[Genotype], list[Genotype]]:
    """Return different genotypes: to fit on, to judge on, and more whose operators are worth knowing.

    The ends of a weight-sharing space are among the first, so that no other lies far outside.
    """
    rng = Random(seed)
    ends = [space.smallest(), space.largest()] if isinstance(space, WeightSharing) else []
    number = _GENOTYPES_FOR_OPERATORS * networks
    drawn = {genotype_id(genotype): genotype for genotype in ends}
    for _ in range(4 * number):
        if len(drawn) == number:
            break
        genotype = space.sample(rng)
        drawn.setdefault(genotype_id(genotype), genotype)
    genotypes = list(drawn.values())
    if len(genotypes) < FEWEST_NETWORKS:
        raise PosenasError(
            f"the space has {len(genotypes)} networks: too few for a latency table; measure them instead"
        )
    whole = min(networks, len(genotypes))
    fitted = whole - whole // 3
    return genotypes[:fitted], genotypes[fitted:whole], genotypes[whole:]


def _measure(
    subject: Subject,
    calls: Sequence[Call],
    genotypes: Sequence[Genotype],
    notes: BuildNotes,
    *,
    measures: Measures,
    advance: Advance,
) -> None:
    """Measure all operators, then half of the networks, all operators again, the other half, and so on.

    The order spreads a slow minute of the machine over several operators and networks.
    """
    reference = subject.build(genotypes[_REFERENCE])
    half = len(genotypes) // 2
    for number in range(_NETWORK_PASSES):
        order = Random(number).sample(genotypes, len(genotypes))
        for step, part in ((2 * number, order[:half]), (2 * number + 1, order[half:])):
            _measure_operators(calls, step, notes, measures)
            for genotype in part:
                name = genotype_id(genotype)
                if notes.network_passes(name) <= number:
                    notes.add_network(name, measures.network(subject.build(genotype), reference))
                done = number * len(genotypes) + order.index(genotype) + 1
                advance("measuring", done, _NETWORK_PASSES * len(genotypes))


def _measure_operators(calls: Sequence[Call], step: int, notes: BuildNotes, measures: Measures) -> None:
    """Measure each operator once more, among others than before."""
    pending = [call for call in calls if notes.operator_passes(call.operator.key) <= step]
    pending = Random(step).sample(pending, len(pending))
    for start in range(0, len(pending), _OPERATORS_AT_ONCE):
        chunk = pending[start : start + _OPERATORS_AT_ONCE]
        keys = [call.operator.key for call in chunk]
        notes.add_operators(dict(zip(keys, measures.operators(chunk), strict=True)))


def _missing_calls(
    subject: Subject, genotypes: Sequence[Genotype], notes: BuildNotes, advance: Advance
) -> list[Call]:
    """Return one call for each operator that needs more passes."""
    calls: dict[str, Call] = {}
    for done, genotype in enumerate(genotypes, start=1):
        needed = {
            operator.key
            for operator in operators_of(subject, genotype)
            if operator.key not in calls and notes.operator_passes(operator.key) < _OPERATOR_PASSES
        }
        if needed:
            calls |= {
                call.operator.key: call
                for call in _calls_of(subject, genotype)
                if call.operator.key in needed
            }
        advance("listing operators", done, len(genotypes))
    notes.operators |= {key: call.operator for key, call in calls.items()}
    return list(calls.values())


def operators_of(subject: Subject, genotype: Genotype) -> list[Operator]:
    """Return the operators that a genotype's network runs, for one batch of the subject's."""
    with torch.device("meta"):
        network = subject.build(genotype)
    return list_operators(network, subject.input_size, batch_size=subject.batch_size)


def _calls_of(subject: Subject, genotype: Genotype) -> list[Call]:
    """Return the calls that the network makes on its device, in the precision there."""
    network = subject.build(genotype)
    images = ready(network, (subject.batch_size, 3, *subject.input_size), subject.compute.device)
    calls = record_calls(network, images)
    return [without_numbers(call) for call in calls]


def _judge(
    subject: Subject, fitted: Sequence[Genotype], held_out: Sequence[Genotype], notes: BuildNotes
) -> LatencyTable:
    entries = notes.entries()
    times = OperatorTimes(entries)
    genotypes = [*fitted, *held_out]
    measured = [notes.network_time(genotype_id(genotype)) for genotype in genotypes]
    totals = [times.add_up(operators_of(subject, genotype)) for genotype in genotypes]
    number = len(fitted)
    model = fit_sum(totals[:number], [time.median_ms for time in measured[:number]])
    networks = [
        MeasuredNetwork(
            genotype=genotype,
            held_out=index >= number,
            measured_ms=time.median_ms,
            first_quartile_ms=time.first_quartile_ms,
            third_quartile_ms=time.third_quartile_ms,
            predicted_ms=model.milliseconds(total),
        )
        for index, (genotype, time, total) in enumerate(zip(genotypes, measured, totals, strict=True))
    ]
    return LatencyTable(
        conditions=subject.conditions,
        subject=subject.description,
        torch=torch.__version__,
        clock=clock_in_words(subject.compute.device, subject.threads),
        entries=entries,
        model=model,
        networks=networks,
    )
