"""Features as a table, for statistics and models of any kind: one row per row, or one per recording."""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from bfrb.arrays import Bools, Floats, Floats32, Ints
from bfrb.errors import ConfigError
from bfrb.features.pipeline import available, compute_features
from bfrb.features.spec import DEPLOYABLE_ROTATION
from bfrb.read.sources import read
from bfrb.read.tables import Table, make_table
from bfrb.study.recordings import Recordings

Per = Literal["row", "recording"]
"""What one row of the table is of."""

USUAL = ("acc", "acc_magnitude", *DEPLOYABLE_ROTATION, "thm", "tof_statistics")
"""The features of a table where none are named: those of them that the device can give."""


def features(recordings: Any, names: str | Sequence[str] | None = None, *, per: Per = "row") -> Table:
    """Features of `Recordings`, or of what `bfrb.read` reads, as a polars frame; also called as `bfrb.features`.

    `names`: of features, or import paths `package.module:name` of one's own; by default `USUAL`. Per `"row"` it has
    `id`, `row` (from 0) and `time_s` within the recording, and a column per channel, null where nothing was measured;
    per `"recording"` the columns of its table, and of every channel `_mean`, `_sd`, `_min` and `_max` over what was
    measured. Raises `ConfigError` if a name is no feature, comes twice, or needs a sensor that the device lacks.

    >>> import numpy as np
    >>> from bfrb.study.device import HELIOS
    >>> table = make_table({"id": ["a", "b"], "subject": ["s", "s"]})
    >>> acc = np.float32([[3, 0, 4], [0, 0, 0], [0, 6, 8]])
    >>> recordings = Recordings(HELIOS, {"acc": acc}, np.array([0, 2, 3]), table)
    >>> features(recordings, ["acc_magnitude"]).rows()
    [('a', 0, 0.0, 5.0), ('a', 1, 0.1, 0.0), ('b', 0, 0.0, 10.0)]
    >>> features(recordings, ["acc_magnitude"], per="recording").rows()
    [('a', 's', 2.5, 2.5, 0.0, 5.0), ('b', 's', 10.0, 0.0, 10.0, 10.0)]
    """
    recordings = recordings if isinstance(recordings, Recordings) else read(recordings)
    wanted = available(USUAL, recordings.device) if names is None else [names] if isinstance(names, str) else names
    found = compute_features(recordings, wanted)
    channels = [channel.name for channel in found.channels]
    if per == "recording":
        statistics = _statistics(found.values, found.valid, recordings.offsets)
        columns = {f"{name}_{kind}": values[:, k] for k, name in enumerate(channels) for kind, values in statistics}
        return make_table(recordings.table.to_dict() | columns, nan_to_null=True)
    if per != "row":
        raise ConfigError(f"expected features per row or per recording, got {per!r}", remedy='say per="row"')
    row = np.arange(recordings.n_rows) - np.repeat(recordings.offsets[:-1], recordings.lengths)
    about: dict[str, Any] = {"id": np.repeat(np.array(recordings.ids, dtype=object), recordings.lengths), "row": row}
    about |= {"time_s": row / recordings.device.row_rate_hz}
    measured = np.where(found.valid, found.values, np.float32(np.nan))
    return make_table(about | dict(zip(channels, measured.T, strict=True)), nan_to_null=True)


def _statistics(values: Floats32, valid: Bools, offsets: Ints) -> list[tuple[str, Floats]]:
    """Names, and (R, C) values, of statistics over what was measured; NaN where nothing was."""
    starts = offsets[:-1]
    count = np.add.reduceat(valid, starts, axis=0, dtype=np.float64)
    known = np.where(count > 0, count, np.nan)
    mean = np.add.reduceat(np.where(valid, values, 0.0), starts, axis=0, dtype=np.float64) / known
    off = np.where(valid, values - np.repeat(mean, np.diff(offsets), axis=0), 0.0)
    sd = np.sqrt(np.add.reduceat(off**2, starts, axis=0) / known)
    low = np.fmin.reduceat(np.where(valid, values, np.nan), starts, axis=0)
    high = np.fmax.reduceat(np.where(valid, values, np.nan), starts, axis=0)
    return [("mean", mean), ("sd", sd), ("min", low), ("max", high)]
