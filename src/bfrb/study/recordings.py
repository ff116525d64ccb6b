"""`Recordings`: many recordings of one device as a ragged, columnar batch, checked once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from bfrb.arrays import Array, Bools, Ints, Names
from bfrb.errors import DataError
from bfrb.study.device import Device, checked_readings, measured_rows

UNKNOWN = -1
"""Code of a row whose annotation is not known."""

Progress = Callable[[float], None]
"""Told the share of a source that is done, from 0 to 1."""

BATCH_ROWS = 50_000
"""Most rows of a batch where recordings come batch by batch; a longer recording is a batch of its own."""


@dataclass(frozen=True, eq=False)
class Annotation:
    """(N,) A label for every row, as codes into a list of names."""

    codes: npt.NDArray[np.int8]
    """(N,) indices into `names`; `UNKNOWN` where nothing is known."""
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        codes = np.ascontiguousarray(self.codes, dtype=np.int8).view()
        if codes.ndim != 1 or (codes.size and (codes.min() < UNKNOWN or codes.max() >= len(self.names))):
            problem = f"expected one-dimensional codes from -1 to {len(self.names) - 1}, got shape {codes.shape}"
            raise DataError(problem, remedy="encode the annotation against its list of names")
        codes.setflags(write=False)
        object.__setattr__(self, "codes", codes)

    def take(self, rows: Any) -> Annotation:
        """The annotation of some rows (an index array or a slice)."""
        return Annotation(self.codes[rows], self.names)

    def runs(self) -> list[tuple[int, int, str]]:
        """First row, row after the last, and label of every run of rows with the same; unknown ones are in none."""
        edges = np.flatnonzero(np.diff(self.codes, prepend=UNKNOWN, append=UNKNOWN)).tolist()
        runs = [(first, stop, self.codes[first]) for first, stop in pairwise(edges)]
        return [(first, stop, self.names[code]) for first, stop, code in runs if code != UNKNOWN]


@dataclass(frozen=True, eq=False, repr=False)
class Recordings:
    """A ragged batch of recordings of one device: `N` rows in `R` recordings.

    Recording `r` is rows `offsets[r]` to `offsets[r + 1]`, the end not included. All arrays are contiguous and
    read-only, so a slice of recordings is a view. What can be checked is checked here, once, and what does not fit
    together or is physically impossible is refused with a `DataError`; code that is given a `Recordings` checks nothing
    again.

    >>> import numpy as np, polars as pl
    >>> from bfrb.study.device import HELIOS
    >>> still = np.tile(np.float32([0, 0, 9.81]), (5, 1))
    >>> table = pl.DataFrame({"id": ["a", "b"], "subject": ["s", "s"]})
    >>> recordings = Recordings(HELIOS, {"acc": still}, np.array([0, 2, 5]), table)
    >>> len(recordings), recordings[1].sensors["acc"].shape, recordings.measured("thm").tolist()
    (2, (3, 3), [False, False])
    """

    device: Device
    sensors: Mapping[str, Array]
    """For every sensor of the device an (N, *shape) array of its dtype, in its unit, with its code for "not measured"
    (`Sensor.absent`). A sensor left out is filled with that code."""
    offsets: Ints
    """(R + 1,) first row of every recording, and N."""
    table: pl.DataFrame
    """One row per recording: `id` and `subject` (strings without nulls; ids unique), and any of `gesture`,
    `orientation`, `handedness`, `age` ..."""
    annotations: Mapping[str, Annotation] = field(default_factory=dict)
    """Labels of single rows, such as `phase` and `behavior`."""
    simulated: bool = False
    """Whether the values come from a simulator. Results on them must say so."""

    def __post_init__(self) -> None:
        offsets = _checked_offsets(self.offsets)
        rows = int(offsets[-1])
        _check_table(self.table, len(offsets) - 1)
        unknown = set(self.sensors) - set(self.device.sensor_names)
        if unknown:
            problem = f"the device {self.device.name!r} has no sensor {', '.join(sorted(unknown))}"
            raise DataError(problem, remedy=f"its sensors are {', '.join(self.device.sensor_names)}")
        readings = {one.name: checked_readings(one, self.sensors.get(one.name), rows) for one in self.device.sensors}
        for name, annotation in self.annotations.items():
            if len(annotation.codes) != rows:
                problem = f"expected {rows} codes in the annotation {name!r}, got {len(annotation.codes)}"
                raise DataError(problem, remedy="annotate every row, with -1 where nothing is known")
        object.__setattr__(self, "offsets", offsets)
        object.__setattr__(self, "sensors", MappingProxyType(readings))
        object.__setattr__(self, "annotations", MappingProxyType(dict(self.annotations)))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __repr__(self) -> str:
        people = self.table["subject"].n_unique()
        sensors = [name for name in self.sensors if self.measured(name).any()]
        whose = f"{len(self):,} of {self.device.name}, {people:,} subject{'' if people == 1 else 's'}"
        told = f"{self.n_rows:,} rows, {' '.join(sensors) or 'nothing measured'}"
        return f"<Recordings: {whose}, {told}{', SIMULATED' if self.simulated else ''}>"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self)[1:-1])}</p>{self.table._repr_html_()}"

    @property
    def n_rows(self) -> int:
        """Number of rows of all recordings together."""
        return int(self.offsets[-1])

    @property
    def lengths(self) -> Ints:
        """(R,) Rows per recording."""
        return np.diff(self.offsets)

    @property
    def ids(self) -> list[str]:
        """(R,) Recording ids."""
        return self.table["id"].to_list()

    @property
    def subjects(self) -> Names:
        """(R,) Subject ids."""
        return np.array(self.table["subject"].to_list(), dtype=object)

    @property
    def gestures(self) -> list[str | None] | None:
        """(R,) Gesture labels, or None where the recordings carry none."""
        if "gesture" not in self.table.columns or self.table["gesture"].is_null().all():
            return None
        return self.table["gesture"].to_list()

    def measured(self, sensor: str) -> Bools:
        """(R,) Whether the sensor measured anything in each recording."""
        return np.asarray(self.measured_pieces(sensor).any(axis=1))

    def measured_pieces(self, sensor: str) -> Bools:
        """(R, pieces) The same of each piece of the sensor, such as one of five images."""
        rows = measured_rows(self.device.sensor(sensor), self.sensors[sensor])
        return np.logical_or.reduceat(rows, self.offsets[:-1], axis=0) if len(self) else rows

    def __getitem__(self, which: int | str | slice | Sequence[int] | Array) -> Recordings:
        """Some of the recordings; a number, an id or a plain slice gives a view, an index array or a mask a copy."""
        if isinstance(which, str):
            if which not in self.ids:
                raise IndexError(f"no recording {which!r}")
            which = self.ids.index(which)
        if isinstance(which, int | np.integer):
            start = int(which) + len(self) * (which < 0)
            if not 0 <= start < len(self):
                raise IndexError(f"recording {which} of {len(self)}")
            which = slice(start, start + 1)
        if isinstance(which, slice) and which.step in (None, 1):
            start, stop, _ = which.indices(len(self))
            offsets = self.offsets[start : max(start, stop) + 1]
            rows = slice(int(offsets[0]), int(offsets[-1]))
            return self._of_rows(rows, offsets - offsets[0], self.table[start : max(start, stop)])
        index = np.arange(len(self))[which]
        # Column by column: a forked child lacks the threads that polars would take rows of a table with.
        table = pl.DataFrame([column.gather(index) for column in self.table])
        return self.gather(self.offsets[index], self.lengths[index], table)

    def gather(self, starts: Array, lengths: Array, table: pl.DataFrame) -> Recordings:
        """Stretches as recordings, a copy: (R,) their first rows and how many, and a table with a row for each."""
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        rows = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        return self._of_rows(rows, offsets, table)

    def _of_rows(self, rows: Any, offsets: Ints, table: pl.DataFrame) -> Recordings:
        sensors = {name: values[rows] for name, values in self.sensors.items()}
        annotations = {name: annotation.take(rows) for name, annotation in self.annotations.items()}
        return _unchecked(self, sensors=sensors, offsets=offsets, table=table, annotations=annotations)

    def without(self, *sensors: str) -> Recordings:
        """The same recordings as if the named sensors had measured nothing."""
        removed = {name: self.device.sensor(name).empty(self.n_rows) for name in sensors}
        return _unchecked(self, sensors={**self.sensors, **removed})

    def with_sensors(self, **sensors: Array) -> Recordings:
        """The same recordings with other readings of some sensors, (N, *shape) each; errors as of `Recordings`."""
        return replace(self, sensors={**self.sensors, **sensors})

    def with_table(self, table: pl.DataFrame) -> Recordings:
        """The same rows with another table (same recordings, same order)."""
        _check_table(table, len(self))
        return _unchecked(self, table=table)

    def batches(self, max_rows: int = BATCH_ROWS) -> Iterator[Recordings]:
        """Views of at most `max_rows` rows each, or of one recording that has more."""
        start = 0
        while start < len(self):
            limit = self.offsets[start] + max_rows
            stop = max(start + 1, int(np.searchsorted(self.offsets, limit, side="right")) - 1)
            yield self[start:stop]
            start = stop

    def windows(self, length: int, step: int) -> Recordings:
        """Cut every recording into windows of `length` rows, `step` rows apart.

        Recordings shorter than `length` give no window, and neither does the rest at a recording's end. Ids become
        `<id>@<first row>`; the table keeps its other columns.

        Raises `DataError` if `length` or `step` is not positive, or no recording is long enough.
        """
        if length < 1 or step < 1:
            problem = f"expected windows of at least one row, got length {length}, step {step}"
            raise DataError(problem, remedy="raise them")
        counts = np.maximum(0, (self.lengths - length) // step + 1)
        if counts.sum() == 0:
            problem = f"no recording has the {length} rows of a window; the longest has {self.lengths.max(initial=0)}"
            raise DataError(problem, remedy="choose shorter windows")
        source = np.repeat(np.arange(len(self)), counts)
        first = (np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts)) * step
        ids = pl.concat_str([pl.col("id"), pl.Series(first).cast(pl.String)], separator="@")
        table = self.table[source].with_columns(id=ids)
        return self.gather(self.offsets[source] + first, np.full(len(source), length), table)

    @staticmethod
    def concat(parts: Sequence[Recordings]) -> Recordings:
        """One batch of several; columns of the table that some parts lack become null there.

        Raises `DataError` if there is no part, the devices differ, or an id comes twice.
        """
        if not parts:
            raise DataError("expected recordings, got none", remedy="check the source: it holds no rows")
        if len(parts) == 1:
            return parts[0]
        if len({part.device.name for part in parts}) > 1:
            raise DataError("recordings of different devices cannot be joined", remedy="keep one batch per device")
        table = pl.concat([part.table for part in parts], how="diagonal_relaxed")
        _check_table(table, sum(len(part) for part in parts))
        first = parts[0]
        shared = [name for name in first.annotations if all(name in part.annotations for part in parts)]
        codes = {name: np.concatenate([part.annotations[name].codes for part in parts]) for name in shared}
        return _unchecked(
            first,
            sensors={name: np.concatenate([part.sensors[name] for part in parts]) for name in first.sensors},
            offsets=np.concatenate([[0], np.cumsum(np.concatenate([part.lengths for part in parts]))]),
            table=table,
            annotations={name: Annotation(codes[name], first.annotations[name].names) for name in shared},
            simulated=any(part.simulated for part in parts),
        )


def _unchecked(original: Recordings, **changes: Any) -> Recordings:
    """A copy with changed fields whose values are known to be right: they come from checked recordings."""
    result = object.__new__(Recordings)
    for name in original.__dataclass_fields__:
        value = changes.get(name, getattr(original, name))
        if name in ("sensors", "annotations"):
            value = MappingProxyType(dict(value))
        object.__setattr__(result, name, value)
    for values in (*result.sensors.values(), result.offsets):
        values.setflags(write=False)
    return result


def _checked_offsets(offsets: npt.ArrayLike) -> Ints:
    array = np.array(offsets, dtype=np.int64)
    if array.ndim != 1 or not array.size or array[0] != 0 or (np.diff(array) < 1).any():
        problem = f"expected offsets that begin with 0 and grow, got {array[:5].tolist()} ..."
        raise DataError(problem, remedy="leave out recordings without rows")
    array.setflags(write=False)
    return array


def _check_table(table: pl.DataFrame, recordings: int) -> None:
    if table.height != recordings or not {"id", "subject"} <= set(table.columns):
        found = f"{table.height} rows and {table.columns[:8]}"
        problem = f"expected a table of {recordings} recordings with the columns id and subject, got {found}"
        raise DataError(problem, remedy="give one row per recording, in the order of the offsets")
    for column in ("id", "subject"):
        if (kind := table[column].dtype) != pl.String or table[column].null_count():
            found = f"{kind} with {table[column].null_count()} nulls"
            problem = f"expected a string for every recording's {column}, got {found}"
            raise DataError(problem, remedy=f"fill the column {column}")
    if table["id"].n_unique() != table.height:
        twice = table["id"].filter(table["id"].is_duplicated()).unique().sort().to_list()
        problem = f"expected unique recording ids, found {len(twice)} used more than once, such as {twice[0]!r}"
        raise DataError(problem, remedy="keep one recording of each id; a file may have been appended to itself")
