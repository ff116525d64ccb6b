"""Types of arrays, by what they hold; shapes stand in docstrings."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]  # numbers of any type

Floats = npt.NDArray[np.float64]
Floats32 = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]  # counts, positions and class numbers
Bools = npt.NDArray[np.bool_]
Names = npt.NDArray[np.object_]  # plain `str` in an array of objects


_NAMESPACES: dict[type, Any] = {}


def namespace_of(array: Any) -> Any:
    """The module whose functions work on an array, by the array API standard: NumPy's, or torch's."""
    kind = type(array)
    if kind not in _NAMESPACES:
        from array_api_compat import array_namespace

        _NAMESPACES[kind] = array_namespace(array)
    return _NAMESPACES[kind]
