"""How figures look, in notebooks and on pages; the only module that imports matplotlib.

The colours are those of Okabe and Ito, which the colour-blind can tell apart. On a page each stands for a variable of
the page's style sheet, so that a figure follows the page from light to dark; in a notebook they are as they are.
"""

import io
import os
import re
import sys
import unicodedata
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Any

# matplotlib cannot be imported where MPLBACKEND names a backend that is not installed, as in the shell of a notebook.
_BACKEND = None if "matplotlib" in sys.modules else os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib.figure
    from matplotlib import rc_context
    from matplotlib.axes import Axes as Axes  # noqa: PLC0414  figures take it from here
    from matplotlib.ticker import MultipleLocator
finally:
    if _BACKEND is not None:
        os.environ["MPLBACKEND"] = _BACKEND
if _BACKEND is not None:
    with suppress(ValueError):
        matplotlib.rcParams["backend"] = _BACKEND

COLOURS = {
    "ink": "#1d2329",
    "muted": "#5b6570",
    "grid": "#d9dee4",
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

INK, MUTED, GRID, BAND, HEAT, *SERIES = COLOURS.values()
MARKERS = ("o", "s", "^", "D", "v", "P")  # shapes of points, so that colour is never the only difference

DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (5, 2, 1.5, 2)), (0, (8, 2)), (0, (3, 1)))
"""Patterns of lines, for the same reason."""

FAINT: dict[str, Any] = {"color": MUTED, "linestyle": DASHES[1], "linewidth": 1}
"""How lines look that something is compared with."""

WIDTH_IN = 7.4  # width of a figure that fills the page, in inches
LONGEST_NAME = 44  # letters of a name that a figure shows

styled = rc_context(fname=Path(__file__).parent / "templates" / "report.mplstyle")
"""Draws in the package's style, and matplotlib's defaults for all else, whatever a notebook has set: a decorator."""

_NUMBER = re.compile(r"(\.\d\d)\d+")
_COLOUR = re.compile("|".join(COLOURS.values()))
_NAMES = {value: name for name, value in COLOURS.items()}


class Figure(matplotlib.figure.Figure):
    """A figure that a notebook shows by itself, whatever its backend; unknown to pyplot, so never shown twice."""

    def _repr_png_(self) -> bytes:
        target = io.BytesIO()
        self.savefig(target, format="png", dpi=120)
        return target.getvalue()


def mark_simulated(figure: Figure) -> None:
    """Write into a corner of a figure that its data are simulated, for figures get copied."""
    figure.text(0.999, 0.001, "SIMULATED", ha="right", va="bottom", fontsize=7, color=MUTED, fontweight="bold")


@styled
def figure_to_svg(figure: Figure, name: str, description: str) -> str:
    """An `<svg>` element for the inside of a page.

    The name is unique in the page: the ids inside the figure depend on it. The description is for who cannot see it.
    """
    target = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with rc_context({"svg.hashsalt": name}), warnings.catch_warnings():
        # Letters are drawn by the browser; that matplotlib's own font lacks some does not matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(target, format="svg", transparent=True, metadata=nothing)
    head, _, drawing = target.getvalue().partition("</defs>")
    box = re.findall(r'viewBox="[^"]*"', head)[0]
    drawing = re.sub(r'<g id="[^"]*"', "<g", drawing).replace('xlink:href="#', 'href="#')
    drawing = re.sub(r' (?:d|transform)="[^"]*"', lambda shape: _NUMBER.sub(r"\1", shape[0]), drawing)
    drawing = _COLOUR.sub(lambda colour: f"var(--{_NAMES[colour[0]]})", drawing)
    return f'<svg {box} role="img" aria-label="{escape(printable(description))}" class="figure">{drawing}'


def label(name: object, longest: int = LONGEST_NAME) -> str:
    r"""A name as a figure can show it: on one line, without control characters, not too long.

    >>> label("Wave\nhello"), label("x" * 30, longest=8), label("_a")
    ('Wave hello', 'xxxxxxx…', ' _a')
    """
    text = " ".join(printable(str(name)).split())
    text = text if len(text) <= longest else text[: longest - 1] + "…"
    # matplotlib leaves names that begin with an underscore out of legends.
    return f" {text}" if text.startswith("_") else text


def printable(text: str) -> str:
    r"""Text in which control characters are replaced: no file format of the web allows them all.

    >>> printable("a\x00b\tc")
    'a�b\tc'
    """
    unprintable = {one for one in set(text) - {"\t", "\n"} if unicodedata.category(one) in ("Cc", "Cs", "Cn")}
    return text.translate({ord(one): "\N{REPLACEMENT CHARACTER}" for one in unprintable})


def score_axis(axes: Axes, which: str, name: str, shown: Iterable[float] = (0.0,)) -> float:
    """Let an axis (`x` or `y`) show scores up to 1, with a grid; it starts a little below all shown. Tells where."""
    lowest = min([0.8, *shown])
    start = int(max(0.0, lowest - 0.02) * 5) / 5
    axes.set(**{f"{which}lim": (start - 0.015, 1.015), f"{which}label": name})
    getattr(axes, f"{which}axis").set_major_locator(MultipleLocator(0.2 if start < 0.5 else 0.1))
    axes.grid(axis="x" if which == "x" else "y")
    return start


def figure_of_rows(names: Sequence[object], margin_in: float = 0.75) -> tuple[Figure, Axes]:
    """A figure with named rows, the first at the top, and its axes."""
    figure = Figure(figsize=(WIDTH_IN, margin_in + 0.24 * max(len(names), 2)))
    axes = figure.add_subplot()
    axes.set_yticks(range(len(names)), [label(name) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    return figure, axes
