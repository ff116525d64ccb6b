"""A census of recordings: what there is of everything, counted batch by batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from bfrb.arrays import Array, Bools
from bfrb.read.demographics import MEASURES, SUBJECT, find_suspicious, no_demographics
from bfrb.read.findings import Finding, Report
from bfrb.study.device import Sensor
from bfrb.study.labels import PHASES
from bfrb.study.recordings import Recordings

SHORTEST_S = 1.0
"""Recordings shorter than this are suspicious."""

COLDEST_SKIN_DEG_C = 18.0
"""Thermopile readings below this are taken for glitches."""

GLITCHES_TOLERATED = 0.01
"""Share of glitches, among a sensor's readings, up to which they are only noted."""


@dataclass
class SensorCount:
    """What one sensor on the wrist, or one of several of its kind, gave.

    Rows and recordings in all and those in which it measured nothing, its smallest and largest reading, and how many
    readings are glitches: possible, but not credible.
    """

    name: str
    unit: str
    rows: int = 0
    missing_rows: int = 0
    recordings: int = 0
    missing_recordings: int = 0
    low: float = np.inf
    high: float = -np.inf
    glitches: int = 0

    def add(self, values: Array, absent: Bools, measured: Bools) -> None:
        """Count (N, channels) readings, where there are none, and (R,) in which recordings there are some."""
        self.rows += len(values)
        self.missing_rows += int(absent.all(axis=1).sum())
        self.recordings += len(measured)
        self.missing_recordings += int((~measured).sum())
        given = values[~absent]
        if len(given):
            self.low, self.high = min(self.low, float(given.min())), max(self.high, float(given.max()))
        if self.unit == "degC":
            self.glitches += int((given < COLDEST_SKIN_DEG_C).sum())

    def to_dict(self) -> dict[str, object]:
        """The counts as plain values."""
        measured = self.low <= self.high
        return {
            "name": self.name,
            "unit": self.unit,
            "missing_share": self.missing_rows / max(self.rows, 1),
            "recordings_without": self.missing_recordings,
            "low": self.low if measured else None,
            "high": self.high if measured else None,
            "glitches": self.glitches,
        }


@dataclass
class Census:
    """Counts of recordings, subjects, labels and readings."""

    report: Report
    recordings: int = 0
    rows: int = 0
    gestures: Counter[str] = field(default_factory=Counter)
    sensors: dict[str, SensorCount] = field(default_factory=dict)
    norm_low: float = np.inf
    norm_high: float = -np.inf
    shortest: int = 0
    longest: int = 0
    _subjects: list[pl.DataFrame] = field(default_factory=list)
    _short: list[str] = field(default_factory=list)
    _without_gesture_phase: list[str] = field(default_factory=list)
    _last: str = ""

    @property
    def subject_table(self) -> pl.DataFrame:
        """One row per subject, with what is known of it."""
        if not self._subjects:
            return no_demographics()
        return pl.concat(self._subjects, how="diagonal_relaxed").unique(SUBJECT, keep="first", maintain_order=True)

    @property
    def subjects_without_demographics(self) -> list[str]:
        """Subjects of whom nothing is known."""
        table = self.subject_table
        measures = [pl.col(name).is_null() for name in MEASURES if name in table.columns]
        return table.filter(pl.all_horizontal(pl.lit(True), *measures))[SUBJECT].sort().to_list()

    def add(self, recordings: Recordings) -> None:
        """Count a batch."""
        table, lengths = recordings.table, recordings.lengths
        self.recordings += len(recordings)
        self.rows += recordings.n_rows
        self.shortest = min(self.shortest or int(lengths.min()), int(lengths.min()))
        self.longest = max(self.longest, int(lengths.max()))
        short = lengths < SHORTEST_S * recordings.device.row_rate_hz
        self._short += table["id"].filter(pl.Series(short)).to_list()
        self._last = recordings.ids[-1]
        known = [SUBJECT, *(name for name in MEASURES if name in table.columns)]
        self._subjects.append(table.select(known).unique(SUBJECT, keep="first", maintain_order=True))
        self._add_labels(recordings)
        for sensor in recordings.device.sensors:
            self._add_sensor(sensor, recordings)

    def _add_labels(self, recordings: Recordings) -> None:
        if "gesture" in recordings.table.columns:
            self.gestures.update(name or "(no label)" for name in recordings.table["gesture"])
        elif "gesture" in recordings.annotations:
            label = recordings.annotations["gesture"]
            counts = np.bincount(label.codes + 1, minlength=len(label.names) + 1).tolist()
            names = ("(no label)", *label.names)
            self.gestures.update({f"{name} (rows)": count for name, count in zip(names, counts, strict=True) if count})
        if "phase" in recordings.annotations:
            during = recordings.annotations["phase"].codes == len(PHASES) - 1
            some = np.logical_or.reduceat(during, recordings.offsets[:-1])
            self._without_gesture_phase += recordings.table["id"].filter(pl.Series(~some)).to_list()

    def _add_sensor(self, sensor: Sensor, recordings: Recordings) -> None:
        values = recordings.sensors[sensor.name].reshape(recordings.n_rows, sensor.pieces, -1)
        absent, measured = sensor.is_absent(values), recordings.measured_pieces(sensor.name)
        for piece in range(sensor.pieces):
            name = sensor.name if sensor.pieces == 1 else f"{sensor.name} {piece + 1}"
            count = self.sensors.setdefault(name, SensorCount(name, sensor.unit))
            count.add(values[:, piece], absent[:, piece], measured[:, piece])
        if sensor.unit_norm:
            norms = np.linalg.norm(values[:, 0], axis=1)
            self.norm_low = float(np.fmin(self.norm_low, np.fmin.reduce(norms)))
            self.norm_high = float(np.fmax(self.norm_high, np.fmax.reduce(norms)))

    def finish(self) -> None:
        """Report what is suspicious."""
        for finding in self._suspicious():
            self.report(finding)

    def _suspicious(self) -> Iterator[Finding]:
        if self._short:
            expected = f"recordings of at least {SHORTEST_S:g} s"
            yield _warning("very short", expected, self._short, "leave them out, or check the source")
        if self._without_gesture_phase:
            cut = self._last in self._without_gesture_phase
            remedy = "the source may be cut off in its last sequence" if cut else "leave them out of training"
            expected = f"rows of the phase {PHASES[-1]!r} in every sequence"
            yield _warning("no gesture phase", expected, self._without_gesture_phase, remedy)
        subjects = self.subject_table
        if set(MEASURES) <= set(subjects.columns):
            unknown = self.subjects_without_demographics
            if unknown:
                remedy = "name the table of subjects, or put it beside the recordings: x_demographics.csv beside x.csv"
                yield _warning("no demographics", "demographics of every subject", unknown, remedy)
            yield from find_suspicious(subjects)
        yield from (_glitches(sensor) for sensor in self.sensors.values() if sensor.glitches)
        measured = {name for name, sensor in self.sensors.items() if sensor.missing_rows < sensor.rows}
        if measured & {"acc", "gyr", "quaternion"} == {"acc"}:
            found = "nothing tells how the device turns: accelerations are all that was measured of its motion"
            remedy = "answer them with a network that was trained to do without; others refuse them"
            yield Finding("accelerometer only", "note", "", found, remedy)


def _warning(kind: str, expected: str, names: list[str], remedy: str) -> Finding:
    return Finding(kind, "warning", expected, "none", remedy, names[0], len(names))


def _glitches(sensor: SensorCount) -> Finding:
    many = sensor.glitches > GLITCHES_TOLERATED * (sensor.rows - sensor.missing_rows)
    expected = f"{sensor.name} of at least {COLDEST_SKIN_DEG_C:g} {sensor.unit}"
    return Finding(
        f"glitches of {sensor.name}",
        "warning" if many else "note",
        expected,
        f"{sensor.low:.1f}",
        "leave these readings empty if they are many",
        count=sensor.glitches,
    )
