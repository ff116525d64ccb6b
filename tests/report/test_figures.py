"""Figures: each is one, says what its axes are, and survives odd input."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.figure import Figure

from bfrb.metrics import calibration
from bfrb.report import figures, style
from bfrb.report.figures import traces
from bfrb.report.style import figure_to_svg, label
from bfrb.study.device import GALAXY_WATCH, HELIOS
from bfrb.study.labels import CMI_GESTURES, SEARLE_BEHAVIORS
from bundles import make_recordings

PER_CLASS = {
    "rest": {"target": False, "precision": 0.9, "recall": 0.8, "f1": 0.85, "support": 9},
    "pull": {"target": True, "precision": 0.5, "recall": 0.7, "f1": 0.6, "support": 4},
    "pinch": {"target": True, "precision": 0.0, "recall": 0.0, "f1": 0.0, "support": 0},
}
CURVE = calibration(np.array([0.2, 0.9, 0.95]), np.array([False, True, True]))


def per_subject(count: int) -> dict[str, dict[str, float]]:
    return {f"S{number}": {"score": number / count} for number in range(count)}


FIGURES: dict[str, Callable[[], Figure]] = {
    "confusion": lambda: figures.plot_confusion(np.eye(18), CMI_GESTURES.classes, CMI_GESTURES.is_target.tolist()),
    "confusion of two": lambda: figures.plot_confusion(np.zeros((2, 2)), ["a", "b"], [True, True]),
    "classes": lambda: figures.plot_classes(PER_CLASS),
    "few subjects": lambda: figures.plot_subjects(per_subject(2), 0.4),
    "many subjects": lambda: figures.plot_subjects(per_subject(81), 0.4),
    "calibration": lambda: figures.plot_calibration({"gesture": CURVE, "any": CURVE}),
    "detection": lambda: figures.plot_detection([3.0, 1.0], [0.9, 0.4], {"in use": (1.0, 0.4)}),
    "timeline": lambda: figures.plot_timeline([1.0, 2.0], [0.2, 0.8], 0.5, [(0.5, 2.0)], [(1.5, 2.5)]),
    "timeline of a day": lambda: figures.plot_timeline([1.0, 80_000.0], [0.2, 0.8], 0.5, [], []),
    "signals": lambda: figures.plot_signals(make_recordings(1)),
    "signals of a watch": lambda: figures.plot_signals(
        make_recordings(1, device=GALAXY_WATCH, label_set=SEARLE_BEHAVIORS)
    ),
}


@pytest.mark.parametrize("name", FIGURES)
def test_every_function_gives_a_figure_whose_axes_are_named(name: str) -> None:
    figure = FIGURES[name]()
    assert isinstance(figure, Figure)
    assert all(axes.get_ylabel() or any(text.get_text() for text in axes.get_yticklabels()) for axes in figure.axes)
    assert figure.axes[-1].get_xlabel()


def test_a_notebook_keeps_its_own_settings() -> None:
    with mpl.rc_context({"font.size": 31.0, "axes.grid": True}):
        figure = figures.plot_classes(PER_CLASS)
        assert mpl.rcParams["font.size"] == 31.0
        assert figure.axes[0].xaxis.label.get_size() < 12


def test_the_confusion_is_in_percent_of_each_class_and_targets_come_first() -> None:
    axes = figures.plot_confusion([[4, 0], [2, 6]], ["rest", "pull"], [False, True]).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["pull", "rest"]
    shown = {text.get_position(): text.get_text() for text in axes.texts}
    assert (shown[0, 0], shown[1, 0], shown[1, 1], (0, 1) in shown) == ("75", "25", "100", False)


def test_a_class_without_recordings_says_so() -> None:
    confusion = figures.plot_confusion([[0, 0], [1, 3]], "ab", [True, False])
    for figure in (confusion, figures.plot_classes(PER_CLASS)):
        assert "no recordings" in [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize(("lowest", "start"), [(0.0, 0.0), (0.35, 0.2), (0.71, 0.6), (1.0, 0.6)])
def test_axes_of_scores_begin_near_the_lowest(lowest: float, start: float) -> None:
    axes = figures.plot_subjects({"left": {"score": lowest}, "right": {"score": 1.0}}).axes[0]
    assert axes.get_xlim() == pytest.approx((start - 0.015, 1.015))


def test_a_sensor_that_did_not_measure_is_named_as_such() -> None:
    recording = make_recordings(1).without("thm", "tof")
    words = [[text.get_text() for text in axes.texts] for axes in figures.plot_signals(recording).axes]
    assert words == [[], [], ["not measured"], ["not measured"]]


def test_time_of_flight_is_the_share_of_pixels_that_saw_something() -> None:
    sensor = HELIOS.sensor("tof")
    values = np.full((3, 5, 8, 8), -1, np.int16)
    values[0, 0, :4] = 100
    values[1] = sensor.absent
    shown = traces(sensor, values)
    assert shown[0].tolist() == [50, 0, 0, 0, 0]
    assert np.isnan(shown[1]).all()
    assert shown[2].tolist() == [0] * 5


def svg_of(names: list[str], name: str = "people", description: str = "Scores") -> str:
    return figure_to_svg(figures.plot_subjects({name: {"score": 0.5} for name in names}, 0.5), name, description)


def test_names_from_the_data_are_text_in_the_page() -> None:
    markup = ["<script>alert(1)</script>", '$\\frac{1}{0$ & "quotes"', "]]> --> <!--"]
    names = [*markup, "\x00\x1b[31m", "漢字 🙂", "_a", "a\nb"]
    svg = svg_of(names, description='Scores "of" <people>')
    root = ElementTree.fromstring(svg)
    words = [" ".join((element.text or "").split()) for element in root.iter("text")]
    assert {label(name).strip() for name in names} <= set(words)
    assert {element.tag for element in root.iter()} <= {"svg", "g", "defs", "path", "use", "text", "clipPath", "rect"}
    assert root.attrib["aria-label"] == 'Scores "of" <people>'
    assert "http" not in svg
    assert "style>" not in svg


def test_colours_follow_the_page_and_ids_of_two_figures_never_meet() -> None:
    one, two = svg_of(["a", "b"], "one"), svg_of(["a", "b"], "two")
    assert {"var(--ink)", "var(--blue)"} <= set(re.findall(r"var\(--\w+\)", one))
    assert set(re.findall("#[0-9a-f]{6}", one)) <= {"#ffffff", "#000000"}
    ids = [set(re.findall(r'id="([^"]+)"', svg)) for svg in (one, two)]
    assert ids[0]
    assert not ids[0] & ids[1]
    assert svg_of(["a", "b"], "one") == one


def test_every_colour_has_a_variable_in_light_in_the_dark_and_in_print_and_the_style_uses_no_other() -> None:
    templates = Path(style.__file__).parent / "templates"
    sheet = (templates / "report.css").read_text(encoding="utf-8")
    assert {name: sheet.count(f"--{name}: ") for name in style.COLOURS} == dict.fromkeys(style.COLOURS, 3)
    used = re.findall(r": ([0-9a-f]{6})$", (templates / "report.mplstyle").read_text(encoding="utf-8"), re.MULTILINE)
    assert {f"#{colour}" for colour in used} <= {*style.COLOURS.values(), "#fefefe"}


def test_a_notebook_shows_figures_by_itself_and_simulated_ones_say_so() -> None:
    recordings = make_recordings(1)
    assert figures.plot_signals(recordings)._repr_png_().startswith(b"\x89PNG")
    marked = figures.plot_signals(replace(recordings, simulated=True))
    assert [text.get_text() for text in marked.texts] == ["SIMULATED"]


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "svg"])
def test_the_backend_of_a_notebook_is_left_as_it_is(backend: str) -> None:
    """In the shell of a notebook MPLBACKEND names a package that this one does not need."""
    code = (
        "import os, sys; from bfrb.report.figures import plot_subjects; import matplotlib;"
        "assert plot_subjects({'a': {'score': 0.5}})._repr_png_(); assert 'matplotlib.pyplot' not in sys.modules;"
        "print(os.environ['MPLBACKEND'], matplotlib.rcParams._get_backend_or_none())"
    )
    environment = {**os.environ, "MPLBACKEND": backend}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [backend, "svg" if backend == "svg" else "None"]
