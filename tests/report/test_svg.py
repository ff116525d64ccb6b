"""Figures as parts of a page."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from bfrb.report import figures
from bfrb.report.style import COLOURS, label, printable
from bfrb.report.svg import figure_to_svg

HOSTILE = [
    "<script>alert(1)</script>",
    '$\\frac{1}{0$ & "quotes"',
    "]]> --> <!--",
    "\x00\x1b[31m",
    "漢字 🙂",
    "_hidden",
    "a\nb",
]


def subjects(names: list[str]) -> dict[str, dict[str, float]]:
    return {name: {"score": number / 10} for number, name in enumerate(names)}


def test_names_from_the_data_are_text() -> None:
    svg = figure_to_svg(figures.plot_subjects(subjects(HOSTILE), 0.5), "people", "Scores <of> people")
    root = ElementTree.fromstring(svg)
    words = [element.text for element in root.iter("text")]
    assert {label(name) for name in HOSTILE} <= set(words)
    assert {element.tag for element in root.iter()} <= {"svg", "g", "defs", "path", "use", "text", "clipPath", "rect"}
    assert root.attrib["aria-label"] == "Scores <of> people"


def test_colours_follow_the_page() -> None:
    svg = figure_to_svg(figures.plot_subjects(subjects(["a", "b"]), 0.5), "x", "x")
    assert "var(--ink)" in svg
    assert "var(--blue)" in svg
    left = set(re.findall("#[0-9a-f]{6}", svg))
    assert not left & set(COLOURS.values())
    assert left <= {"#ffffff", "#000000"}


def test_ids_of_two_figures_never_meet() -> None:
    figure = figures.plot_subjects(subjects(["a", "b"]))
    first, second = (set(re.findall(r'id="([^"]+)"', figure_to_svg(figure, name, "x"))) for name in ("one", "two"))
    assert first
    assert not first & second


def test_the_same_figure_gives_the_same_text() -> None:
    texts = {figure_to_svg(figures.plot_subjects(subjects(["a", "b"])), "x", "x") for _ in range(2)}
    assert len(texts) == 1


def test_nothing_in_it_points_outside_or_styles_the_page() -> None:
    svg = figure_to_svg(figures.plot_subjects(subjects(["a", "b"])), "x", "x")
    assert "http" not in svg
    assert "<style" not in svg
    assert "metadata" not in svg


@pytest.mark.parametrize(("text", "shown"), [("a\x00b", "a�b"), ("tab\tand\nline", "tab\tand\nline"), ("é 🙂", "é 🙂")])
def test_control_characters_are_replaced(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_long_names_are_cut() -> None:
    assert label("x" * 100).endswith("x…")
    assert len(label("x" * 100)) == 44
