"""Pickles of scalers and names: what scikit-learn, joblib and NumPy write is read; the rest is refused, not run."""

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
from bfrb.from_keras.pickled import read_pickled

VALUES = np.random.default_rng(0).normal(3, 7, (50, 9))
NAMES = [f"column {number} \u00e9" for number in range(9)]


def joblib_bytes(value: Any, protocol: int) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(value, buffer, protocol=protocol)
    return buffer.getvalue()


@pytest.mark.parametrize("protocol", [3, 4, 5])
@pytest.mark.parametrize("write", [pickle.dumps, joblib_bytes])
@pytest.mark.parametrize("named", [False, True])
def test_a_scaler_is_read_as_it_was_fitted(tmp_path: Path, protocol: int, write: Any, named: bool) -> None:
    scaler = StandardScaler().fit(pd.DataFrame(VALUES, columns=NAMES) if named else VALUES)
    (tmp_path / "scaler.pkl").write_bytes(write(scaler, protocol))
    found = read_pickled(tmp_path / "scaler.pkl")
    assert isinstance(found, pickled.StandardScaler)
    state = {name: getattr(value, "array", value) for name, value in vars(found).items()}
    for name in ("mean_", "scale_", "var_"):
        np.testing.assert_array_equal(state[name], getattr(scaler, name))
    assert state["with_mean"] is True
    assert not named or state["feature_names_in_"].tolist() == NAMES


@pytest.mark.parametrize("array", [np.array(NAMES, dtype=object), np.array(NAMES), np.array(127)])
def test_npy_files_are_read(tmp_path: Path, array: Any) -> None:
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(read_pickled(tmp_path / "a.npy"), array)


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.place),)


@pytest.mark.parametrize("protocol", [0, 5])
def test_a_pickle_that_wants_to_run_something_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    crater = tmp_path / "crater"
    scaler = StandardScaler().fit(VALUES)
    scaler.copy = Bomb(crater)
    for write in (pickle.dumps, joblib_bytes):
        (tmp_path / "bomb.pkl").write_bytes(write(scaler, protocol))
        with pytest.raises(BundleError, match="which is not admitted; nothing was run"):
            read_pickled(tmp_path / "bomb.pkl")
    np.save(tmp_path / "bomb.npy", np.array([Bomb(crater)], dtype=object))
    with pytest.raises(BundleError, match=r"posix\.mkdir, which is not admitted"):
        read_pickled(tmp_path / "bomb.npy")
    assert not crater.exists()
    pickle.loads(pickle.dumps(scaler, protocol))
    assert crater.exists(), "the bomb is a dud: the test would prove nothing"


@pytest.mark.parametrize(
    "call", ["builtins eval", "builtins getattr", "os system", "numpy load", "numpy._core.multiarray fromfile"]
)
def test_every_other_name_is_refused(tmp_path: Path, call: str) -> None:
    module, name = call.split()
    (tmp_path / "a.pkl").write_bytes(f"c{module}\n{name}\n.".encode())
    with pytest.raises(BundleError, match=f"{module}.{name}, which is not admitted"):
        read_pickled(tmp_path / "a.pkl")


def test_other_scalers_and_compressed_ones_are_refused_with_what_to_do(tmp_path: Path) -> None:
    joblib.dump(MinMaxScaler().fit(VALUES), tmp_path / "a.pkl")
    with pytest.raises(BundleError, match="MinMaxScaler"):
        read_pickled(tmp_path / "a.pkl")
    joblib.dump(StandardScaler().fit(VALUES), tmp_path / "a.pkl", compress=3)
    with pytest.raises(BundleError, match="damaged or refused") as caught:
        read_pickled(tmp_path / "a.pkl")
    assert "joblib.dump(scaler" in caught.value.remedy


@settings(max_examples=100, deadline=None)
@given(data=st.data(), write=st.sampled_from([pickle.dumps, joblib_bytes]), protocol=st.integers(3, 5))
def test_any_damage_is_a_bundle_error_or_harmless(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, write: Any, protocol: int
) -> None:
    whole = write(StandardScaler().fit(VALUES), protocol)
    start = data.draw(st.integers(0, len(whole) - 1))
    stop = data.draw(st.integers(start, min(len(whole), start + 8)))
    path = tmp_path_factory.mktemp("damaged") / "scaler.pkl"
    path.write_bytes(whole[:start] + data.draw(st.binary(max_size=8)) + whole[stop:])
    with contextlib.suppress(BundleError):
        read_pickled(path)
