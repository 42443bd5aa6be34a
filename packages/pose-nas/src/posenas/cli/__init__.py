"""The command `posenas`. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys

import click

from posenas import __version__
from posenas.cli.comparison_command import compare
from posenas.cli.data_commands import data
from posenas.cli.doctor_command import doctor
from posenas.cli.info_commands import describe, plugins, show, zoo
from posenas.cli.latency_commands import latency
from posenas.cli.predict_command import predict
from posenas.cli.run_commands import compose, evaluate, report, resume, train
from posenas.errors import PosenasError

_SMALLER = (
    "take fewer at once (training.batch_size with training.accumulate, evaluation.batch_size, or "
    "--batch-size of `posenas predict`) or a smaller head.input_size"
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="posenas")
def posenas() -> None:
    """Search neural architectures for human pose estimation.

    Any installed space, strategy, head, dataset and evaluator can be composed; see `posenas plugins`.
    """


for _command in (
    compose,
    resume,
    train,
    evaluate,
    predict,
    compare,
    report,
    plugins,
    show,
    describe,
    zoo,
    data,
    doctor,
    latency,
):
    posenas.add_command(_command)


def main() -> None:
    """Ends with status 0; 2 for what the user can mend, told in one line; 1 for a bug."""
    try:
        posenas.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        click.echo("posenas: stopped; a run that had begun goes on with `posenas resume RUN`", err=True)
        sys.exit(2)
    except PosenasError as error:
        click.echo(f"posenas: {error}", err=True)
        sys.exit(2)
    except OSError as error:
        if error.filename is None:
            raise
        click.echo(f"posenas: {error.filename}: {error.strerror}", err=True)
        sys.exit(2)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        click.echo(f"posenas: out of memory ({reason}); {_SMALLER}", err=True)
        sys.exit(2)


def _is_out_of_memory(error: Exception) -> bool:
    """Python's, NumPy's, or torch's, which for a CPU has no type of its own."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or "can't allocate memory" in str(error)
