from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from bfrb.read.cmi_write import Format, write_cmi
from bfrb.read.sources import read
from bfrb.simulate.spec import StudySpec, mark_of
from bfrb.simulate.study import simulate_study, simulate_subjects, simulate_test
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


@pytest.mark.parametrize("test", [False, True])
def test_the_same_seed_gives_the_same_whatever_the_number_of_processes(study: Recordings, test: bool) -> None:
    spec = StudySpec(subjects=2)
    alone = Recordings.concat(list(simulate_test(spec, 5, subjects=2))) if test else study
    shared = simulate_test(spec, 5, subjects=2, processes=2) if test else simulate_subjects(spec, 5, processes=2)
    assert_same(Recordings.concat(list(shared)), alone)


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_a_written_study_reads_back_the_same(study: Recordings, tmp_path: Path, file_format: Format) -> None:
    mark = mark_of(StudySpec(subjects=2), 5)
    back = read(write_cmi([study], tmp_path / "study", file_format=file_format, mark=mark))
    assert back.simulated
    assert_same(back, study)


def test_the_subjects_of_a_test_are_not_those_of_the_study(study: Recordings) -> None:
    test = Recordings.concat(list(simulate_test(StudySpec(subjects=2), 5, subjects=1)))
    assert set(test.subjects) == {"SIM_5_000003"}
    rows = min(study.n_rows, test.n_rows)
    assert (study.sensors["acc"][:rows] != test.sensors["acc"][:rows]).any(axis=1).mean() > 0.99
