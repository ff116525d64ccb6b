"""The list finds what is looked for; traces keep what can be seen; segments and messages are exact."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bfrb.errors import DataError
from bfrb.study.device import HELIOS
from bfrb.study.labels import ORIENTATIONS
from bfrb.study.recordings import Annotation, Recordings
from bfrb.view.collection import MAX_PAGE, Collection
from bfrb.view.traces import MAX_FRAMES, check_rows, find_segments, make_panels, pack, read_frames, reduce_rows
from bundles import make_recordings
from cmi_files import labelled_study
from made_up import random_recordings
from viewing import unpack


def study() -> Recordings:
    """Six recordings of three subjects; 1 lacks temperature and distance, 2 its fifth distance sensor."""
    recordings = make_recordings(6)
    thm, tof = (recordings.sensors[name].copy() for name in ("thm", "tof"))
    second, third = (slice(*recordings.offsets[number : number + 2]) for number in (1, 2))
    thm[second], tof[second] = HELIOS.sensor("thm").absent, HELIOS.sensor("tof").absent
    tof[third, 4] = HELIOS.sensor("tof").absent
    table = recordings.table.with_columns(orientation=pl.Series([*ORIENTATIONS, None, None]))
    return recordings.with_sensors(thm=thm, tof=tof).with_table(table)


def collection(recordings: Recordings | None = None) -> Collection:
    made = Collection("made up", "made up", recordings or study())
    made._thread.join(10)
    assert made.complete
    return made


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"text": "SUBJ_000001"}, [1, 4]),
        ({"text": "PULL eyebrow"}, [2]),
        ({"text": "pull cheek"}, []),
        ({"subject": "SUBJ_000001"}, [1, 4]),
        ({"gesture": "Cheek - pinch skin"}, [1]),
        ({"orientation": "Lie on Back"}, [2]),
        ({"text": "000001", "subject": "SUBJ_000002"}, []),
        ({"missing": "nothing"}, [0, 3, 4, 5]),
        ({"missing": "anything"}, [1, 2]),
        ({"missing": "tof"}, [1, 2]),
        ({"missing": "tof 5"}, [2]),
        ({"text": "SUBJ_000002", "missing": "anything"}, [2]),
    ],
)
def test_a_search_finds(search: dict[str, str], expected: list[int]) -> None:
    assert collection().find(search) == expected


def test_pages_are_parts_of_what_was_found_and_never_large_and_facets_count_what_there_is() -> None:
    made = collection()
    page = made.page({"subject": "SUBJ_000000"}, 1, 5)
    assert (page["found"], page["first"], [row["number"] for row in page["rows"]]) == (2, 1, [3])
    assert made.page({}, -3, 2)["first"] == 0
    facets = made.facets()
    assert facets["subject"] == [("SUBJ_000000", 2), ("SUBJ_000001", 2), ("SUBJ_000002", 2)]
    assert facets["missing"] == [("thm", 1), ("tof", 1), ("tof 5", 1)]
    recordings = random_recordings(HELIOS, [1] * (MAX_PAGE + 50), np.random.default_rng(0))
    assert len(collection(recordings).page({}, 0, 10**9)["rows"]) == MAX_PAGE


def test_a_part_that_cannot_be_read_is_told_and_the_rest_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Recordings:
        raise OSError("the disk is gone")

    monkeypatch.setattr(Collection, "_load_part", fail)
    made = collection()
    assert "the disk is gone" in made.problem
    assert made.page({}, 0, 1)["rows"][0]["missing"] is None


@given(st.integers(1, 400), st.integers(1, 60), st.integers(0, 2**31))
def test_no_peak_is_lost_and_none_is_invented(rows: int, width: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=(rows, 3)).astype(np.float32)
    start = seed % rows
    places, reduced = reduce_rows(values, start, rows, width)
    part = values[start:]
    assert reduced.shape == (3, len(places))
    assert len(places) == (len(part) if len(part) <= 2 * width else 2 * width)
    np.testing.assert_array_equal(reduced.min(axis=1), part.min(axis=0))
    np.testing.assert_array_equal(reduced.max(axis=1), part.max(axis=0))
    assert (np.diff(places) > 0).all()
    assert start <= places[0] <= places[-1] < rows


def test_a_gap_stays_a_gap_only_where_a_pixel_has_no_reading() -> None:
    values = np.arange(40, dtype=np.float32)[:, None].copy()
    values[8:16] = np.nan
    values[20] = np.nan
    _, reduced = reduce_rows(values, 0, 40, 5)
    assert np.isnan(reduced[0]).tolist() == [False, False, True, True] + [False] * 6


def test_the_mean_distance_leaves_pixels_without_echo_out() -> None:
    recording = labelled_study(missing=0.0)[0]
    tof = recording.sensors["tof"].reshape(recording.n_rows, 5, 64)
    expected = [[image[image >= 0].mean() if (image >= 0).any() else np.nan for image in row] for row in tof]
    (panel,) = [panel for panel in make_panels(recording) if panel.name == "tof"]
    np.testing.assert_allclose(panel.values, expected, rtol=1e-5)


def test_segments_are_the_runs_of_equal_labels() -> None:
    labels = {"what": Annotation(np.int8([0, 0, -1, 1, 1, 1, 0, -1, -1]), ("a", "b"))}
    recording = replace(random_recordings(HELIOS, [9], np.random.default_rng(0)), annotations=labels)
    assert find_segments(recording) == {"what": [(0, 2, "a"), (3, 6, "b"), (6, 7, "a")]}


def test_frames_are_few_at_a_time_and_rows_that_are_not_there_are_refused() -> None:
    recording = random_recordings(HELIOS, [MAX_FRAMES + 100], np.random.default_rng(0))
    assert len(read_frames(recording, 0, 10**9)["acc"]) == MAX_FRAMES
    assert len(read_frames(recording, MAX_FRAMES + 90, 10**9)["tof"]) == 10
    for start, stop in ((5, 5), (7, 3), (10, 20), (-9, 0)):
        with pytest.raises(DataError, match="rows between 0 and 10"):
            check_rows(start, stop, 10)


@given(st.lists(st.integers(0, 9), max_size=4), st.text(max_size=20))
def test_messages_are_unpacked_as_they_were_packed(sizes: list[int], text: str) -> None:
    arrays = {f"a{number}": np.arange(size, dtype=np.int16) for number, size in enumerate(sizes)}
    header, found = unpack(pack(arrays | {"b": np.ones((2, 3), np.float32)}, text=text))
    assert header["text"] == text
    assert found["b"].shape == (2, 3)
    for name, values in arrays.items():
        np.testing.assert_array_equal(found[name], values)
