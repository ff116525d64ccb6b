"""Pickles read as data: what scikit-learn, joblib and NumPy write is read, anything else is refused and never run."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from bfrb.errors import BundleError
from bfrb.from_keras import pickled
from bfrb.from_keras.pickled import Instance, read_npy, read_pickle

VALUES = np.random.default_rng(0).normal(3, 7, (50, 9))
NAMES = [f"column {number} \u00e9" for number in range(9)]


def pickled_bytes(value: Any, protocol: int) -> bytes:
    return pickle.dumps(value, protocol=protocol)


def joblib_bytes(value: Any, protocol: int) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(value, buffer, protocol=protocol)
    return buffer.getvalue()


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("write", [pickled_bytes, joblib_bytes])
@pytest.mark.parametrize("named", [False, True])
def test_a_scaler_is_read_as_it_was_fitted(tmp_path: Path, protocol: int, write: Any, named: bool) -> None:
    scaler = StandardScaler().fit(pd.DataFrame(VALUES, columns=NAMES) if named else VALUES)
    (tmp_path / "scaler.pkl").write_bytes(write(scaler, protocol))
    found = read_pickle(tmp_path / "scaler.pkl")
    assert isinstance(found, Instance)
    assert found.kind == "StandardScaler"
    for name in ("mean_", "scale_", "var_"):
        np.testing.assert_array_equal(found.state[name], getattr(scaler, name))
    assert found.state["n_samples_seen_"] == len(VALUES)
    assert found.state["with_mean"] is True
    if named:
        assert found.state["feature_names_in_"].tolist() == NAMES


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=">i4").reshape(3, 4),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.array(NAMES, dtype=object),
        np.array(NAMES),
        np.array([True, False]),
        np.float32(1.5),
    ],
    ids=lambda array: f"{array.dtype.str}{array.shape}",
)
def test_arrays_of_numbers_and_texts_are_read(tmp_path: Path, protocol: int, array: Any) -> None:
    (tmp_path / "a.pkl").write_bytes(pickled_bytes({"a": [array, (1, None, 2.5, "x")]}, protocol))
    found, rest = read_pickle(tmp_path / "a.pkl")["a"]
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    assert rest == (1, None, 2.5, "x")


@pytest.mark.parametrize("array", [np.array(NAMES, dtype=object), np.array(NAMES), np.array(127)])
def test_npy_files_are_read(tmp_path: Path, array: Any) -> None:
    np.save(tmp_path / "a.npy", array)
    found = read_npy(tmp_path / "a.npy")
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.place),)


@pytest.mark.parametrize("protocol", range(6))
def test_a_pickle_that_wants_to_run_something_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    scaler = StandardScaler().fit(VALUES)
    scaler.copy = Bomb(tmp_path / "crater")
    (tmp_path / "bomb.pkl").write_bytes(pickle.dumps(scaler, protocol=protocol))
    with pytest.raises(BundleError, match=r"posix\.mkdir, which is not admitted"):
        read_pickle(tmp_path / "bomb.pkl")
    assert not (tmp_path / "crater").exists()
    pickle.loads((tmp_path / "bomb.pkl").read_bytes())
    assert (tmp_path / "crater").exists(), "the bomb is a dud: the test would prove nothing"


def test_an_array_of_bombs_is_refused_and_not_run(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([Bomb(tmp_path / "crater")], dtype=object))
    with pytest.raises(BundleError, match="not admitted"):
        read_npy(tmp_path / "a.npy")
    assert not (tmp_path / "crater").exists()


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        (MinMaxScaler().fit(VALUES), "MinMaxScaler"),
        ({1, 2}, "not admitted"),
        (np.array([1, "x"], dtype=object), "other than strings"),
        (np.zeros(2, dtype=[("a", "i4")]), "'V4'"),
        (np.zeros(2, dtype="c16"), "'c16'"),
    ],
)
def test_other_objects_are_refused(tmp_path: Path, value: Any, complaint: str) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(value))
    with pytest.raises(BundleError, match=complaint):
        read_pickle(tmp_path / "a.pkl")


def test_a_compressed_scaler_is_refused_with_what_to_do(tmp_path: Path) -> None:
    joblib.dump(StandardScaler().fit(VALUES), tmp_path / "a.pkl", compress=3)
    with pytest.raises(BundleError, match="compressed") as caught:
        read_pickle(tmp_path / "a.pkl")
    assert "uncompressed" in caught.value.remedy


def test_a_huge_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pickled, "MAX_BYTES", 100)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([0] * 1000))
    with pytest.raises(BundleError, match="more than 100 bytes"):
        read_pickle(tmp_path / "a.pkl")


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x04]\x94h\x00a.",  # a list that holds itself
        b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x7f.",  # bytes of a claimed length
        b"\x80\x04cnumpy\ndtype\n(X\x02\x00\x00\x00V9t\x85R.",
        b"\x80\x04.",
        b"",
        b"not a pickle",
    ],
)
def test_odd_programs_are_damaged_files(tmp_path: Path, program: bytes) -> None:
    (tmp_path / "a.pkl").write_bytes(program)
    with pytest.raises(BundleError):
        read_pickle(tmp_path / "a.pkl")


@settings(max_examples=300, deadline=None)
@given(data=st.data(), write=st.sampled_from([pickled_bytes, joblib_bytes]), protocol=st.integers(0, 5))
def test_any_damage_is_a_bundle_error_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, write: Any, protocol: int
) -> None:
    whole = write(StandardScaler().fit(VALUES), protocol)
    start = data.draw(st.integers(0, len(whole) - 1))
    stop = data.draw(st.integers(start, min(len(whole), start + 8)))
    path = tmp_path_factory.mktemp("damaged") / "scaler.pkl"
    path.write_bytes(whole[:start] + data.draw(st.binary(max_size=8)) + whole[stop:])
    with contextlib.suppress(BundleError):
        read_pickle(path)
