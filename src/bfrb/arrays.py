"""Types of arrays, by what they hold; shapes stand in docstrings."""

import sys
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]  # numbers of any type

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]  # counts, positions and class numbers
Bools = npt.NDArray[np.bool_]
Names = npt.NDArray[np.object_]  # plain `str` in an array of objects


def namespace_of(array: Any) -> Any:
    """The module whose functions work on an array, by the names of the array API standard: NumPy, or else torch."""
    return np if isinstance(array, np.ndarray) else sys.modules["torch"]
