"""What the sensors add."""

from __future__ import annotations

from collections.abc import Sequence

from bfrb.metrics import Interval, difference_interval, excludes_zero
from bfrb.report import figures
from bfrb.report.ablation import Ablation, Effect
from bfrb.report.collect import Evaluation
from bfrb.report.section import Cell, DataTable, PageFigure, Section, count
from bfrb.report.summary import SCENARIOS


def show_sensors(evaluation: Evaluation) -> Section:
    """What the proximity sensors add to the motion sensors and, where it was tried, what every sensor adds."""
    words = ["There are motion sensors only, so there is no score without the others to compare."]
    shown: list[PageFigure] = []
    tables: list[DataTable] = []
    if {"all", "imu"} <= set(evaluation.answers):
        gains = {name: _gain(evaluation, name) for name in evaluation.answers if name != "imu"}
        words, tables = [_tell_gain(*gains["all"])], [_gain_table(evaluation, gains)]
    notes = ["What each sensor adds appears here when the recordings are given: --data DATA."]
    if evaluation.ablation is not None:
        shown = _show_ablation(evaluation.ablation, evaluation.given_simulated)
        words += _tell_ablation(evaluation.ablation.effects)
    if evaluation.ablation is not None or evaluation.matched is not None:
        notes = []
    return Section("sensors", "What the sensors add", "Sensors", words, shown, tables, notes)


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


def _show_ablation(ablation: Ablation, simulated: bool) -> list[PageFigure]:
    effects = ablation.effects
    if not effects:
        return []
    rows = [(one.name, one.score, one.cost, *(one.interval or (None, None)), one.concerned) for one in effects]
    columns = ("what is left", "score", "lost", "from", "to", "recordings that had it")
    table = DataTable("Score without each sensor; the interval is paired over people", columns, rows)
    figure = figures.plot_ablation({one.name: (one.cost, one.interval) for one in effects})
    strangers = ablation.recordings - ablation.known
    seen = f"{count(ablation.known, 'recording')} answered by the networks that never saw the person"
    new = f"{count(strangers, 'recording')} of new people by all networks"
    said = " and ".join(text for text, number in ((seen, ablation.known), (new, strangers)) if number)
    caption = (
        f"What the score loses when a sensor measures nothing, a circle where that is not chance: {said}. The networks "
        "are the same throughout: this is what a broken sensor costs, and networks trained without it may get over it."
    )
    return [PageFigure("sensor-losses", figure, caption, table, simulated=simulated)]


def _tell_ablation(effects: Sequence[Effect]) -> list[str]:
    """The losses that surely cost most, and those that surely help."""
    sure = sorted((one for one in effects if excludes_zero(one.interval)), key=lambda one: -abs(one.cost))
    told = []
    for beginning, sign in (("The score falls most", 1), ("It rises", -1)):
        found = [f"{one.name} ({-one.cost:+.3f})" for one in sure if sign * one.cost > 0]
        if found:
            told.append(f"{beginning}: {', '.join(found[:3])}.")
    if not told and effects:
        told.append("Whether any single sensor adds to the score cannot be told from chance here.")
    return told
