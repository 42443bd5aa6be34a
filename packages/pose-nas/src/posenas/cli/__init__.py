"""The command `posenas`. Nothing heavy is imported before a command needs it."""

from __future__ import annotations

import sys

import click

from posenas import __version__
from posenas.cli.check_command import check
from posenas.cli.comparison_command import compare
from posenas.cli.data_commands import data
from posenas.cli.doctor_command import doctor
from posenas.cli.export_command import export
from posenas.cli.info_commands import describe, plugins, show, zoo
from posenas.cli.latency_commands import latency
from posenas.cli.launching import OTHERS_ENDED, end
from posenas.cli.matrix_command import matrix
from posenas.cli.new_command import new
from posenas.cli.opencv import opencv_failure, overwritten_opencv
from posenas.cli.predict_command import predict
from posenas.cli.reproduction_commands import lock, reproduce
from posenas.cli.run_commands import compose, evaluate, report, resume, train
from posenas.cli.terminal import say, tell
from posenas.cli.watch_command import watch
from posenas.contract.errors import PosenasError
from posenas.runs.stopping import OthersEndedError, stop_requests

_SMALLER = (
    "take fewer at once (training.batch_size with training.accumulate, evaluation.batch_size, or "
    "--batch-size of `posenas predict`) or a smaller head.input_size"
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="posenas")
@click.pass_context
def posenas(context: click.Context) -> None:
    """Search neural architectures for human pose estimation.

    Any installed space, strategy, head, dataset and evaluator can be composed; see `posenas plugins`.
    """
    problem, remedy = overwritten_opencv()
    if problem and context.invoked_subcommand != doctor.name:  # which has a line for it
        tell(f"warning: {problem}; {remedy}", err=True)


for _command in (
    compose,
    resume,
    train,
    watch,
    evaluate,
    predict,
    export,
    compare,
    lock,
    reproduce,
    report,
    plugins,
    show,
    describe,
    new,
    check,
    matrix,
    zoo,
    data,
    doctor,
    latency,
):
    posenas.add_command(_command)


def main() -> None:
    """Run the command `posenas`, and end the process with its status.

    The status is 0 for success; 2 for what the user can mend, told in one line; 128 and the number of a
    signal that stopped it; 4 where `posenas reproduce` found neither equal bytes nor figures within the
    spread; 1 for a bug, and where `posenas check` found a failure.
    """
    with stop_requests() as stopped:
        try:
            status = _run()
        except OSError:  # a terminal that is gone takes no line
            if not stopped.received:
                raise
            status = 2
    end(128 + stopped.received[0] if stopped.received and status else status)


def _run() -> int:
    """Return the status; a bug is told with the plugin that it passes through before Python's traceback."""
    try:
        return _answered()
    except Exception as error:
        _name_plugin(error)
        raise


def _name_plugin(error: Exception) -> None:
    from posenas.composing.culprit import plugin_in

    culprit = plugin_in(error.__traceback__)
    if culprit:
        tell(f"posenas: a bug in {culprit}: {type(error).__name__}: {error}; {culprit.remedy}", err=True)


def _answered() -> int:
    try:
        _check_arguments()
        return int(posenas.main(standalone_mode=False) or 0)
    except click.ClickException as error:
        return _misused(error)
    except click.Abort:
        return _failed("stopped; a run that had begun goes on with `posenas resume RUN`")
    except OthersEndedError:
        return OTHERS_ENDED
    except PosenasError as error:
        return _failed(opencv_failure(error) or str(error))
    except (AttributeError, ImportError) as error:
        reason = opencv_failure(error)
        if not reason:
            raise
        return _failed(reason)
    except OSError as error:
        if error.filename is None:
            raise
        return _failed(f"{error.filename}: {error.strerror}")
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        return _failed(f"out of memory ({reason:.120}); {_SMALLER}")


def _check_arguments() -> None:
    if any("\0" in argument for argument in sys.argv):
        raise PosenasError("an argument holds a zero byte, which no file's name can hold; leave it out")


def _misused(error: click.ClickException) -> int:
    """Show the error as click does, but printable and cut; return the status."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    if context is not None:
        say(context.get_usage(), err=True)
        say(f"Try '{context.command_path} {context.help_option_names[0]}' for help.\n", err=True)
    tell(f"Error: {error.format_message()}", err=True)
    return 2


def _failed(reason: str) -> int:
    tell(f"posenas: {reason}", err=True)
    return 2


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether Python, NumPy or torch wants memory; torch on a CPU has no type of its own for that."""
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return named or "can't allocate memory" in str(error)
