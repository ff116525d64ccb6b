"""What a page is made of: sections of words, tables, and figures with the numbers behind them; and how numbers read."""

from collections.abc import Sequence
from dataclasses import dataclass

from bfrb.metrics.intervals import Interval
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
    """A figure, what it shows in words, and the numbers behind it."""

    id: str  # unique in the page
    figure: Figure
    caption: str
    table: DataTable
    narrow: bool = False  # whether it does not need the whole width
    simulated: bool = False  # whether it shows simulated data on a page that is not about such as a whole


@dataclass(frozen=True, eq=False)
class Section:
    """A part of the page with a heading of its own."""

    id: str  # anchor in the page
    title: str
    short: str  # what the contents call it
    words: Sequence[str] = ()  # paragraphs before the figures
    figures: Sequence[PageFigure] = ()
    tables: Sequence[DataTable] = ()


def count(number: int, noun: str, plural: str | None = None) -> str:
    """A number with its noun.

    >>> count(1, "recording"), count(4379, "recording"), count(2, "person", "people")
    ('1 recording', '4,379 recordings', '2 people')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def percent(share: float) -> str:
    """A share as whole percent.

    >>> percent(0.946), percent(0.004)
    ('95 %', '0.4 %')
    """
    return f"{100 * share:.1f} %" if 0 < share < 0.01 else f"{100 * share:.0f} %"


def out_of_100(part: float, whole: float = 1.0) -> str:
    """How many of a hundred; nearly all are not all, and nearly none not none.

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
