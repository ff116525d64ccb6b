"""The page: its content, its form, and what it does with names from the data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bfrb import parts
from bfrb.errors import ConfigError
from bfrb.predict.bundle import CHECKSUMS, OUT_OF_FOLD, Bundle
from bfrb.predict.evaluation import Answers, score_scenarios
from bfrb.read.tables import read_table
from bfrb.report.collect import Evaluation, collect
from bfrb.report.groups import Matched
from bfrb.report.html import write_report
from bfrb.report.page import render
from bfrb.report.sections import show_provenance
from bfrb.study.labels import CMI_GESTURES, LabelSet
from bfrb.study.recordings import Recordings
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
def watch_page(watch_bundle: Bundle) -> Page:
    return Page(render(collect(watch_bundle)))


@pytest.fixture(scope="module")
def hostile_page(bundle: Bundle) -> Page:
    """Every name of the data tries to be markup; signals and facts are there."""
    count = 8
    truth = np.array([HOSTILE[number % 4] for number in range(count)], object)
    given = np.array([HOSTILE[number % 2] for number in range(count)], object)
    ids = tuple(f"{HOSTILE[0]}{number}" for number in range(count))
    people = [HOSTILE[number % 2] for number in range(count)]
    table = pl.DataFrame({"id": ids, "subject": people})
    made = make_recordings(count)
    recordings = Recordings(made.device, made.sensors, made.offsets, table)
    matched = Matched(
        {name: {"orientation": HOSTILE[row % 3], "age": 10.0 + row % 2} for row, name in enumerate(ids)},
        {name: recordings[row] for row, name in enumerate(ids)},
        description=HOSTILE[1],
    )
    answers = Answers(truth, given, people, np.full((count, 4), 0.25))
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


def test_names_from_the_data_are_shown_as_text(hostile_page: Page) -> None:
    assert not hostile_page.all("img")
    for name in HOSTILE[:3]:
        assert name in hostile_page.visible
    assert "49" not in {words for _, words in hostile_page.words}
    assert "\x00" not in hostile_page.text
    assert "\x1b" not in hostile_page.text


def test_signals_of_mistakes_are_drawn_when_the_recordings_are_there(hostile_page: Page, page: Page) -> None:
    drawn = [image for image in hostile_page.all("svg") if image["aria-label"].startswith("Signals")]
    assert len(drawn) == 4  # every second pair of the eight is taken for a target
    assert "--data DATA" in page.visible
    assert "--data DATA" not in hostile_page.visible


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


def test_a_page_that_is_there_is_replaced(bundle: Bundle, page: Page, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    out.write_text("the old page", encoding="utf-8")
    write_report(bundle.path, out)
    assert out.read_text(encoding="utf-8") == page.text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_impossible_places_are_refused_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "folder.html").mkdir()
    for name, complaint in (("a.pdf", "ends in .html"), ("folder.html", "is a folder"), ("no/a.html", "no folder")):
        with pytest.raises(ConfigError, match=complaint):
            write_report(tmp_path / "no bundle", tmp_path / name)


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"matplotlib, jinja2, sklearn(.|\n)*bfrb\[report\]"):
        write_report(tmp_path, tmp_path / "a.html")
