"""The command line: thin commands over library calls.

Results go to stdout, everything else to stderr. Exit codes: 0 fine, 1 usable with warnings, 2 unusable input,
130 stopped with Ctrl-C.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import Annotated

import typer

from bfrb import __version__
from bfrb.cli.benchmark import benchmark
from bfrb.cli.calibrate import calibrate
from bfrb.cli.compare import compare
from bfrb.cli.data import check, ingest
from bfrb.cli.detect import detect
from bfrb.cli.devices import devices
from bfrb.cli.export import export
from bfrb.cli.import_keras import import_keras
from bfrb.cli.predict import evaluate, predict
from bfrb.cli.report import report
from bfrb.cli.serve import rehearse, serve
from bfrb.cli.simulate import simulate
from bfrb.cli.stream import stream
from bfrb.cli.train import train
from bfrb.cli.view import view
from bfrb.errors import BfrbError

app = typer.Typer(
    name="bfrb",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

for command in (
    benchmark,
    calibrate,
    check,
    compare,
    detect,
    evaluate,
    export,
    import_keras,
    ingest,
    predict,
    rehearse,
    report,
    serve,
    simulate,
    stream,
    train,
    view,
):
    app.command()(command)

app.add_typer(devices, name="devices")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"bfrb {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Recognise body-focused repetitive behaviours from a wrist-worn device."""


def main() -> None:
    """Run the command line; errors a user can mend become a message and exit code 2."""
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s")
    logging.getLogger("bfrb").setLevel(logging.INFO)
    try:
        try:
            app()
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BfrbError as error:
        _fail(str(error))
    except OSError as error:
        _give_up_stdout()
        what = f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")
        _fail(f"{what}\n  to do: check path, rights, space")


def _give_up_stdout() -> None:
    """Throw away what could not be printed; else the interpreter would try again at its end, and complain."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str) -> None:
    sys.stderr.write(f"error: {message}\n")
    raise SystemExit(2)
