"""The command line: thin commands over library calls.

Results go to stdout, everything else to stderr. Exit codes: 0 fine, 1 usable with warnings, 2 unusable input,
70 a fault of this program, 130 stopped with Ctrl-C.
"""

import logging
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Annotated

import typer
from typer import Option

from bfrb import __version__
from bfrb.cli.bundles import export, import_keras, personalize, report
from bfrb.cli.data import check, devices, ingest
from bfrb.cli.detect import calibrate, detect
from bfrb.cli.predict import evaluate, predict
from bfrb.cli.serve import rehearse, serve, view
from bfrb.cli.show import give_up_stdout
from bfrb.cli.simulate import simulate
from bfrb.cli.stream import stream
from bfrb.cli.train import compare, distill, train
from bfrb.errors import BfrbError
from bfrb.serve.sockets import handling_signals

HELP = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(name="bfrb", no_args_is_help=True, pretty_exceptions_enable=False, context_settings=HELP)

COMMANDS: dict[str, dict[Callable[..., None], str]] = {
    "Recordings": {
        check: "bfrb check recordings.csv",
        ingest: "bfrb ingest recordings.csv --out store",
        simulate: "bfrb simulate study --subjects 8 --seed 1",
        view: "bfrb view recordings.csv --bundle model",
    },
    "Networks": {
        train: "bfrb train recordings.csv --out model --preset quick",
        compare: "bfrb compare recordings.csv --out folder --sensors",
        distill: "bfrb distill model recordings.csv --out small",
        import_keras: "bfrb import-keras folder --out model",
        export: "bfrb export model --out phone --window 5",
        personalize: "bfrb personalize model my_recordings --out mine",
    },
    "Answers, recording by recording": {
        predict: "bfrb predict model recordings.csv --out predictions.csv",
        evaluate: "bfrb evaluate model",
        report: "bfrb report model",
    },
    "Events in continuous recordings": {
        detect: "bfrb detect model week.csv --out events.csv",
        calibrate: "bfrb calibrate model recordings --out ready",
        stream: "bfrb stream model --source tcp://127.0.0.1:9000",
    },
    "Servers": {
        serve: "bfrb serve model --protocol http",
        rehearse: "bfrb rehearse model --test test.csv --demographics test_demographics.csv",
    },
}
for panel, commands in COMMANDS.items():
    for command, example in commands.items():
        app.command(rich_help_panel=panel, epilog=f"Example: {example}")(command)

app.add_typer(devices, name="devices", rich_help_panel="Recordings")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bfrb {__version__}")
        raise typer.Exit


@app.callback()
def bfrb(
    version: Annotated[bool, Option("--version", callback=_print_version, is_eager=True, help="Print it.")] = False,
) -> None:
    """Recognise body-focused repetitive behaviours from a wrist-worn device."""


def main() -> None:
    """Run the command line; errors a user can mend become a message and exit code 2."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    logging.getLogger("bfrb").setLevel(logging.INFO)
    try:
        with _stopping():
            app()
    except BfrbError as error:
        _fail(str(error))
    except OSError as error:
        give_up_stdout()
        what = f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")
        _fail(f"{what}\n  to do: check path, rights, space")
    except MemoryError as error:
        _fail(f"too little memory: {error}\n  to do: give less at a time, fewer --workers, or smaller settings")


@contextmanager
def _stopping() -> Iterator[None]:
    """Ctrl-C, by whatever error it comes, and faults end with exit codes of their own; what was printed is flushed."""
    stopped = False

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal stopped
        stopped = True
        signal.default_int_handler(number, frame)

    tell = sys.unraisablehook
    sys.unraisablehook = lambda found: None if found.exc_type is KeyboardInterrupt else tell(found)
    numbers = [signal.SIGINT] if signal.getsignal(signal.SIGINT) is signal.default_int_handler else []
    try:
        with handling_signals(stop, *numbers):
            yield
    except Exception as error:
        if stopped:
            raise SystemExit(130) from None
        if isinstance(error, BfrbError | OSError | MemoryError):
            raise
        traceback.print_exc()
        raise SystemExit(70) from None
    finally:
        sys.unraisablehook = tell
        if sys.stdout is not None:
            sys.stdout.flush()


def _fail(message: str) -> None:
    sys.stderr.write(f"error: {message}\n")
    raise SystemExit(2)
