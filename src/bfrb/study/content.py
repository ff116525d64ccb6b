"""What tells recordings apart when their names do not: a hash of what was measured."""

import hashlib
from itertools import pairwise

import numpy as np

from bfrb.study.recordings import Recordings

CONTENT = "content_hash"
"""Column of a table of recordings with their hashes."""


def hash_content(recordings: Recordings) -> list[str]:
    """(R,) Hash of the accelerations of every recording.

    It depends on nothing else: not on ids and labels, not on which other sensors are there, and not on whether a left
    wrist was mirrored, which turns signs.

    >>> import numpy as np, polars as pl
    >>> from bfrb.study.device import HELIOS
    >>> acc = np.float32([[0, 1, 9.8], [0, 2, 9.8], [0, -1, 9.8]])
    >>> table = pl.DataFrame({"id": ["a", "b", "c"], "subject": ["s", "s", "t"]})
    >>> first, second, mirrored = hash_content(Recordings(HELIOS, {"acc": acc}, np.arange(4), table))
    >>> first == second, first == mirrored
    (False, True)
    """
    device = recordings.device
    values = recordings.sensors["acc" if "acc" in device.sensor_names else device.sensor_names[0]]
    readings = np.ascontiguousarray(np.nan_to_num(np.abs(values), nan=-1.0))
    return [
        hashlib.blake2b(readings[start:stop].data, digest_size=8).hexdigest()
        for start, stop in pairwise(recordings.offsets.tolist())
    ]
