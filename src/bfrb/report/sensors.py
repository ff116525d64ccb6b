"""The section of a report on what the sensors add."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bfrb.metrics import bootstrap_difference
from bfrb.predict.evaluation import BOOTSTRAP_SEED
from bfrb.report import figures
from bfrb.report.ablation import Ablation, Effect, measure_effects
from bfrb.report.evaluation import Evaluation
from bfrb.report.parts import Cell, PageFigure, Section, make_data_table, show_figure
from bfrb.report.wording import SCENARIOS, count


def show_sensors(evaluation: Evaluation) -> Section:
    """What the proximity sensors add to the motion sensors and, where it was tried, what every sensor adds."""
    found = Section("sensors", "What the sensors add", "Sensors")
    words: tuple[str, ...] = ("There are motion sensors only, so there is no score without the others to compare.",)
    shown: list[PageFigure] = []
    tables = []
    if {"all", "imu"} <= set(evaluation.answers):
        rows = [_gain_row(evaluation, name) for name in ("all", "half", "imu") if name in evaluation.scores]
        columns = ("sensors", "score", "above motion only", "from", "to")
        words = (_tell_gain(rows[0]),)
        tables = [make_data_table("Scores by sensors; the interval is paired over people", columns, rows)]
        shown = [_show_gain_by_class(evaluation)]
        if len(evaluation.scores["all"].get("per_subject", {})) > 1:
            shown.append(_show_gain_by_subject(evaluation))
    hint = "What each sensor adds appears here when the recordings are given: --data DATA."
    notes = () if evaluation.context else (hint,)
    if evaluation.ablation is not None:
        effects = measure_effects(evaluation.ablation, evaluation.label_set)
        shown = [*_show_ablation(evaluation.ablation, effects), *shown]
        words, notes = (*words, *_tell_ablation(effects)), ()
    return replace(found, words=words, figures=tuple(shown), tables=tuple(tables), notes=notes)


def _show_ablation(ablation: Ablation, effects: list[Effect]) -> list[PageFigure]:
    if not effects:
        return []
    rows = [
        (effect.name, effect.score, effect.cost, *(effect.interval or (None, None)), effect.concerned)
        for effect in effects
    ]
    columns = ("what is left", "score", "lost", "from", "to", "recordings that had it")
    table = make_data_table("Score without each sensor; the interval is paired over people", columns, rows)
    figure = figures.plot_ablation({effect.name: (effect.cost, effect.interval) for effect in effects})
    return [show_figure(figure, "ablation", _describe_ablation(ablation), table)]


def _describe_ablation(ablation: Ablation) -> str:
    strangers = len(ablation) - ablation.known
    seen = f"{count(ablation.known, 'recording')} answered by the networks that never saw the person"
    new = f"{count(strangers, 'recording')} of new people by all networks"
    said = " and ".join(text for text, number in ((seen, ablation.known), (new, strangers)) if number)
    return (
        f"What the score loses when a sensor measures nothing: {said}. The networks are the same throughout: this is "
        "what a broken sensor costs, and networks trained without it may get over its loss."
    )


def _tell_ablation(effects: list[Effect]) -> tuple[str, ...]:
    """The losses that surely cost most, and those that surely help."""
    sure = sorted((one for one in effects if one.interval is not None), key=lambda one: -abs(one.cost))
    costly = [one for one in sure if one.interval and one.interval[0] > 0]
    better = [one for one in sure if one.interval and one.interval[1] < 0]
    told = []
    for beginning, found in (("The score falls most", costly), ("It rises", better)):
        if found:
            told.append(f"{beginning}: {', '.join(f'{one.name} ({-one.cost:+.3f})' for one in found[:3])}.")
    if not told and effects:
        told.append("Whether any single sensor adds to the score cannot be told from chance here.")
    return tuple(told)


def _gain_row(evaluation: Evaluation, scenario: str) -> tuple[Cell, ...]:
    score, motion = (float(evaluation.scores[name]["score"]) for name in (scenario, "imu"))
    low, high = None, None
    found = evaluation.answers[scenario]
    if scenario != "imu" and found.subjects is not None and len(set(found.subjects)) > 1:
        pair = (found.prediction, evaluation.answers["imu"].prediction)
        rng = np.random.default_rng(BOOTSTRAP_SEED)
        low, high = bootstrap_difference(found.truth, pair, found.subjects, rng, evaluation.label_set)
    return (SCENARIOS[scenario][0], score, None if scenario == "imu" else score - motion, low, high)


def _tell_gain(row: tuple[Cell, ...]) -> str:
    _, _, gain, low, high = row
    if not isinstance(gain, float):
        return ""
    told = f"Thermopiles and time of flight add {gain:+.3f} to the score of the motion sensors"
    if not isinstance(low, float) or not isinstance(high, float):
        return f"{told}."
    verdict = "a real gain" if low > 0 else "a real loss" if high < 0 else "which may be chance"
    return f"{told} (95 % interval {low:+.3f} to {high:+.3f}, paired over people): {verdict}."


def _show_gain_by_class(evaluation: Evaluation) -> PageFigure:
    every, motion = (evaluation.scores[name]["per_class"] for name in ("all", "imu"))
    rows = [(name, motion[name]["f1"], found["f1"], found["f1"] - motion[name]["f1"]) for name, found in every.items()]
    table = make_data_table("F1 by class and sensors", ("class", "motion only", "all sensors", "difference"), rows)
    caption = "F1 of every class with the motion sensors only (square) and with all sensors (circle)."
    return show_figure(figures.plot_gain_by_class(motion, every), "gain-classes", caption, table)


def _show_gain_by_subject(evaluation: Evaluation) -> PageFigure:
    every, motion = (evaluation.scores[name]["per_subject"] for name in ("all", "imu"))
    names = list(every)
    pairs = [(float(motion[name]["score"]), float(every[name]["score"])) for name in names]
    better = sum(after > before for before, after in pairs)
    rows = [(name, before, after, after - before) for name, (before, after) in zip(names, pairs, strict=True)]
    table = make_data_table("Score by person and sensors", ("person", "motion only", "all sensors", "difference"), rows)
    caption = (
        f"Each point is a person; {better} of {len(names)} are better recognised with all sensors (above the line)."
    )
    figure = figures.plot_gain_by_subject(names, [before for before, _ in pairs], [after for _, after in pairs])
    return show_figure(figure, "gain-people", caption, table, narrow=True)
