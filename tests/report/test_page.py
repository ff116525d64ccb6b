"""The page and its figures: content, form, and what they do with names from the data."""

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
import polars as pl
import pytest
from matplotlib.figure import Figure

from bfrb.errors import DataError
from bfrb.metrics.standard import calibration
from bfrb.predict.bundle import CHECKSUMS, OUT_OF_FOLD, Bundle
from bfrb.predict.evaluation import Answers, score_scenarios
from bfrb.read.tables import read_table
from bfrb.report import figures, style
from bfrb.report.collect import Evaluation, collect
from bfrb.report.figures import traces
from bfrb.report.groups import Matched
from bfrb.report.html import write_report
from bfrb.report.page import render
from bfrb.report.sections import show_provenance
from bfrb.report.style import figure_to_svg, label
from bfrb.study.device import GALAXY_WATCH, HELIOS
from bfrb.study.labels import CMI_GESTURES, SEARLE_BEHAVIORS, LabelSet
from bundles import make_recordings, relabelled
from page_checks import Page, check_self_contained, check_well_made

HOSTILE = (
    '<script>alert("1")</script>',
    "'\"><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }} {% raw %} $x_{2}$",
    "]]> --> </style></svg> \x00\x1b",
)
HOSTILE_LABELS = LabelSet("hostile", HOSTILE, frozenset(HOSTILE[:2]))


@pytest.fixture(scope="module")
def page(bundle: Bundle) -> Page:
    return Page(render(collect(bundle)))


@pytest.fixture(scope="module")
def watch_page(of_watch: Bundle) -> Page:
    return Page(render(collect(of_watch)))


@pytest.fixture(scope="module")
def hostile_page(bundle: Bundle) -> Page:
    """Every name of the data tries to be markup; signals and facts are there."""
    count = 8
    truth, given = (np.array([HOSTILE[number % kinds] for number in range(count)], object) for kinds in (4, 2))
    ids = tuple(f"{HOSTILE[0]}{number}" for number in range(count))
    recordings = make_recordings(count).with_table(pl.DataFrame({"id": ids, "subject": given.tolist()}))
    matched = Matched(
        {name: {"orientation": HOSTILE[row % 3], "age": 10.0 + row % 2} for row, name in enumerate(ids)},
        {name: recordings[row] for row, name in enumerate(ids)},
        description=HOSTILE[1],
    )
    answers = Answers(truth, given, given.tolist(), np.full((count, 4), 0.25))
    changed = relabelled(bundle, HOSTILE_LABELS)
    return Page(render(Evaluation(changed, ids, {"all": answers, "imu": answers}, matched=matched)))


@pytest.mark.parametrize("name", ["page", "watch_page", "hostile_page"])
def test_the_page_is_well_made_and_needs_nothing_but_itself(name: str, request: pytest.FixtureRequest) -> None:
    check_self_contained(request.getfixturevalue(name))
    check_well_made(request.getfixturevalue(name))


def test_scores_on_the_page_are_those_of_the_bundle(page: Page, bundle: Bundle) -> None:
    scores = score_scenarios(read_table(bundle.file(OUT_OF_FOLD)), CMI_GESTURES)
    for found in scores.values():
        assert f" {found['score']:.3f} " in page.visible
        assert f"95 % interval {found['interval'][0]:.3f} to {found['interval'][1]:.3f}" in page.visible
    for name, found in scores["all"]["per_class"].items():
        numbers = " ".join(f"{found[key]:.3f}" for key in ("precision", "recall", "f1"))
        assert f"{name} {'yes' if found['target'] else 'no'} {numbers}" in page.visible
    for name, found in scores["all"]["per_subject"].items():
        assert f"{name} {found['score']:.3f} {found['binary_f1']:.3f}" in page.visible


def test_simulated_data_is_named_first_on_every_printed_page_and_in_every_figure(page: Page, watch_page: Page) -> None:
    body = [words for tag, words in page.words if tag not in ("style", "title")]
    assert body[1] == "SIMULATED DATA."
    assert page.all("body")[0]["class"] == "simulated"
    assert [words for tag, words in page.words if tag == "text"].count("SIMULATED") == len(page.all("svg"))
    assert "SIMULATED" not in watch_page.visible
    assert "real recordings" in watch_page.visible


def test_every_section_is_there_and_in_the_contents(page: Page) -> None:
    sections = {attributes["id"] for attributes in page.all("section")}
    assert sections == {
        "summary", "people", "confusion", "classes", "sensors", "calibration", "learning", "mistakes", "provenance"
    }  # fmt: skip
    assert {f"#{name}" for name in sections} <= set(page.attributes("href"))


def test_names_from_the_data_are_shown_as_text_and_signals_of_mistakes_drawn(hostile_page: Page, page: Page) -> None:
    assert not hostile_page.all("img")
    assert [name for name in HOSTILE[:3] if name not in hostile_page.visible] == []
    assert "49" not in {words for _, words in hostile_page.words}
    assert not {"\x00", "\x1b"} & set(hostile_page.text)
    drawn = [image for image in hostile_page.all("svg") if image["aria-label"].startswith("Signals")]
    assert len(drawn) == 4  # every second pair of the eight is taken for a target
    assert ("--data DATA" in page.visible, "--data DATA" in hostile_page.visible) == (True, False)


def test_provenance_is_told_in_words_and_checksums(page: Page, bundle: Bundle) -> None:
    checksums = bundle.file(CHECKSUMS).read_text(encoding="utf-8")
    assert checksums.count(":") > 8
    assert all(part in page.visible for part in checksums.replace('"', "").replace(",", "").split() if len(part) == 64)
    assert "random numbers" in page.visible
    assert bundle.manifest.created in page.visible
    known = {"initial": None, "recordings_simulated": True, "versions": {"numpy": "2.0"}, "difference": 1e-7}
    manifest = bundle.manifest.model_copy(update={"provenance": known})
    rows = show_provenance(collect(replace(bundle, manifest=manifest))).tables[0].rows
    told = dict(rows)
    assert (told["recordings simulated"], told["difference"]) == ("yes", "1e-07")
    assert not {"None", "True", None} & {value for _, value in rows}


def test_one_person_and_one_class_are_enough(bundle: Bundle) -> None:
    labels = LabelSet("two", ("pull", "rest"), frozenset({"pull"}))
    answers = Answers(np.array(["rest"], object), np.array(["rest"], object), ["s"], np.array([[0.2, 0.8]]))
    changed = relabelled(bundle, labels)
    found = Page(render(Evaluation(changed, ("a",), {"all": answers, "imu": answers})))
    check_well_made(found)
    assert "no interval: one person only" in found.visible
    assert "There is no mistake that costs score." in found.visible


def test_a_page_is_replaced_but_impossible_places_are_refused_before_any_work(
    bundle: Bundle, page: Page, tmp_path: Path
) -> None:
    out = tmp_path / "report.html"
    out.write_text("the old page", encoding="utf-8")
    write_report(bundle.path, out)
    assert out.read_text(encoding="utf-8") == page.text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    (tmp_path / "folder.html").mkdir()
    for name, complaint in (("a.pdf", "ends in .html"), ("folder.html", "is a folder"), ("no/a.html", "no folder")):
        with pytest.raises(DataError, match=complaint):
            write_report(tmp_path / "no bundle", tmp_path / name)


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


def test_a_notebook_keeps_its_own_settings_and_simulated_figures_say_so() -> None:
    with mpl.rc_context({"font.size": 31.0, "axes.grid": True}):
        figure = figures.plot_classes(PER_CLASS)
        assert mpl.rcParams["font.size"] == 31.0
        assert figure.axes[0].xaxis.label.get_size() < 12
    marked = figures.plot_signals(replace(make_recordings(1), simulated=True))
    assert [text.get_text() for text in marked.texts] == ["SIMULATED"]


def test_the_confusion_is_in_percent_targets_come_first_and_a_class_without_recordings_says_so() -> None:
    axes = figures.plot_confusion([[4, 0], [2, 6]], ["rest", "pull"], [False, True]).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["pull", "rest"]
    shown = {text.get_position(): text.get_text() for text in axes.texts}
    assert (shown[0, 0], shown[1, 0], shown[1, 1], (0, 1) in shown) == ("75", "25", "100", False)
    confusion = figures.plot_confusion([[0, 0], [1, 3]], "ab", [True, False])
    for figure in (confusion, figures.plot_classes(PER_CLASS)):
        assert "no recordings" in [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize(("lowest", "start"), [(0.0, 0.0), (0.35, 0.2), (0.71, 0.6), (1.0, 0.6)])
def test_axes_of_scores_begin_near_the_lowest(lowest: float, start: float) -> None:
    axes = figures.plot_subjects({"left": {"score": lowest}, "right": {"score": 1.0}}).axes[0]
    assert axes.get_xlim() == pytest.approx((start - 0.015, 1.015))


def test_a_sensor_that_did_not_measure_is_named_and_distances_are_the_share_of_pixels_that_saw_something() -> None:
    recording = make_recordings(1).without("thm", "tof")
    words = [[text.get_text() for text in axes.texts] for axes in figures.plot_signals(recording).axes]
    assert words == [[], [], ["not measured"], ["not measured"]]
    sensor, values = HELIOS.sensor("tof"), np.full((3, 5, 8, 8), -1, np.int16)
    values[0, 0, :4], values[1] = 100, sensor.absent
    shown = traces(sensor, values)
    assert (shown[0].tolist(), shown[2].tolist()) == ([50, 0, 0, 0, 0], [0] * 5)
    assert np.isnan(shown[1]).all()


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
