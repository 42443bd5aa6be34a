"""The command `posenas-bench`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
from posenas import PosenasError

if TYPE_CHECKING:
    from posenas_bench.searches import Comparison

STANDARD = (
    "random weights=scratch candidates=32",
    "evolution weights=scratch candidates=32",
    "evolution weights=scratch candidates=32 population=6 tournament=3",
    "predictor weights=scratch candidates=32 first=8 batch=4",
    "evolution weights=shared candidates=32",
)
"""The searches that are compared where none is named."""

_table_option = click.option(
    "--table",
    "file",
    type=click.Path(path_type=Path),
    help="A table of your own, made by benchmarks/tabular.py.  [default: the package's]",
)


def main() -> None:
    """Run the command; an error, or Ctrl-C, is one line and status 1."""
    try:
        posenas_bench(standalone_mode=False)
    except PosenasError as error:
        raise SystemExit(f"posenas-bench: {error}") from error
    except click.Abort as stop:
        raise SystemExit("posenas-bench: stopped; nothing was written") from stop
    except click.ClickException as error:
        error.show()
        raise SystemExit(error.exit_code) from error


@click.group()
def posenas_bench() -> None:
    """Try strategies and zero-cost proxies on a table of trainings."""


@posenas_bench.command()
@click.option(
    "--strategy",
    "strategies",
    multiple=True,
    help='A strategy with options behind it, such as "evolution population=6"; repeat it to compare.  '
    "[default: five searches]",
)
@click.option(
    "--option",
    "-o",
    "options",
    multiple=True,
    help="An option of every --strategy, such as strategy.candidates=16.",
)
@click.option("--limit", "limits", multiple=True, help="A limit on a cost, such as gmacs<=0.01.")
@click.option("--seeds", type=click.IntRange(min=1), default=20, show_default=True, help="Searches of each.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw regrets into this PNG file.")
@_table_option
def run(
    strategies: tuple[str, ...],
    options: tuple[str, ...],
    limits: tuple[str, ...],
    seeds: int,
    plot: Path | None,
    file: Path | None,
) -> None:
    """Search the table with strategies, and print how near its best they come."""
    from posenas_bench.searches import compare, named_strategy, parse_limit
    from posenas_bench.table import read_table

    if plot is not None and (plot.suffix != ".png" or not plot.absolute().parent.is_dir()):
        raise PosenasError(
            f"--plot {plot}: not a name that ends in .png in a folder that is there; give another"
        )
    table, parsed = read_table(file), [parse_limit(text) for text in limits]
    comparisons = [
        compare(named_strategy(words, options=options), table, words=words, seeds=seeds, limits=parsed)
        for words in strategies or STANDARD
    ]
    _print_comparisons(comparisons)
    if plot is not None:
        from posenas_bench.plot import regret_chart

        plot.write_bytes(regret_chart(comparisons))
        click.echo(f"plot: {plot}")


@posenas_bench.command()
@_table_option
def proxies(file: Path | None) -> None:
    """Rank proxies, costs and shared weights by how well they tell the table's order."""
    from posenas_bench.ranking import rankings, spread
    from posenas_bench.table import read_table

    table = read_table(file)
    _print_table(
        ("figure", "Kendall's tau", "95 %"),
        [(each.name, f"{each.tau:.2f}", f"{each.low:.2f} to {each.high:.2f}") for each in rankings(table)],
    )
    between, within = spread(table)
    click.echo(
        f"{table.metric} of {len(table.rows)} genotypes: standard deviation {between:.3f} between them, "
        f"{within:.3f} between trainings of one"
    )


def _print_comparisons(comparisons: Sequence[Comparison]) -> None:
    from statistics import fmean

    rows = []
    for each in comparisons:
        trainings = fmean(search.trainings for search in each.searches)
        hours = fmean(search.seconds for search in each.searches) / 3600
        best = fmean(search.regrets[-1] for search in each.searches)
        rows.append(
            (
                each.words,
                f"{fmean(len(search.regrets) for search in each.searches):.0f}",
                f"{trainings:.0f}",
                f"{hours:.2f}",
                f"{best:.4f}",
                f"{each.mean_regret:.4f} ± {each.deviation:.4f}",
            )
        )
        for warning in each.warnings:
            click.echo(f"warning: {each.words}: {warning}", err=True)
    heads = ("strategy", "scored", "trainings", "core-hours", "regret of best", "regret of answer")
    _print_table(heads, rows)


def _print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns, the first one to the left and figures to the right."""
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    for first, *others in (heads, *rows):
        figures = (text.rjust(width) for text, width in zip(others, widths[1:], strict=True))
        click.echo("  ".join([first.ljust(widths[0]), *figures]))
