"""What a recording is drawn from, as messages: traces, reduced to what a screen can show, readings of single rows."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from bfrb.arrays import Array, Floats32
from bfrb.errors import DataError
from bfrb.features.motion import make_continuous
from bfrb.features.proximity import TOF_STATISTICS, tof_statistics
from bfrb.features.rows import RaggedOrder, image_sums
from bfrb.study.recordings import Recordings

MAX_FRAMES = 512
MAX_WIDTH = 4096
MAX_SEGMENTS = 5000


class Panel(NamedTuple):
    """Traces that share an axis: sensor, the axis' title and unit, names of the C traces, (N, C) readings or NaN."""

    name: str
    title: str
    unit: str
    channels: tuple[str, ...]
    values: Floats32


_XYZ, _SITES = ("x", "y", "z"), ("1", "2", "3", "4", "5")
_TITLES = {
    "acc": ("Acceleration", "m/s²", _XYZ),
    "gyr": ("Angular velocity", "°/s", _XYZ),
    "quaternion": ("Orientation", "quaternion", ("w", *_XYZ)),
    "thm": ("Temperature", "°C", _SITES),
    "tof": ("Distance, mean", "sensor steps", _SITES),
}


def make_panels(recording: Recordings) -> tuple[Panel, ...]:
    """The panels of one recording: a panel for each sensor that its device has."""
    panels = []
    for name, (title, unit, channels) in _TITLES.items():
        if recording.device.has(name):
            values = recording.sensors[name]
            if name == "quaternion":
                values = make_continuous(values.astype(np.float64), RaggedOrder(recording.offsets))
            if name == "tof":
                values = tof_statistics(*image_sums(values))[:, TOF_STATISTICS.index("mean") :: len(TOF_STATISTICS)]
            panels.append(Panel(name, title, unit, channels[: values.shape[1]], values.astype(np.float32)))
    return tuple(panels)


def draw(panels: Iterable[Panel], start: int, stop: int, width: int) -> tuple[dict[str, Array], list[dict[str, Any]]]:
    """The traces of some rows by panel, with their places as `rows`, as `reduce_rows` gives them; and the panels."""
    arrays = {}
    for panel in panels:
        arrays["rows"], arrays[panel.name] = reduce_rows(panel.values, start, stop, min(max(1, width), MAX_WIDTH))
    described = [dict(zip(panel._fields[:-1], panel[:-1], strict=True)) for panel in panels]  # without the readings
    return arrays, described


def check_rows(start: int, stop: int, rows: int) -> tuple[int, int]:
    """Rows asked for, cut to those there are; DataError if none is left."""
    first, end = max(0, start), min(stop, rows)
    if first >= end:
        raise DataError(f"expected rows between 0 and {rows}, got {start} to {stop}", remedy="ask for rows there are")
    return first, end


def reduce_rows(values: Floats32, start: int, stop: int, width: int) -> tuple[Floats32, Floats32]:
    """(N, C) traces from one row to before another, as a screen `width` pixels wide can show them.

    Gives (M,) places, in rows, and (C, M) readings there: all of them if there are at most two per pixel, else the
    smallest and the largest of every pixel in turn.

    >>> rows, reduced = reduce_rows(np.float32([[0], [5], [1], [2], [9], [3]]), 0, 6, 2)
    >>> rows.tolist(), reduced.tolist()
    ([0.0, 1.5, 3.0, 4.5], [[0.0, 5.0, 2.0, 9.0]])
    """
    count = stop - start
    if count <= 2 * width:
        return np.arange(start, stop, dtype=np.float32), np.ascontiguousarray(values[start:stop].T)
    edges = start + np.arange(width) * count // width
    part = values[start:stop]
    extremes = [reduce.reduceat(part, edges - start, axis=0) for reduce in (np.fmin, np.fmax)]
    reduced = np.stack(extremes, axis=1).reshape(2 * width, -1)
    halves = np.diff(np.append(edges, stop)) / 2
    places = np.stack([edges, edges + halves], axis=1).reshape(-1)
    return places.astype(np.float32), np.ascontiguousarray(reduced.T)


def find_segments(recording: Recordings) -> dict[str, list[tuple[int, int, str]]]:
    """Runs of rows with the same label, (first row, row after the last, label), by the annotation's name.

    Rows that are not labelled are in no run. Of more than `MAX_SEGMENTS` runs the longest are kept.
    """
    found = {name: annotation.runs() for name, annotation in recording.annotations.items()}
    return {name: sorted(sorted(runs, key=lambda run: run[0] - run[1])[:MAX_SEGMENTS]) for name, runs in found.items()}


def read_frames(recording: Recordings, start: int, stop: int) -> dict[str, Array]:
    """The readings of some rows as they were measured, by sensor; at most `MAX_FRAMES`."""
    first, end = check_rows(start, min(stop, start + MAX_FRAMES), recording.n_rows)
    return {name: values[first:end] for name, values in recording.sensors.items()}


def describe(recording: Recordings) -> dict[str, Any]:
    """What is known of a recording, without its readings."""
    about = recording.table.drop("id").row(0, named=True)
    known = {name: value for name, value in about.items() if isinstance(value, str | int | float)}
    return {
        "id": recording.ids[0],
        "known": {name: value for name, value in known.items() if not isinstance(value, float) or np.isfinite(value)},
        "rows": recording.n_rows,
        "row_rate_hz": recording.device.row_rate_hz,
        "segments": find_segments(recording),
    }


_ALIGNMENT = 8


def pack(arrays: Mapping[str, Array], **values: Any) -> bytes:
    """Arrays and plain values as one message.

    >>> import numpy as np
    >>> message = pack({"x": np.float32([1, 2])}, rows=2)
    >>> len(message), message[4:12]
    (88, b'{"rows":')
    """
    placed, body = [], b""
    for name, array in arrays.items():
        placed.append({"name": name, "dtype": array.dtype.name, "shape": array.shape, "offset": len(body)})
        data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        body += data + b"\0" * (-len(data) % _ALIGNMENT)
    header = json.dumps(values | {"arrays": placed}, allow_nan=False, separators=(",", ":")).encode()
    header += b" " * (-(4 + len(header)) % _ALIGNMENT)
    return len(header).to_bytes(4, "little") + header + body
