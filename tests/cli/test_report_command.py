"""`bfrb report`, as it is typed, and the page that training writes."""

import logging
from pathlib import Path

import pytest

from bfrb import parts
from bfrb.cli.train import write_report_beside
from bfrb.read.sources import open_source
from bfrb.report import page
from page_checks import Page, check_self_contained, check_well_made
from typed_commands import Bfrb


def test_a_page_about_real_recordings(bfrb: Bfrb, bundle: Path, tmp_path: Path, real_data: Path) -> None:
    out = tmp_path / "report.html"
    bfrb("report", bundle, "--data", real_data / "cmi" / "train_sample.csv", "--out", out).works()
    page = Page(out.read_text(encoding="utf-8"))
    check_self_contained(page)
    check_well_made(page)
    assert "On people who were not in training" in page.visible
    assert "15" in page.visible


def test_a_page_is_written_beside_the_bundle_by_default(
    bfrb: Bfrb, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "render", lambda _: "a page")
    bfrb("report", bundle).works()
    assert bundle.with_name("model.report.html").read_text(encoding="utf-8") == "a page"


def test_training_goes_on_without_a_report(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, real_data: Path
) -> None:
    source = open_source(real_data / "cmi" / "train_sample.csv")
    with caplog.at_level(logging.INFO), monkeypatch.context() as missing:
        missing.setattr(parts, "find_spec", lambda _: None)
        write_report_beside(bundle, source)
    assert "bfrb[report]" in caplog.text
    write_report_beside(tmp_path / "nothing", source)
    assert "report could not be written" in caplog.text
    assert not (tmp_path / "nothing.report.html").exists()
