"""How commands show things: progress on stderr; tables and JSON, their results, on stdout."""

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer

from bfrb.errors import ConfigError

log = logging.getLogger(__name__)

_WIDTH_IN_FILES = 140
_TELL_EVERY_S = 60.0


ShownTable = tuple[str, Sequence[str], Iterable[Sequence[object]]]  # title, names of the columns, and rows of a table


@contextmanager
def progress(description: str) -> Iterator[Callable[..., None]]:
    """A bar on stderr, or a line a minute in a file; yields what is told the share done, and another text."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    console, told_s = Console(stderr=True), time.monotonic()

    def tell(share: float, text: str = description) -> None:
        nonlocal told_s
        bar.update(task, completed=share, description=text)
        if not console.is_terminal and time.monotonic() - told_s >= _TELL_EVERY_S:
            told_s = time.monotonic()
            log.info("%s: %.0f %%", text, 100 * share)

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(description, total=1.0)
        yield tell


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on stdout. Numbers are aligned right; floats have three decimals, None is a dash."""
    from rich.console import Console
    from rich.table import Table

    check_stdout()
    cells = [[_cell(value) for value in row] for row in rows]
    numeric = [all(isinstance(cell, _Number) for cell in column) for column in zip(*cells, strict=True)]
    table = Table(title=title, title_justify="left", title_style="bold")
    for name, is_numeric in zip(columns, numeric or [False] * len(columns), strict=True):
        table.add_column(name, justify="right" if is_numeric else "left", overflow="fold")
    for row in cells:
        table.add_row(*row)
    Console(width=None if sys.stdout.isatty() else _WIDTH_IN_FILES, markup=False, highlight=False).print(table)


def print_json(values: Mapping[str, Any]) -> None:
    """One JSON object on stdout."""
    check_stdout()
    typer.echo(json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False))


def print_result(values: Mapping[str, Any], as_json: bool, *tables: ShownTable) -> None:
    """What a command found: one JSON object if that is asked for, or else tables."""
    if as_json:
        print_json(values)
    else:
        for table in tables:
            print_table(*table)


def check_stdout() -> None:
    """Refuse to print where there is no standard output, as after `>&-` in a shell; ConfigError if it is closed."""
    if sys.stdout is None:
        raise ConfigError("standard output is closed", remedy="send it to a file, or to /dev/null")


def give_up_stdout() -> None:
    """Throw away what could not be printed; else the interpreter would try again at its end, and complain."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def interval_text(interval: Sequence[float] | None) -> str | None:
    """A 95 % interval as a cell of a table."""
    return None if interval is None else "{:.3f} to {:.3f}".format(*interval)


class _Number(str):
    __slots__ = ()


def _cell(value: object) -> str:
    if value is None:
        return _Number("-")
    if isinstance(value, float):
        return _Number(f"{value:.3f}")
    return _Number(value) if isinstance(value, int) and not isinstance(value, bool) else str(value)
