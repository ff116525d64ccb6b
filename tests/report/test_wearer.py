"""A simulated wearer can be looked at."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from bfrb.cli import app
from bfrb.errors import ConfigError
from bfrb.report import html
from bfrb.report.wearer import draw_wearer
from bfrb.simulate.spec import StudySpec


def test_a_sequence_can_be_looked_at(tmp_path: Path) -> None:
    picture = draw_wearer(StudySpec(subjects=1), 0, "SEQ_0_000003", tmp_path / "wearer.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("sequence", "out"), [("SEQ_0_000999", "a.png"), ("third", "a.png"), ("SEQ_0_000003", "a.docx")]
)
def test_what_cannot_be_drawn_is_refused(tmp_path: Path, sequence: str, out: str) -> None:
    with pytest.raises(ConfigError):
        draw_wearer(StudySpec(subjects=1), 0, sequence, tmp_path / out)


def test_without_matplotlib_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "find_spec", lambda name: None if name == "matplotlib" else True)
    done = CliRunner().invoke(app, ["simulate", str(tmp_path / "a.png"), "--show", "SEQ_0_000003"])
    assert isinstance(done.exception, ConfigError)
    assert "bfrb[report]" in str(done.exception)
