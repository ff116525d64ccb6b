"""Check: what is in a source, and what is wrong with it.

The strict readers stop at the first error; this goes on, through the same checks, and counts, batch by batch.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import polars as pl

from bfrb.arrays import Array, Bools
from bfrb.errors import DataError
from bfrb.read.demographics import MEASURES, SUBJECT
from bfrb.read.findings import Finding, Findings, Severity
from bfrb.read.quality import Suspicion, find_suspicions, say_posture
from bfrb.read.sources import open_source
from bfrb.study.device import Device, Sensor
from bfrb.study.labels import PHASES
from bfrb.study.recordings import Progress, Recordings

Verdict = Literal["fine", "usable with warnings", "unusable"]

_SHORTEST_S = 1.0
_ADULT_AGE = 18
_ARM_OF_HEIGHT = (0.24, 0.37)
"""Credible length of an arm, shoulder to wrist, as a share of the height."""
_COLDEST_SKIN_DEG_C, _GLITCHES_TOLERATED = 18.0, 0.01
"""Thermopiles that read less are taken for glitches, which are only noted up to this share of a sensor's readings."""
_JUDGED_ROWS = 300_000
"""So many rows, from the first on, are held against the physics of a wrist."""


@dataclass
class SensorCount:
    """Rows and recordings in which a sensor, or one of several of its kind, measured, its range, and its glitches."""

    unit: str
    rows: int = 0
    missing_rows: int = 0
    missing_recordings: int = 0
    low: float = np.inf
    high: float = -np.inf
    glitches: int = 0

    def add(self, values: Array, absent: Bools, measured: Bools) -> None:
        """Count (N, channels) readings, where there are none, and (R,) in which recordings there are some."""
        self.rows += len(values)
        self.missing_rows += int(absent.all(axis=1).sum())
        self.missing_recordings += int((~measured).sum())
        given = values[~absent]
        if len(given):
            self.low, self.high = min(self.low, float(given.min())), max(self.high, float(given.max()))
        if self.unit == "degC":
            self.glitches += int((given < _COLDEST_SKIN_DEG_C).sum())

    def to_dict(self) -> dict[str, object]:
        """The counts as plain values."""
        low, high = (self.low, self.high) if self.low <= self.high else (None, None)
        told = {"unit": self.unit, "missing_share": self.missing_rows / max(self.rows, 1), "low": low, "high": high}
        return told | {"recordings_without": self.missing_recordings, "glitches": self.glitches}


@dataclass
class Census:
    """Counts of recordings, subjects, labels and readings."""

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
        tables = self._subjects or [pl.DataFrame(schema={SUBJECT: pl.String} | dict.fromkeys(MEASURES, pl.Float32))]
        return pl.concat(tables, how="diagonal_relaxed").unique(SUBJECT, keep="first", maintain_order=True)

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
        self._short += table["id"].filter(pl.Series(lengths < _SHORTEST_S * recordings.device.row_rate_hz)).to_list()
        self._last = recordings.ids[-1]
        known = [SUBJECT, *(name for name in MEASURES if name in table.columns)]
        self._subjects.append(table.select(known).unique(SUBJECT, keep="first", maintain_order=True))
        self._add_labels(recordings)
        for sensor in recordings.device.sensors:
            self._add_sensor(sensor, recordings)

    def _add_labels(self, recordings: Recordings) -> None:
        if "gesture" in recordings.table.columns:
            self.gestures.update(name or "(no label)" for name in recordings.table["gesture"])
        elif (label := recordings.annotations.get("gesture")) is not None:
            names = ("(no label)", *label.names)
            counts = np.bincount(label.codes + 1, minlength=len(names)).tolist()
            self.gestures.update({f"{name} (rows)": count for name, count in zip(names, counts, strict=True) if count})
        if (phase := recordings.annotations.get("phase")) is not None:
            some = np.logical_or.reduceat(phase.codes == len(PHASES) - 1, recordings.offsets[:-1])
            self._without_gesture_phase += recordings.table["id"].filter(pl.Series(~some)).to_list()

    def _add_sensor(self, sensor: Sensor, recordings: Recordings) -> None:
        values = recordings.sensors[sensor.name].reshape(recordings.n_rows, sensor.pieces, -1)
        absent, measured = sensor.is_absent(values), recordings.measured_pieces(sensor.name)
        for piece in range(sensor.pieces):
            name = sensor.name if sensor.pieces == 1 else f"{sensor.name} {piece + 1}"
            count = self.sensors.setdefault(name, SensorCount(sensor.unit))
            count.add(values[:, piece], absent[:, piece], measured[:, piece])
        if sensor.unit_norm:
            norms = np.linalg.norm(values[:, 0], axis=1)
            self.norm_low = float(np.fmin(self.norm_low, np.fmin.reduce(norms)))
            self.norm_high = float(np.fmax(self.norm_high, np.fmax.reduce(norms)))

    def suspicious(self) -> Iterator[Finding]:
        """What is possible, and not credible."""
        if self._short:
            yield _warning("very short", f"recordings of at least {_SHORTEST_S:g} s", self._short, "leave them out")
        if self._without_gesture_phase:
            cut = self._last in self._without_gesture_phase
            remedy = "the source may be cut off in its last sequence" if cut else "leave them out of training"
            expected = f"rows of the phase {PHASES[-1]!r} in every sequence"
            yield _warning("no gesture phase", expected, self._without_gesture_phase, remedy)
        yield from self._suspicious_subjects()
        for name, sensor in self.sensors.items():
            if count := sensor.glitches:
                many = count > _GLITCHES_TOLERATED * (sensor.rows - sensor.missing_rows)
                severity: Severity = "warning" if many else "note"
                expected, found = f"{name} of at least {_COLDEST_SKIN_DEG_C:g} {sensor.unit}", f"{sensor.low:.1f}"
                remedy = "leave them empty if many"
                yield Finding(f"glitches of {name}", severity, expected, found, remedy, count=count)
        measured = {name for name, sensor in self.sensors.items() if sensor.missing_rows < sensor.rows}
        if measured & {"acc", "gyr", "quaternion"} == {"acc"}:
            found = "nothing tells how the device turns: accelerations are all that was measured of its motion"
            remedy = "answer them with a network that was trained to do without; others refuse them"
            yield Finding("accelerometer only", "note", "", found, remedy)

    def _suspicious_subjects(self) -> Iterator[Finding]:
        subjects = self.subject_table
        if not set(MEASURES) <= set(subjects.columns):
            return
        if unknown := self.subjects_without_demographics:
            remedy = "name the table of subjects, or put it beside the recordings: x_demographics.csv beside x.csv"
            yield _warning("no demographics", "demographics of every subject", unknown, remedy)
        age_fits = (pl.col("age") >= _ADULT_AGE) == (pl.col("adult_child") == 1)
        arm_fits = (pl.col("shoulder_to_wrist_cm") / pl.col("height_cm")).is_between(*_ARM_OF_HEIGHT)
        arm_fits &= pl.col("elbow_to_wrist_cm") < pl.col("shoulder_to_wrist_cm")
        for kind, expected, fits in (
            ("age and adult_child", f"adults, and only adults, aged {_ADULT_AGE} or more", age_fits),
            ("arm length", f"arms of {_ARM_OF_HEIGHT[0]} to {_ARM_OF_HEIGHT[1]} of the height", arm_fits),
        ):
            if names := subjects.filter(~fits)[SUBJECT].sort().to_list():
                yield _warning(kind, expected, names, "correct the table of subjects if it is wrong", "another value")


def _warning(kind: str, expected: str, names: list[str], remedy: str, found: str = "none") -> Finding:
    return Finding(kind, "warning", expected, found, remedy, names[0], len(names))


@dataclass(frozen=True)
class CheckReport:
    """What a check found: the source in a line, its device, what there is (as far as it could be read), what is wrong.

    `posture` says how the arm was held, in words; None where that cannot be told.
    """

    source: str
    device: Device
    simulated: bool
    census: Census
    findings: tuple[Finding, ...]
    posture: str | None = None

    @property
    def verdict(self) -> Verdict:
        """`"unusable"` exactly if the strict reader refuses the source."""
        severities = {finding.severity for finding in self.findings}
        return "unusable" if "error" in severities else "usable with warnings" if "warning" in severities else "fine"

    @property
    def exit_code(self) -> int:
        """0, 1 or 2: fine, usable with warnings, unusable."""
        return ("fine", "usable with warnings", "unusable").index(self.verdict)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values for JSON."""
        census = self.census
        return {
            "source": self.source,
            "verdict": self.verdict,
            "device": self.device.name,
            "simulated": self.simulated,
            "recordings": census.recordings,
            "rows": census.rows,
            "subjects": census.subject_table.height,
            "subjects_without_demographics": census.subjects_without_demographics,
            "shortest_rows": census.shortest,
            "longest_rows": census.longest,
            "gestures": dict(sorted(census.gestures.items())),
            "quaternion_norm": [census.norm_low, census.norm_high] if census.norm_low <= census.norm_high else None,
            "sensors": [{"name": name} | sensor.to_dict() for name, sensor in census.sensors.items()],
            "posture": self.posture,
            "findings": [
                {"severity": one.severity, "kind": one.kind, "count": one.count}
                | {"what": one.sentence, "remedy": one.remedy}
                for one in self.findings
            ],
        }


def check(
    path: Path | str,
    *,
    description: str = "auto",
    demographics: Path | str | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    """Look through a source, in bounded memory; parameters, and errors if there is nothing, as of `open_source`."""
    findings, census = Findings(), Census()
    source = open_source(path, description, demographics, findings)
    judged: list[Recordings] = []
    suspicions: dict[str, Suspicion] = {}
    try:
        for batch in source.batches(progress=progress):
            census.add(batch)
            suspicions = {found.kind: found for found in find_suspicions(batch) if found.fatal} | suspicions
            if sum(one.n_rows for one in judged) < _JUDGED_ROWS:
                judged.append(batch)
    except DataError as error:
        findings(Finding("unreadable", "error", "", error.problem, error.remedy))
    for finding in census.suspicious():
        findings(finding)
    posture = None
    if judged:
        together, judged = Recordings.concat(judged), []
        posture = say_posture(together)
        suspicions |= {found.kind: found for found in find_suspicions(together)}
    for found in suspicions.values():
        findings(Finding(found.kind, "warning", "", found.problem, found.remedy, refused=found.fatal))
    return CheckReport(source.describe(), source.device, source.simulated, census, tuple(findings), posture)
