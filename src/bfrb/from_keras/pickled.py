"""Scalers and names out of pickles, by an unpickler that knows a handful of names and refuses every other.

A pickle may call any function there is. Here it can make numbers, texts, lists, dicts and NumPy arrays; a scikit-learn
`StandardScaler` becomes a plain holder of its state. Neither scikit-learn nor joblib has to be installed.
"""

import io
import math
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from bfrb.errors import BundleError


class StandardScaler:
    """What a scikit-learn `StandardScaler` knows: its state, in `vars`; arrays of joblib's in their `array`."""


def read_pickled(path: Path) -> Any:
    """What is in a `.npy` file of numbers or names, or in a pickle or joblib file with a `StandardScaler`.

    BundleError if the file is damaged, compressed, or asks for anything that these do not need.
    """
    file = io.BytesIO(path.read_bytes())
    try:
        return _load_array(file) if path.suffix == ".npy" else _Unpickler(file).load()
    except Exception as error:  # noqa: BLE001  a damaged pickle may raise anything
        remedy = 'write it again: joblib.dump(scaler, "scaler.pkl"), or np.save of an array of names'
        raise BundleError(f"{path} is damaged or refused: {error or type(error).__name__}", remedy=remedy) from None


def _load_array(file: io.BytesIO) -> Any:
    try:
        return np.load(file, allow_pickle=False)
    except ValueError:  # it holds objects, or is damaged
        file.seek(0)
    np.lib.format.read_magic(file)
    np.lib.format.read_array_header_1_0(file)
    return _Unpickler(file).load()


class _JoblibArray:
    """An array that joblib wrote into the middle of a pickle, right after its description."""

    file: io.BytesIO

    def __setstate__(self, state: dict[str, Any]) -> None:
        dtype, shape = state["dtype"], state["shape"]
        if dtype.hasobject:
            self.array = _Unpickler(self.file).load()
            return
        if state.get("numpy_array_alignment_bytes") is not None:
            self.file.read(self.file.read(1)[0])
        data = self.file.read(math.prod(shape) * dtype.itemsize)
        self.array = np.frombuffer(data, dtype).reshape(shape, order=state["order"])


_CLASSES: dict[str, type] = {
    "sklearn.preprocessing._data.StandardScaler": StandardScaler,
    "joblib.numpy_pickle.NumpyArrayWrapper": _JoblibArray,
}
_PARTS = {
    "numpy.ndarray": None,
    "numpy.dtype": np.dtype,
    "numpy._core.multiarray._reconstruct": lambda *_: np.empty(0),  # the array is in its state, which follows
    "numpy._core.multiarray.scalar": lambda *_: None,  # the number of rows it was fitted on, which nobody needs
    "numpy._core.numeric._frombuffer": lambda data, dtype, shape, order: np.frombuffer(data, dtype).reshape(
        shape, order=order
    ),
}


class _Unpickler(pickle._Unpickler):
    """The one in Python: that in C makes room for as many objects as a damaged file claims to have."""

    def __init__(self, file: io.BytesIO) -> None:
        super().__init__(file)
        self.file = file

    def find_class(self, module: str, name: str) -> Any:
        """What a name stands for; classes are made anew, so that no file can change one for the next."""
        full = f"{module}.{name}".replace("numpy.core.", "numpy._core.")
        if full in _CLASSES:
            return type(name, (_CLASSES[full],), {"file": self.file})
        if full in _PARTS:
            return _PARTS[full]
        raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not admitted; nothing was run")
