"""What a page is made of: sections of words, tables, and figures with the numbers behind them; and how numbers read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bfrb.metrics import Interval
from bfrb.report.style import Figure

Cell = str | int | float | None


@dataclass(frozen=True)
class DataTable:
    """A table; the first cell of every row names it. Fractions are shown with three decimals, None as a dash."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, eq=False)
class PageFigure:
    """A figure, what it shows in words, and the numbers behind it.

    Parameters
    ----------
    id
        Unique in the page.
    figure, caption, table
        The figure, its words, its numbers.
    narrow
        Whether it does not need the whole width.
    simulated
        Whether it shows simulated data on a page that is not about such as a whole.
    """

    id: str
    figure: Figure
    caption: str
    table: DataTable
    narrow: bool = False
    simulated: bool = False


@dataclass(frozen=True, eq=False)
class Section:
    """A part of the page with a heading of its own.

    Parameters
    ----------
    id
        Anchor in the page.
    title, short
        Heading, and what the contents call it.
    words, notes
        Paragraphs before the figures and after them.
    figures, tables
        What it shows.
    """

    id: str
    title: str
    short: str
    words: Sequence[str] = ()
    figures: Sequence[PageFigure] = ()
    tables: Sequence[DataTable] = ()
    notes: Sequence[str] = ()


def count(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun.

    Examples
    --------
    >>> count(1, "recording"), count(4379, "recording"), count(2, "person", "people")
    ('1 recording', '4,379 recordings', '2 people')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """A duration as people say it.

    Examples
    --------
    >>> duration(5.1), duration(80), duration(7300)
    ('5 seconds', '1 minute 20 seconds', '2 hours 1 minute')
    """
    hours, rest = divmod(round(seconds), 3600)
    parts = zip((hours, *divmod(rest, 60)), ("hour", "minute", "second"), strict=True)
    named = [count(number, unit) for number, unit in parts if number]
    return " ".join(named[:2]) or "less than a second"


def percent(share: float) -> str:
    """A share as whole percent.

    Examples
    --------
    >>> percent(0.946), percent(0.004)
    ('95 %', '0.4 %')
    """
    return f"{100 * share:.1f} %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def out_of_100(part: float, whole: float = 1.0) -> str:
    """How many of a hundred; nearly all are not all, and nearly none not none.

    Examples
    --------
    >>> out_of_100(1, 2), out_of_100(99_999, 100_000), out_of_100(0.00001)
    ('50', '99.9', '0.1')
    """
    share = 100 * part / whole
    if (part < whole and share > 99) or 0 < share < 1:
        return f"{min(max(share, 0.1), 99.9):.1f}"
    return f"{share:.0f}"


def interval_text(interval: Interval | None) -> str:
    """A 95 % interval in words, if there is one."""
    return "no interval: one person only" if interval is None else "95 % interval {:.3f} to {:.3f}".format(*interval)
