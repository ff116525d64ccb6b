"""Which members of an ensemble are asked about a recording, by the sensors it really has.

A member is asked if every sensor that it requires measured something in the recording; one image or one thermopile of
several is enough. Where no member can be asked by that rule, all are, and the answer is doubtful: commands
refuse to give it, unless they are told to.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bfrb.arrays import Bools
from bfrb.study.recordings import Recordings


def route(recordings: Recordings, requirements: Sequence[Sequence[str]]) -> Bools:
    """(M, R) Whether each of M members is asked about each recording; parameters as of `find_able`."""
    asked = find_able(recordings, requirements)
    asked[:, ~asked.any(axis=0)] = True
    return asked


def find_able(recordings: Recordings, requirements: Sequence[Sequence[str]]) -> Bools:
    """(M, R) Whether each of M members has all that it requires of each recording.

    Parameters
    ----------
    recordings
        The recordings.
    requirements
        For every member the names of the sensors it requires.

    Examples
    --------
    >>> import polars as pl
    >>> from bfrb.study.device import HELIOS
    >>> table = pl.DataFrame({"id": ["a"], "subject": ["s"]})
    >>> moved = Recordings(HELIOS, {"acc": np.ones((5, 3), np.float32)}, np.array([0, 5]), table)
    >>> find_able(moved, [["acc", "tof"], ["acc"]]).ravel().tolist()
    [False, True]
    """
    measured = {name: recordings.measured(name) for name in sorted({name for names in requirements for name in names})}
    everything = np.ones(len(recordings), dtype=bool)
    able = {
        names: np.logical_and.reduce([everything, *(measured[name] for name in names)])
        for names in set(map(tuple, requirements))
    }
    return np.array([able[tuple(names)] for names in requirements])
