from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from bfrb.read.sources import read
from bfrb.simulate.files import write_study
from bfrb.simulate.spec import StudySpec
from bfrb.simulate.study import simulate_study, simulate_test
from bfrb.study.recordings import Recordings


@pytest.fixture(scope="module")
def study() -> Recordings:
    return simulate_study(StudySpec(subjects=2), seed=5)


def test_a_subject_does_every_gesture_as_often_as_published(study: Recordings) -> None:
    counts = Counter(study[:102].gestures)
    assert len(study) == 204
    assert {counts["Neck - scratch"], counts["Text on phone"]} == {8}
    assert counts["Wave hello"] == 6
    assert counts["Drink from bottle/cup"] == 2


def test_the_same_seed_gives_the_same_study_whatever_the_number_of_processes(study: Recordings) -> None:
    again = simulate_study(StudySpec(subjects=2), seed=5, processes=2)
    for name, values in study.sensors.items():
        np.testing.assert_array_equal(values, again.sensors[name])


def test_a_written_study_reads_back_the_same(study: Recordings, tmp_path: Path) -> None:
    for file_format in ("csv", "parquet"):
        out = write_study(study, tmp_path / file_format, file_format=file_format)
        back = read(out)
        assert back.simulated
        assert back.table.equals(study.table)
        for name, values in study.sensors.items():
            np.testing.assert_array_equal(values, back.sensors[name])
        for name, annotation in study.annotations.items():
            np.testing.assert_array_equal(annotation.codes, back.annotations[name].codes)


def test_the_subjects_of_a_test_are_not_those_of_the_study(study: Recordings) -> None:
    test = Recordings.concat(list(simulate_test(StudySpec(subjects=2), 5, subjects=1)))
    assert set(test.subjects) == {"SIM_5_000003"}
    rows = min(study.n_rows, test.n_rows)
    assert (study.sensors["acc"][:rows] != test.sensors["acc"][:rows]).any(axis=1).mean() > 0.99


def test_the_same_seed_gives_the_same_test_whatever_the_number_of_processes() -> None:
    alone, shared = (
        Recordings.concat(list(simulate_test(StudySpec(subjects=1), 5, subjects=2, processes=count)))
        for count in (1, 2)
    )
    for name, values in alone.sensors.items():
        np.testing.assert_array_equal(values, shared.sensors[name])
