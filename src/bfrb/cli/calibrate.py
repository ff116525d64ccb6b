"""`bfrb calibrate`: when a bundle takes answers for an event, chosen on people its networks had not seen."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bfrb.cli.options import Anyway, AsJson, DescriptionName, Overwrite, RuleChanges
from bfrb.cli.show import ShownTable, print_result, progress

if TYPE_CHECKING:
    from bfrb.stream.events import EventRule
    from bfrb.stream.listen import AnnotatedRecording
    from bfrb.study.labels import LabelSet

log = logging.getLogger(__name__)


def calibrate(
    bundle: Annotated[Path, typer.Argument(help="A bundle trained on continuous recordings.")],
    data: Annotated[Path, typer.Argument(help="Labelled continuous recordings, such as those it was trained on.")],
    out: Annotated[
        Path | None, typer.Option(help="Where the bundle with thresholds shall be; none: scores only.")
    ] = None,
    false_alarms: Annotated[float, typer.Option(min=0.0, help="False alarms per hour that are put up with.")] = 6.0,
    set_: RuleChanges = None,
    description: DescriptionName = "auto",
    anyway: Anyway = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Choose thresholds for a rate of false alarms, and score events on whole recordings.

    People of the bundle's training are answered by the networks that had not seen them, and judged by thresholds that
    were chosen on the others.
    """
    from bfrb.predict.bundle import Bundle, copying_bundle
    from bfrb.read.stretches import iter_stretches
    from bfrb.stream.calibrate import SPEC, fit_rule
    from bfrb.stream.events import EventRule
    from bfrb.stream.listen import listen_held_out

    opened, spec = Bundle.open(bundle), SPEC.updated(set_ or [])
    with progress("listening") as show:
        stretches = iter_stretches(data, opened.device, description, show, opened.manifest.rows)
        recordings = listen_held_out(opened, stretches, EventRule(spec=spec), anyway=anyway)
    rule = fit_rule(recordings, opened.label_set, false_alarms, spec)
    rule = rule.model_copy(update={"simulated": rule.simulated or opened.manifest.simulated})
    scores = _score(recordings, opened.label_set, false_alarms, rule)
    about = scores | {"source": str(data), "rule": rule.model_dump(mode="json")}
    print_result(about, as_json, *_score_tables(scores), _rule_table(rule))
    if out is None:
        log.info("next, to keep this rule: bfrb calibrate %s %s --out NEW_BUNDLE", bundle, data)
    else:
        with copying_bundle(opened, out, overwrite=overwrite) as folder:
            rule.write(folder)
        log.info("wrote %s; next: bfrb detect %s RECORDING --out events.csv", out, out)


def _score(
    recordings: list[AnnotatedRecording], labels: LabelSet, false_alarms: float, rule: EventRule
) -> dict[str, Any]:
    """Scores by rules from other people; with one person only how much there was."""
    from bfrb.stream.calibrate import rules_from_others, score_events, sensitivity_curve

    if rule.subjects == 1:
        log.warning("note: no scores: they need thresholds that come from other people, and this is one person")
        hours, episodes = sum(one.seconds for one in recordings) / 3600, sum(len(one.episodes) for one in recordings)
        return {"subjects": 1, "hours": hours, "episodes": episodes, "simulated": rule.simulated}
    rules = rules_from_others(recordings, labels, false_alarms, rule.spec)
    scores = score_events(recordings, rules, labels)
    return scores | {"simulated": rule.simulated, "curve": sensitivity_curve(recordings, rules, labels)}


def _score_tables(scores: dict[str, Any]) -> Iterator[ShownTable]:
    from bfrb.metrics import EVENT_SCORES

    title = f"Events in {scores['hours']:.1f} hours of {scores['subjects']} people, {scores['episodes']} episodes"
    shown = [name for name in (*EVENT_SCORES, "auc", "auc_mean_subject", "average_precision") if name in scores]
    rows = [(name.replace("_", " "), scores[name]["value"], _interval(scores[name]["interval"])) for name in shown]
    yield title + " (SIMULATED)" * scores["simulated"], ("score", "value", "95 %"), rows
    if "per_subject" in scores:
        kinds = ("episodes", *EVENT_SCORES)
        subjects = [(name, *(found[kind] for kind in kinds)) for name, found in scores["per_subject"].items()]
        yield "By subject", ("subject", *(kind.replace("_", " ") for kind in kinds)), subjects


def _interval(interval: tuple[float, float] | None) -> str | None:
    return None if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def _rule_table(rule: EventRule) -> ShownTable:
    spec = rule.spec
    rows = [
        ("an event begins to count at", f"{spec.on:g}", "on"),
        ("it reaches as far as", f"{spec.off:g}", "off"),
        ("probabilities are smoothed over", f"{spec.smoothing_s:g} s", "smoothing_s"),
        ("events at most so far apart are one", f"{spec.merge_s:g} s", "merge_s"),
        ("shorter ones are dropped", f"{spec.minimum_s:g} s", "minimum_s"),
        ("after one, none begins for", f"{spec.refractory_s:g} s", "refractory_s"),
    ]
    return f"The rule: {rule.note}", ("", "value", "key"), rows
