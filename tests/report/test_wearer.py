from __future__ import annotations

from pathlib import Path

import pytest

from bfrb.errors import ConfigError
from bfrb.simulate.spec import StudySpec

pytest.importorskip("matplotlib", reason="pictures need the extra 'report'")


def test_a_sequence_can_be_looked_at(tmp_path: Path) -> None:
    from bfrb.report.wearer import draw_wearer

    picture = draw_wearer(StudySpec(subjects=1), 0, "SEQ_000003", tmp_path / "wearer.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["SEQ_000999", "third"])
def test_a_sequence_that_does_not_exist_is_refused(tmp_path: Path, name: str) -> None:
    from bfrb.report.wearer import draw_wearer

    with pytest.raises(ConfigError):
        draw_wearer(StudySpec(subjects=1), 0, name, tmp_path / "wearer.png")
