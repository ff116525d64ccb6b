"""`bfrb calibrate`: when a bundle takes answers for an event, chosen on people its networks had not seen."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bfrb.cli.options import Dataset
from bfrb.cli.show import print_json, print_table, progress

if TYPE_CHECKING:
    from bfrb.stream.events import EventRule
    from bfrb.stream.listen import AnnotatedRecording
    from bfrb.study.labels import LabelSet

log = logging.getLogger(__name__)

_SHOWN = (
    "sensitivity",
    "precision",
    "false_alarms_per_hour",
    "median_delay_s",
    "auc",
    "auc_mean_subject",
    "average_precision",
)


def calibrate(
    bundle: Annotated[Path, typer.Argument(help="A bundle trained on continuous recordings.")],
    data: Annotated[Path, typer.Argument(help="Labelled continuous recordings, such as those it was trained on.")],
    out: Annotated[
        Path | None, typer.Option(help="Where the bundle with thresholds shall be; none: scores only.")
    ] = None,
    false_alarms: Annotated[float, typer.Option(min=0.0, help="False alarms per hour that are put up with.")] = 6.0,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key=value of the event rule, such as merge_s=5.")
    ] = None,
    dataset: Dataset = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bundle that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print scores and rule as one JSON object.")] = False,
) -> None:
    """Choose thresholds for a rate of false alarms, and score events on whole recordings.

    People of the bundle's training are answered by the networks that had not seen them, and judged by thresholds that
    were chosen on the others.
    """
    from bfrb.predict.bundle import Bundle
    from bfrb.read.stretches import iter_stretches
    from bfrb.stream.calibrate import SPEC, fit_rule, write_with_rule
    from bfrb.stream.events import EventRule
    from bfrb.stream.listen import listen_held_out

    opened, spec = Bundle.open(bundle), SPEC.updated(set_ or [])
    with progress("listening") as show:
        stretches = iter_stretches(data, opened.device, dataset, show, opened.manifest.rows)
        recordings = listen_held_out(opened, stretches, EventRule(spec=spec))
    rule = fit_rule(recordings, opened.label_set, false_alarms, spec)
    rule = rule.model_copy(update={"simulated": rule.simulated or opened.manifest.simulated})
    scores = _score(recordings, opened.label_set, false_alarms, rule)
    if as_json:
        print_json(scores | {"source": str(data), "rule": rule.model_dump(mode="json")})
    else:
        _show_scores(scores)
        _show_rule(rule)
    if out is None:
        log.info("next, to keep this rule: bfrb calibrate %s %s --out NEW_BUNDLE", bundle, data)
    else:
        write_with_rule(opened, rule, out, overwrite=overwrite)
        log.info("wrote %s; next: bfrb detect %s RECORDING --out events.csv", out, out)


def _score(
    recordings: list[AnnotatedRecording], labels: LabelSet, false_alarms: float, rule: EventRule
) -> dict[str, Any]:
    """Scores by rules from other people; with one person only how much there was."""
    from bfrb.stream.event_scores import rules_from_others, score_events, sensitivity_curve

    if rule.subjects == 1:
        log.warning("note: no scores: they need thresholds that come from other people, and this is one person")
        hours, episodes = sum(one.seconds for one in recordings) / 3600, sum(len(one.episodes) for one in recordings)
        return {"subjects": 1, "hours": hours, "episodes": episodes, "simulated": rule.simulated}
    rules = rules_from_others(recordings, labels, false_alarms, rule.spec)
    scores = score_events(recordings, rules, labels)
    return scores | {"simulated": rule.simulated, "curve": sensitivity_curve(recordings, rules, labels)}


def _show_scores(scores: dict[str, Any]) -> None:
    """Tables of the scores of events."""
    title = f"Events in {scores['hours']:.1f} hours of {scores['subjects']} people, {scores['episodes']} episodes"
    if scores["simulated"]:
        title += " (SIMULATED)"
    shown = [name for name in _SHOWN if name in scores]
    rows = [(name.replace("_", " "), scores[name]["value"], _interval(scores[name]["interval"])) for name in shown]
    print_table(title, ("score", "value", "95 %"), rows)
    kinds = _SHOWN[:4]
    subjects = [
        (name, found["episodes"], *(found[kind] for kind in kinds))
        for name, found in scores.get("per_subject", {}).items()
    ]
    if subjects:
        print_table("By subject", ("subject", "episodes", *(kind.replace("_", " ") for kind in kinds)), subjects)


def _interval(interval: tuple[float, float] | None) -> str | None:
    return None if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def _show_rule(rule: EventRule) -> None:
    spec = rule.spec
    rows = [
        ("an event begins to count at", f"{spec.on:g}", "on"),
        ("it reaches as far as", f"{spec.off:g}", "off"),
        ("probabilities are smoothed over", f"{spec.smoothing_s:g} s", "smoothing_s"),
        ("events at most so far apart are one", f"{spec.merge_s:g} s", "merge_s"),
        ("shorter ones are dropped", f"{spec.minimum_s:g} s", "minimum_s"),
        ("after one, none begins for", f"{spec.refractory_s:g} s", "refractory_s"),
    ]
    print_table(f"The rule: {rule.note}", ("", "value", "key"), rows)
