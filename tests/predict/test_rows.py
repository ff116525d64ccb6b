"""What networks tell of the rows of a recording: of which phase each is."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bfrb.errors import BundleError
from bfrb.features.sequences import build_sequences
from bfrb.predict.predictions import most_probable_course, phase_table
from bfrb.predict.predictor import Predictor, load
from bfrb.study.labels import PHASES
from bundles import make_bundle, make_recordings, make_telling_bundle
from made_up import BASELINE_FEATURES


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return load(make_telling_bundle(tmp_path_factory.mktemp("telling") / "model", tellers=2, members=3))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    return load(make_bundle(tmp_path_factory.mktemp("plain") / "model", members=3))


def squashed(recordings: Any) -> np.ndarray:
    """(N,) The mean of the squashed motion features at every row, by which the made members tell."""
    rows = build_sequences(recordings, BASELINE_FEATURES).branches["imu"].values
    return np.tanh(np.nan_to_num(rows)).mean(axis=1)


def of_gesture(recordings: Any, times: float) -> np.ndarray:
    """(N,) What a member of `make_telling_bundle` tells of all rows."""
    return 1 / (1 + np.exp(-times * squashed(recordings)))


def test_networks_that_cannot_tell_say_nothing(plain: Predictor) -> None:
    assert not plain.gives_phases
    assert plain.phases(make_recordings(2)) is None


def test_phases_are_the_mean_of_the_members_that_tell_them_in_any_company(telling: Predictor) -> None:
    recordings = make_recordings(7, lengths=[40, 3, 64, 1, 20, 33, 17])
    found = telling.phases(recordings)
    assert found is not None
    assert found.shape == (recordings.n_rows, len(PHASES))
    np.testing.assert_allclose(found[:, 1], (of_gesture(recordings, 1) + of_gesture(recordings, 2)) / 2, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-6)
    alone = [telling.phases(recordings[number]) for number in range(7)]
    np.testing.assert_allclose(found, np.concatenate([told for told in alone if told is not None]), atol=1e-6)


@pytest.mark.parametrize("keep", ["first", "last"])
def test_nothing_is_told_of_rows_that_are_not_used(tmp_path: Path, keep: str) -> None:
    recording = make_recordings(1, lengths=[90])
    found = load(make_telling_bundle(tmp_path / "model", keep=keep)).phases(recording)
    assert found is not None
    used = slice(64) if keep == "first" else slice(26, None)
    assert np.flatnonzero(~np.isnan(found).any(axis=1)).tolist() == list(range(90))[used]
    np.testing.assert_allclose(found[used, 1], of_gesture(recording, 1)[used], atol=1e-6)


def test_only_members_that_are_asked_about_a_recording_tell_of_it(tmp_path: Path) -> None:
    bundle = load(make_telling_bundle(tmp_path / "model", tellers=1, members=2)).bundle
    teller, silent = bundle.manifest.members
    needy = (teller.model_copy(update={"requires": ("thm",)}), silent)
    predictor = Predictor(replace(bundle, manifest=bundle.manifest.model_copy(update={"members": needy})))
    complete = make_recordings(2, lengths=[30, 20])
    assert predictor.gives_phases
    assert predictor.phases(complete.without("thm", "tof")) is None
    thm = complete.sensors["thm"].copy()
    thm[30:] = np.nan
    found = predictor.phases(replace(complete, sensors={**complete.sensors, "thm": thm}))
    assert found is not None
    assert np.isnan(found).all(axis=1).tolist() == [False] * 30 + [True] * 20


@pytest.mark.parametrize("wrong", [np.full((1, 20, 2), np.nan), np.zeros((1, 10, 2)), np.zeros((1, 20, 3))])
def test_a_graph_that_gives_no_phases_of_every_row_is_refused(
    telling: Predictor, monkeypatch: pytest.MonkeyPatch, wrong: np.ndarray
) -> None:
    class Session:
        def run(self, outputs: list[str], feed: object) -> list[np.ndarray]:
            return [wrong]

    monkeypatch.setattr(telling, "_members", (replace(telling._members[0], session=Session()),) * 3)
    with pytest.raises(BundleError, match="no finite phases"):
        telling.phases(make_recordings(1, lengths=[20]))


@given(st.lists(st.lists(st.floats(0.001, 0.999), min_size=1, max_size=9), min_size=1, max_size=4))
def test_the_most_probable_course_is_the_best_of_all(recordings: list[list[float]]) -> None:
    values = np.concatenate([np.array(rows) for rows in recordings])
    offsets = np.cumsum([0, *map(len, recordings)])
    found = most_probable_course(np.stack([1 - values, values], axis=1), offsets)
    for start, rows in zip(offsets, recordings, strict=False):
        course = found[start : start + len(rows)]
        assert (np.diff(course) >= 0).all()

        def score(codes: Any, rows: list[float] = rows) -> float:
            return float(np.log([p if code else 1 - p for code, p in zip(codes, rows, strict=True)]).sum())

        every = [codes for codes in product((0, 1), repeat=len(rows)) if list(codes) == sorted(codes)]
        assert score(course) == pytest.approx(max(map(score, every)))


def test_rows_of_which_nothing_is_told_have_no_phase() -> None:
    told = np.array([[np.nan, np.nan], [0.9, 0.1], [0.2, 0.8]])
    assert most_probable_course(told, np.array([0, 3])).tolist() == [-1, 0, 1]


def test_a_table_has_a_line_for_every_row() -> None:
    recordings = make_recordings(2, lengths=[2, 3])
    told = np.array([[0.9, 0.1], [0.5, 0.5], [np.nan, np.nan], [0.2, 0.8], [0.0, 1.0]])
    table = phase_table(recordings, told)
    assert table.columns == ["sequence_id", "row", "Transition", "Gesture"]
    assert table.rows()[1:3] == [("SEQ_000000", 1, 0.5, 0.5), ("SEQ_000001", 0, None, None)]
    assert phase_table(recordings, None)["Gesture"].null_count() == 5
