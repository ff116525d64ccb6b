"""The same recordings under other labels."""

from __future__ import annotations

import polars as pl

from bfrb.study.recordings import Recordings


def relabelled(recordings: Recordings, gesture: str, suffix: str = "") -> Recordings:
    """The same readings, all labelled with one gesture, every id with a suffix.

    Examples
    --------
    >>> import numpy as np
    >>> from bfrb.study.device import HELIOS
    >>> one = Recordings(HELIOS, {}, np.array([0, 2]), pl.DataFrame({"id": ["a"], "subject": ["s"]}))
    >>> relabelled(one, "upright", "/2").table.rows()
    [('a/2', 's', 'upright')]
    """
    ids = pl.Series("id", [f"{name}{suffix}" for name in recordings.ids], dtype=pl.String)
    return recordings.with_table(recordings.table.with_columns(ids, gesture=pl.lit(gesture)))
