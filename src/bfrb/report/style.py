"""One style for every figure: colours that the colour-blind can tell apart, on paper, on screens, in the dark.

The colours are those of Okabe and Ito. On a page each stands for a variable of the page's style sheet, so that a
figure follows the page from light to dark; in a notebook they are what they are, on white.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

P = ParamSpec("P")

COLOURS = {
    "ink": "#1d2329",
    "muted": "#5b6570",
    "grid": "#d9dee4",
    "paper": "#fefefe",
    "band": "#e3edf5",
    "heat": "#45a3dd",
    "blue": "#0072b2",
    "vermillion": "#d55e00",
    "green": "#009e73",
    "purple": "#b8608f",
    "orange": "#e69f00",
    "sky": "#56b4e9",
}
"""Colours by name; the page's style sheet has a variable of each name, light and dark."""

INK, MUTED, GRID, PAPER = (COLOURS[name] for name in ("ink", "muted", "grid", "paper"))
BAND, HEAT = COLOURS["band"], COLOURS["heat"]
SERIES = tuple(COLOURS[name] for name in ("blue", "vermillion", "green", "purple", "orange", "sky"))
"""Colours of lines and points, in the order in which they are used."""

MARKERS = ("o", "s", "^", "D", "v", "P")
"""Shapes of points, so that colour is never the only difference."""

DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (5, 2, 1.5, 2)), (0, (8, 2)), (0, (3, 1)))
"""Patterns of lines, for the same reason."""

WIDTH_IN = 9.5
"""Width of a figure that fills the page, in inches."""

LONGEST_NAME = 44
"""Letters of a name that a figure shows."""

_SETTINGS: dict[Any, Any] = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9.0,
    "text.color": INK,
    "text.parse_math": False,
    "axes.labelcolor": MUTED,
    "axes.labelsize": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.8,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "figure.facecolor": PAPER,
    "figure.edgecolor": "none",
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.4,
    "lines.solid_capstyle": "round",
}


@contextmanager
def in_style() -> Iterator[None]:
    """The package's style, and matplotlib's own defaults for everything else, whatever a notebook has set."""
    from matplotlib import rc_context, rcParamsDefault

    defaults: dict[Any, Any] = {
        key: value for key, value in rcParamsDefault.items() if not key.startswith(("backend", "interactive"))
    }
    with rc_context(defaults | _SETTINGS):
        yield


def styled(plot: Callable[P, Figure]) -> Callable[P, Figure]:
    """Let a function draw in the package's style."""

    @wraps(plot)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Figure:
        with in_style():
            return plot(*args, **kwargs)

    return drawn


def new_figure(width_in: float, height_in: float) -> Figure:
    """An empty figure, unknown to pyplot, so that nothing is shown twice or kept for ever."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_in, height_in), layout="constrained")


def label(name: object, longest: int = LONGEST_NAME) -> str:
    r"""A name as a figure can show it: on one line, without control characters, not too long.

    Examples
    --------
    >>> label("Wave\nhello"), label("x" * 30, longest=8), label("_a")
    ('Wave hello', 'xxxxxxx…', ' _a')
    """
    text = " ".join(printable(str(name)).split())
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    # matplotlib leaves names that begin with an underscore out of legends.
    return f" {text}" if text.startswith("_") else text


def printable(text: str) -> str:
    r"""Text in which control characters are replaced: no file format of the web allows them all.

    Examples
    --------
    >>> printable("a\x00b\tc")
    'a�b\tc'
    """
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(letter) in ("Cc", "Cs", "Cn") and letter not in "\t\n"
        else letter
        for letter in text
    )  # fmt: skip


def share_axis(axes: Axes, which: str, name: str) -> None:
    """Let an axis show scores from 0 to 1, with a faint grid."""
    limits, ticks, title = (
        (axes.set_xlim, axes.set_xticks, axes.set_xlabel)
        if which == "x"
        else (axes.set_ylim, axes.set_yticks, axes.set_ylabel)
    )
    limits(-0.015, 1.015)
    ticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    title(name)
    axes.grid(axis="x" if which == "x" else "y")


def name_rows(axes: Axes, names: Sequence[object], longest: int = LONGEST_NAME) -> None:
    """Name the rows of a horizontal plot, the first at the top."""
    axes.set_yticks(range(len(names)), [label(name, longest) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def rows_height(rows: int, row_in: float = 0.24, margin_in: float = 0.75) -> float:
    """Height in inches of a plot with so many named rows."""
    return margin_in + row_in * max(rows, 2)
