"""How much networks look at each row of a recording."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def spread_over_rows(weights: npt.NDArray[np.float64], rows: int) -> npt.NDArray[np.float64]:
    """(B, T) weights of rows from (B, T') weights of stretches of rows, T' being T over a power of 2, rounded up.

    Examples
    --------
    >>> spread_over_rows(np.array([[0.75, 0.25]]), 3).tolist()
    [[0.375, 0.375, 0.25]]
    """
    size = 1
    while -(-rows // size) > weights.shape[1]:
        size *= 2
    place = np.arange(rows) // size
    spread: npt.NDArray[np.float64] = weights[:, place] / np.bincount(place)[place]
    return spread
