"""Annotations: what the wearer did, from when to when, as every program writes it.

Read are: this package's own CSV (`bfrb view`), BIDS `events.tsv`, BORIS (aggregated and tabular), ELAN (`.eaf` and
tab-delimited), Label Studio's JSON, and Sensor Logger's `Annotation.csv`. Which of them a file is, its content tells.
"""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Floats
from bfrb.errors import DataError
from bfrb.study.description import LabelsSpec

CLOCK_S = 1e8
"""Times from here on are those of a clock, in seconds since 1970; smaller ones count from the recording's beginning."""

Row = Mapping[str, str]


@dataclass(frozen=True)
class Interval:
    """Something that the wearer did."""

    start_s: float
    """Of a clock, or since the recording began."""
    end_s: float | None
    """A point, such as the press of a button, has no end."""
    label: str
    recording: str = ""
    """Its id, an empty text where the file does not say."""
    note: str = ""


def read_intervals(path: Path) -> list[Interval]:
    """All intervals of a file of annotations, in the order of their beginning.

    Raises `DataError` if it is no such file, or a time or a label in it cannot be used.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected annotations as text, but {error}", remedy="export them again") from None
    try:
        found = list(_read(path, text))
    except (ValueError, KeyError, TypeError, AttributeError, csv.Error, ElementTree.ParseError) as error:
        raise DataError(f"{path}: cannot be read as annotations: {error}", remedy="export them again") from None
    for interval in found:
        if interval.end_s is not None and not interval.start_s < interval.end_s:
            told = f"{path}: {interval.label!r} from {interval.start_s:g} s to {interval.end_s:g} s"
            remedy = "correct it; what happens at one moment has no end"
            raise DataError(f"{told} ends before it begins", remedy=remedy)
    return sorted(found, key=lambda interval: interval.start_s)


def label_samples(time_s: Floats, intervals: Iterable[Interval], spec: LabelsSpec) -> npt.NDArray[np.object_]:
    """(N,) The label of every sample, None where there is none; of two that overlap, the later one counts.

    The (N,) times are those of a clock, or since the recording began.
    """
    begin = float(time_s[0]) if len(time_s) else 0.0
    labels = np.full(len(time_s), "none" if spec.unlabelled == "none" else None, dtype=object)
    for interval in sorted(intervals, key=lambda found: found.start_s):
        start, end = interval.start_s, interval.end_s
        if end is None:
            start, end = start - spec.lateness_s, start
        origin = spec.offset_s + (0.0 if start >= CLOCK_S and begin >= CLOCK_S else begin)
        rows = slice(*np.searchsorted(time_s, [start + origin, end + origin]))
        labels[rows] = interval.label or None
    return labels


def _read(path: Path, text: str) -> Iterator[Interval]:
    if path.suffix.lower() == ".eaf" or text.lstrip().startswith("<"):
        return _read_eaf(text)
    if text.lstrip()[:1] in ("[", "{"):
        return _read_label_studio(text)
    separator = max("\t,;", key=text.partition("\n")[0].count)
    table = csv.DictReader(io.StringIO(text, newline=""), delimiter=separator)
    names = {name.strip().lower() for name in table.fieldnames or ()}
    rows = ({str(name).strip().lower(): (value or "").strip() for name, value in row.items() if name} for row in table)
    if {"behavior", "time"} <= names and names & {"behavior type", "status"}:
        return _read_boris_tabular(rows)
    for wanted, of_row in _TABLES.items():
        if set(wanted) <= names:
            return (found for found in map(of_row, rows) if found.label not in ("", "n/a"))
    shown = ", ".join(sorted(names)[:8]) or "nothing"
    problem = f"{path}: expected annotations of bfrb, BIDS, BORIS, ELAN, Label Studio or Sensor Logger, found {shown}"
    raise DataError(problem, remedy="write a table of recording, start, end (h:mm:ss since it began) and label")


def _number(text: str) -> float | None:
    return None if text in ("", "n/a", "NA") else float(text)


def _seconds(told: str) -> float:
    """Seconds of a number, of h:mm:ss since the recording began, or of a moment with its zone (ISO 8601)."""
    if found := re.match(r"(\d+):(\d\d):(\d\d(?:\.\d+)?)", told):
        return 3600 * int(found[1]) + 60 * int(found[2]) + float(found[3])
    if not re.match(r"\d{4}-\d", told):
        return float(told)
    moment = datetime.fromisoformat(told)
    if moment.tzinfo is None:
        raise ValueError(f"{told!r} lacks its zone, such as {told}+01:00")
    return moment.timestamp()


def _of_own(row: Row) -> Interval:
    start, end = row.get("start_s") or row["start"], row.get("end_s") or row.get("end")
    about = row.get("recording", ""), row.get("note", "")
    return Interval(_seconds(start), _seconds(end) if end else None, row["label"], *about)


def _of_bids(row: Row) -> Interval:
    start, lasts = float(row["onset"]), _number(row["duration"]) or 0.0
    return Interval(start, start + lasts if lasts > 0 else None, row["trial_type"])


def _of_boris(row: Row) -> Interval:
    start, stop = float(row["start (s)"]), _number(row["stop (s)"])
    about = row.get("observation id", ""), row.get("comment start", "")
    return Interval(start, stop if stop is not None and stop > start else None, row["behavior"], *about)


def _of_elan(row: Row) -> Interval:
    others = ("tier", "participant", "begin time", "end time", "duration", "file")
    labels = (value for name, value in row.items() if value and name not in others and " - " not in name)
    return Interval(_elan_seconds(row, "begin time"), _elan_seconds(row, "end time"), next(labels, ""))


def _elan_seconds(row: Row, word: str) -> float:
    """A time in one of the forms that ELAN offers, seconds before milliseconds before those of a clock."""
    given = {name.rpartition(" ")[2]: value for name, value in row.items() if name.startswith(word)}
    if "msec" in given and "ss.msec" not in given:
        return float(given["msec"]) / 1e3
    return _seconds(given.get("ss.msec") or next(iter(given.values())))


def _of_sensor_logger(row: Row) -> Interval:
    pressed_s, end_s = (_number(row.get("millisecond_press_duration", "")) or 0.0) / 1e3, float(row["time"]) * 1e-9
    return Interval(end_s - pressed_s, end_s if pressed_s else None, row["text"])


_TABLES: Mapping[Sequence[str], Callable[[Row], Interval]] = {
    ("start_s", "end_s", "label"): _of_own,
    ("start", "end", "label"): _of_own,
    ("onset", "duration", "trial_type"): _of_bids,
    ("behavior", "start (s)", "stop (s)"): _of_boris,
    ("time", "seconds_elapsed", "text"): _of_sensor_logger,
    ("tier", "begin time - ss.msec"): _of_elan,
    ("tier", "begin time - msec"): _of_elan,
    ("tier", "begin time - hh:mm:ss.ms"): _of_elan,
}
"""What makes an interval of a row of a table that has such columns."""


def _read_boris_tabular(rows: Iterable[Row]) -> Iterator[Interval]:
    """Rows that begin and end: of each behaviour of each subject, a stop belongs to the start before it."""
    started: dict[tuple[str, str], float] = {}
    for row in rows:
        kind = (row.get("behavior type") or row.get("status") or "").upper()
        key, time_s = (row.get("subject", ""), row["behavior"]), float(row["time"])
        if kind == "START":
            started[key] = time_s
        elif kind == "STOP" and key in started:
            yield Interval(started.pop(key), time_s, row["behavior"], row.get("observation id", ""))
        elif kind == "POINT":
            yield Interval(time_s, None, row["behavior"], row.get("observation id", ""))
        else:
            raise ValueError(f"{row['behavior']!r} at {time_s:g} s is {kind.lower() or 'nothing'} without a beginning")
    if started:
        (_, behaviour), time_s = next(iter(started.items()))
        raise ValueError(f"{behaviour!r} begins at {time_s:g} s and never ends")


def _read_eaf(text: str) -> Iterator[Interval]:
    root = ElementTree.fromstring(text)
    if root.tag != "ANNOTATION_DOCUMENT":
        raise ValueError(f"its root is {root.tag}, not ANNOTATION_DOCUMENT of ELAN")
    slots = {slot.get("TIME_SLOT_ID"): float(slot.get("TIME_VALUE", "nan")) / 1e3 for slot in root.iter("TIME_SLOT")}
    for tier in root.iter("TIER"):
        for found in tier.iter("ALIGNABLE_ANNOTATION"):
            start, end = slots[found.get("TIME_SLOT_REF1")], slots[found.get("TIME_SLOT_REF2")]
            label = (found.findtext("ANNOTATION_VALUE") or "").strip() or str(tier.get("TIER_ID"))
            yield Interval(start, end, label, note=str(tier.get("TIER_ID")))


def _read_label_studio(text: str) -> Iterator[Interval]:
    tasks: Any = json.loads(text)
    for task in tasks if isinstance(tasks, list) else [tasks]:
        source = next((str(value) for value in task.get("data", {}).values() if isinstance(value, str)), "")
        recording = Path(source).stem
        for annotation in task.get("annotations", []):
            for result in annotation.get("result", []):
                value = result["value"]
                if "timeserieslabels" in value:
                    start, end = (_label_studio_seconds(value[name]) for name in ("start", "end"))
                    for label in value["timeserieslabels"]:
                        yield Interval(start, None if value.get("instant") else end, label, recording)


def _label_studio_seconds(value: Any) -> float:
    """Times as numbers, of which clocks count in milliseconds, or as ISO 8601."""
    if isinstance(value, str):
        return datetime.fromisoformat(value.replace("Z", "+00:00")).timestamp()
    return float(value) / 1e3 if abs(float(value)) > 1e3 * CLOCK_S else float(value)


def merged(label: str | None, merge: Mapping[str, str]) -> str | None:
    """The class that a label becomes, None for unknown; 2.0 becomes what 2 becomes."""
    if label is None:
        return None
    return merge.get(label, merge.get(label.strip().removesuffix(".0"), label)) or None
