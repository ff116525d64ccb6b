"""The section of a report on episodes in continuous recordings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from bfrb.metrics.events import EventCounts
from bfrb.reports import figures
from bfrb.reports.episodes import Heard, Listening
from bfrb.reports.parts import Cell, DataTable, PageFigure, Section, make_data_table, show_figure
from bfrb.reports.wording import count, percent

MOST_TIMELINES = 3
"""Recordings whose time line is drawn: those with the most episodes."""


def show_events(listening: Listening) -> Section:
    """What is found when the bundle listens, at what price, how soon, and when."""
    shown = [_show_curve(listening)]
    if listening.total.delays_s:
        shown.append(_show_delays(listening))
    ranked = sorted(range(len(listening.heard)), key=lambda number: -len(listening.heard[number].episodes))
    shown += [
        _show_timeline(listening, number) for number in ranked[:MOST_TIMELINES] if listening.heard[number].episodes
    ]
    return Section(
        "events", "What it finds when it listens", "Events", _tell(listening), tuple(shown), _tables(listening)
    )


def _tell(listening: Listening) -> tuple[str, ...]:
    total, subjects = listening.total, len(listening.by_subject)
    hours = f"{total.hours:.1f} hours of {count(subjects, 'person', 'people')}"
    told = [f"It listened to {hours} as to a stream, {_who(listening)}. An event that overlaps an episode finds it."]
    found = (
        f"It found {total.found} of {count(total.episodes, 'episode')} ({_share(total.sensitivity)}"
        f"{_limits(listening.sensitivity_interval, percent)}) and raised {total.false_alarms_per_hour:.1f} false "
        f"alarms an hour{_limits(listening.false_alarm_interval, lambda value: f'{value:.1f}', ' (', ')')}."
    )
    told.append(found)
    if total.median_delay_s is not None:
        told.append(f"Half of the episodes found were known within {total.median_delay_s:.0f} s of their begin.")
    return (*told, _tell_rule(listening))


def _share(value: float | None) -> str:
    return "none" if value is None else percent(value)


def _limits(
    interval: tuple[float, float] | None, show: Callable[[float], str], before: str = ", ", after: str = ""
) -> str:
    if interval is None:
        return ""
    return f"{before}95 % interval {show(interval[0])} to {show(interval[1])}{after}"


def _who(listening: Listening) -> str:
    strangers = len(listening.heard) - listening.known
    if not strangers:
        return "each person by networks that never saw them"
    return "by all networks" if not listening.known else "known people by networks that never saw them, others by all"


def _tell_rule(listening: Listening) -> str:
    rule = listening.rule
    spec = f"on {rule.spec.on:g}, off {rule.spec.off:g}, smoothed over {rule.spec.smoothing_s:g} s"
    if rule.subjects is None:
        return f"The rule ({spec}) is the default: it was not chosen on data."
    wanted = "" if rule.false_alarms_per_hour is None else f" for {rule.false_alarms_per_hour:g} false alarms an hour"
    return (
        f"The rule ({spec}) was chosen{wanted} on held-out answers for {count(rule.subjects, 'person', 'people')}; if "
        "they are among these, the numbers are somewhat too good."
    )


def _tables(listening: Listening) -> tuple[DataTable, ...]:
    columns = ("person", "episodes", "found", "events", "right", "false alarms an hour", "median delay, s", "hours")
    rows = [(name, *_cells(counts)) for name, counts in sorted(listening.by_subject.items())]
    rows.append(("everybody", *_cells(listening.total)))
    return (make_data_table("Episodes and events by person", columns, rows),)


def _cells(counts: EventCounts) -> tuple[Cell, ...]:
    numbers = (counts.episodes, counts.found, counts.events, counts.right)
    delay = None if counts.median_delay_s is None else f"{counts.median_delay_s:.1f}"
    return (*numbers, f"{counts.false_alarms_per_hour:.2f}", delay, f"{counts.hours:.2f}")


def _show_curve(listening: Listening) -> PageFigure:
    points = [(on, found) for on, found in listening.curve if found.sensitivity is not None]
    total = listening.total
    figure = figures.plot_detection(
        [found.false_alarms_per_hour for _, found in points],
        [found.sensitivity or 0.0 for _, found in points],
        (total.false_alarms_per_hour, total.sensitivity or 0.0),
    )
    rows = [(f"{on:.2f}", found.sensitivity, found.false_alarms_per_hour, found.median_delay_s) for on, found in points]
    columns = ("threshold", "share found", "false alarms an hour", "median delay, s")
    table = make_data_table("What other thresholds would give", columns, rows)
    caption = "Share of the episodes that are found, and the false alarms an hour that come with it, by threshold."
    return show_figure(figure, "detection", caption, table, narrow=True)


def _show_delays(listening: Listening) -> PageFigure:
    delays_s = sorted(listening.total.delays_s)
    rows = [(f"{100 * share:.0f} %", float(np.quantile(delays_s, share))) for share in (0.1, 0.25, 0.5, 0.75, 0.9)]
    table = make_data_table("Seconds until so many of the episodes found were known", ("share", "seconds"), rows)
    caption = "From the begin of an episode until an event was known that covers it, for the episodes found."
    return show_figure(figures.plot_delays(delays_s), "delays", caption, table, narrow=True)


def _show_timeline(listening: Listening, number: int) -> PageFigure:
    heard, events = listening.heard[number], listening.events[number]
    figure = figures.plot_timeline(
        heard.answers.middle_s,
        _any_target(listening, heard),
        listening.rule.spec.on,
        [(one.start_s, one.end_s) for one in heard.episodes],
        [(one.start_s, one.end_s) for one in events],
    )
    labelled = [("labelled", one.start_s, one.end_s, one.label, None) for one in heard.episodes]
    reported = [("reported", one.start_s, one.end_s, one.label, one.confidence) for one in events]
    rows = sorted([*labelled, *reported], key=lambda row: row[1])
    columns = ("what", "from, s", "to, s", "behaviour", "confidence")
    table = make_data_table(f"Episodes and events of {heard.id}", columns, rows)
    caption = (
        f"Recording {heard.id} of {heard.subject}: probability of any behaviour, window by window, with the threshold "
        "that its smoothed course has to reach; below, what was labelled and what was reported."
    )
    return show_figure(figure, f"timeline-{number}", caption, table)


def _any_target(listening: Listening, heard: Heard) -> npt.NDArray[np.float64]:
    calibrated = listening.rule.calibrate(heard.answers.probabilities, listening.label_set)
    summed: npt.NDArray[np.float64] = calibrated[:, listening.label_set.is_target].sum(axis=1)
    return summed
