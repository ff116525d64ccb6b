from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bfrb.errors import ConfigError
from bfrb.read.cmi_write import write_cmi
from bfrb.read.sources import read
from bfrb.simulate import parts
from bfrb.simulate.spec import StudySpec, mark_of
from bfrb.simulate.study import simulate_study, simulate_test
from bfrb.study.recordings import Recordings
from cmi_files import assert_same


@pytest.fixture(scope="module")
def study() -> Recordings:
    return simulate_study(StudySpec(subjects=2), seed=5)


def test_a_subject_does_every_gesture_as_often_as_published(study: Recordings) -> None:
    counts = Counter(study[:102].gestures)
    assert len(study) == 204
    assert [counts[name] for name in ("Neck - scratch", "Text on phone", "Wave hello", "Glasses on/off")] == [
        8,
        8,
        6,
        2,
    ]


def test_parts_that_are_made_one_by_one_are_the_same_and_not_made_again(
    study: Recordings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = StudySpec(subjects=2)
    monkeypatch.setattr(parts, "PEOPLE", 1)
    jobs = parts.plan_parts(tmp_path, spec, 5, test=2)
    for job in reversed(jobs.values()):
        job()
    written = [place.stat().st_mtime_ns for place in jobs]
    for job in parts.plan_parts(tmp_path, spec, 5, test=2).values():
        job()
    assert written == [place.stat().st_mtime_ns for place in jobs]
    assert_same(Recordings.concat(list(parts.read_parts(tmp_path))), study)
    test = Recordings.concat(list(parts.read_parts(tmp_path, "test")))
    assert_same(test, Recordings.concat(list(simulate_test(spec, 5, subjects=2))))
    assert set(test.subjects) == {"SIM_5_000003", "SIM_5_000004"}
    rows = min(study.n_rows, test.n_rows)
    assert (study.sensors["acc"][:rows] != test.sensors["acc"][:rows]).any(axis=1).mean() > 0.99
    with pytest.raises(ConfigError, match="parts of another study"):
        parts.plan_parts(tmp_path, spec, 6, test=2)


def test_a_written_study_reads_back_the_same(study: Recordings, tmp_path: Path) -> None:
    mark = mark_of(StudySpec(subjects=2), 5)
    back = read(write_cmi([study], tmp_path / "study", file_format="csv", mark=mark))
    assert back.simulated
    assert_same(back, study)
