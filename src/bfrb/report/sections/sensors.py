"""What the sensors add."""

from __future__ import annotations

from collections.abc import Sequence

from bfrb.metrics import Interval, difference_interval, excludes_zero
from bfrb.report.collect import Evaluation
from bfrb.report.section import Cell, DataTable, Section
from bfrb.report.summary import SCENARIOS


def show_sensors(evaluation: Evaluation) -> Section:
    """What the proximity sensors add to the motion sensors."""
    words = ["There are motion sensors only, so there is no score without the others to compare."]
    tables: list[DataTable] = []
    if {"all", "imu"} <= set(evaluation.answers):
        gains = {name: _gain(evaluation, name) for name in evaluation.answers if name != "imu"}
        words, tables = [_tell_gain(*gains["all"])], [_gain_table(evaluation, gains)]
    return Section("sensors", "What the sensors add", "Sensors", words, tables=tables)


def _gain(evaluation: Evaluation, scenario: str) -> tuple[float, Interval | None]:
    """How much a scenario scores above the motion sensors only, and the interval of that."""
    found, motion = evaluation.answers[scenario], evaluation.answers["imu"]
    gain = evaluation.scores[scenario]["score"] - evaluation.scores["imu"]["score"]
    if found.subjects is None:
        return gain, None
    pair = (found.prediction, motion.prediction)
    return gain, difference_interval(found.truth, pair, found.subjects, evaluation.label_set)


def _gain_table(evaluation: Evaluation, gains: dict[str, tuple[float, Interval | None]]) -> DataTable:
    rows: list[Sequence[Cell]] = [
        (SCENARIOS.get(name, (name,))[0], evaluation.scores[name]["score"], gain, *(interval or (None, None)))
        for name, (gain, interval) in gains.items()
    ]
    rows.append((SCENARIOS["imu"][0], evaluation.scores["imu"]["score"], None, None, None))
    columns = ("sensors", "score", "above motion only", "from", "to")
    return DataTable("Scores by sensors; the interval is paired over people", columns, rows)


def _tell_gain(gain: float, interval: Interval | None) -> str:
    told = f"Thermopiles and time of flight add {gain:+.3f} to the score of the motion sensors"
    if interval is None:
        return f"{told}."
    verdict = "which may be chance" if not excludes_zero(interval) else "a real gain" if gain > 0 else "a real loss"
    return f"{told} (95 % interval {interval[0]:+.3f} to {interval[1]:+.3f}, paired over people): {verdict}."
