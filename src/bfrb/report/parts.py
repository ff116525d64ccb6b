"""What sections of a report are made of: figures with the numbers behind them, tables, words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bfrb.report.svg import figure_to_svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cell = str | int | float | None


@dataclass(frozen=True)
class DataTable:
    """A table; the first cell of every row names it.

    Parameters
    ----------
    caption
        What it shows.
    columns
        Names of the columns.
    rows
        Cells: texts, whole numbers, numbers that get three decimals, or None where there is nothing.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class PageFigure:
    """A figure as SVG, what it shows in words, and the numbers behind it."""

    svg: str
    caption: str
    table: DataTable
    narrow: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading of its own.

    Parameters
    ----------
    id
        Anchor in the page.
    title
        Heading.
    short
        What the contents call it.
    words
        Paragraphs before the figures.
    figures, tables
        What it shows.
    notes
        Paragraphs after them.
    """

    id: str
    title: str
    short: str
    words: tuple[str, ...] = ()
    figures: tuple[PageFigure, ...] = ()
    tables: tuple[DataTable, ...] = ()
    notes: tuple[str, ...] = ()


def show_figure(figure: Figure, name: str, caption: str, table: DataTable, *, narrow: bool = False) -> PageFigure:
    """A figure for a page; `name` is unique in it."""
    return PageFigure(figure_to_svg(figure, name, caption), caption, table, narrow)


def make_data_table(caption: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> DataTable:
    """A table of any rows."""
    return DataTable(caption, tuple(columns), tuple(tuple(row) for row in rows))
