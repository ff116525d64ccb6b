"""Figures as SVG that is part of a page: its colours are the page's, its text is text, its ids are unique."""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING
from xml.etree import ElementTree

from bfrb.report.style import COLOURS, in_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SVG = "{http://www.w3.org/2000/svg}"
_LINK = "{http://www.w3.org/1999/xlink}href"
_DROPPED = {f"{_SVG}metadata", f"{_SVG}style"}
_COLOUR_NAMES = {value: name for name, value in COLOURS.items()}
_COLOUR = re.compile("|".join(_COLOUR_NAMES))
_LONG_NUMBER = re.compile(r"-?\d+\.\d{3,}")
_GEOMETRY = ("d", "x", "y", "width", "height", "transform", "points")


def figure_to_svg(figure: Figure, name: str, description: str) -> str:
    """An `<svg>` element for the inside of a page.

    Parameters
    ----------
    figure
        The figure.
    name
        Unique in the page; ids inside the figure begin with it.
    description
        What the figure shows, for those who cannot see it.
    """
    root = ElementTree.fromstring(_render(figure))
    _drop(root)
    for element in root.iter():
        _adapt(element, name)
    for useless in ("version", "width", "height"):
        root.attrib.pop(useless, None)
    root.attrib |= {"role": "img", "aria-label": description, "class": "figure"}
    return ElementTree.tostring(root, encoding="unicode", short_empty_elements=False)


def _render(figure: Figure) -> bytes:
    from matplotlib import rc_context

    target = io.BytesIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    with in_style(), rc_context({"svg.fonttype": "none", "svg.hashsalt": "bfrb"}), warnings.catch_warnings():
        # Letters are drawn by the browser; that matplotlib's own font lacks some does not matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(target, format="svg", transparent=True, metadata=nothing)
    return target.getvalue()


def _drop(element: ElementTree.Element) -> None:
    for child in list(element):
        if child.tag in _DROPPED:
            element.remove(child)
        else:
            _drop(child)


def _adapt(element: ElementTree.Element, prefix: str) -> None:
    """Strip namespaces, make ids unique, shorten numbers, and name the page's colours."""
    element.tag = element.tag.removeprefix(_SVG)
    link = element.attrib.pop(_LINK, None)
    if link is not None:
        element.set("href", f"#{prefix}-{link.removeprefix('#')}")
    for key, value in element.attrib.items():
        if key == "id":
            element.set(key, f"{prefix}-{value}")
        elif key in _GEOMETRY:
            element.set(key, _LONG_NUMBER.sub(lambda number: f"{float(number[0]):.2f}", value))
        elif key in ("style", "clip-path", "fill", "stroke"):
            renamed = value.replace("url(#", f"url(#{prefix}-")
            element.set(key, _COLOUR.sub(lambda colour: f"var(--{_COLOUR_NAMES[colour[0]]})", renamed))
