"""How much networks look at each row of a recording."""

from __future__ import annotations

import numpy as np

from bfrb.arrays import Floats
from bfrb.features.sequences import Keep


def spread_over_rows(weights: Floats, rows: int) -> Floats:
    """(B, T) weights of rows from (B, T') weights of stretches of rows, T' being T over a power of 2, rounded up.

    All rows of a stretch get the same; the last stretch may be shorter, which does not make its rows weightier.

    Examples
    --------
    >>> spread_over_rows(np.array([[0.75, 0.25]]), 3).round(3).tolist()
    [[0.429, 0.429, 0.143]]
    """
    size = 1
    while -(-rows // size) > weights.shape[1]:
        size *= 2
    spread = weights[:, np.arange(rows) // size]
    shares: Floats = spread / spread.sum(axis=1, keepdims=True)
    return shares


def pad_unused(shares: Floats, rows: int, keep: Keep) -> Floats:
    """(N,) shares of all rows of a recording, from those of the used ones, which are its last or its first."""
    unused = rows - len(shares)
    return np.pad(shares, (unused, 0) if keep == "last" else (0, unused))
