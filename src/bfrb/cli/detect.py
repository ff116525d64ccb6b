"""`bfrb detect` and `bfrb calibrate`: behaviours in recordings of hours or weeks, and when answers are an event."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from bfrb.cli import options
from bfrb.cli.show import ShownTable, interval_text, print_result, progress
from bfrb.errors import DataError

if TYPE_CHECKING:
    from bfrb.cluster.answering import Note
    from bfrb.predict.bundle import Bundle
    from bfrb.read.tables import Table
    from bfrb.stream.events import EventRule
    from bfrb.stream.listen import AnnotatedRecording, Detections, Summary
    from bfrb.stream.samples import StreamCounts
    from bfrb.study.labels import LabelSet

log = logging.getLogger(__name__)


def detect(
    bundle: options.BundleFolder,
    recording: Annotated[Path, Argument(help="A table of samples with times, a store, a file or a folder.")],
    out: Annotated[Path, Option(help="Where the events shall be: a .csv or .parquet file.")],
    probabilities: Annotated[Path | None, Option(help="A file for the answers for all windows.")] = None,
    description: options.DescriptionName = "auto",
    anyway: options.Anyway = False,
    set_: options.RuleChanges = None,
    acc_unit: options.AccUnit = "m/s^2",
    on: options.On = None,
    workers: options.Workers = 0,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Find the behaviours in continuous recordings: when they began and ended, which they were, how sure."""
    from bfrb.read.tables import check_file_paths, write_table, write_tables
    from bfrb.stream.listen import Listening, Summary, listen_to

    outs = (out, *([probabilities] if probabilities else []))
    if on is None:
        check_file_paths(*outs)
    options.check_outputs(outs, [bundle, recording], overwrite=overwrite or on is not None)
    predictor = options.load_predictor(bundle)
    rule = read_rule(predictor.bundle, set_ or [])
    how = Listening(rule, description, acc_unit, anyway)
    with options.joined(on, workers) as cluster, progress("listening") as show:
        if cluster is not None:
            from bfrb.cluster.answering import Detecting

            work = Detecting(how, windows=len(outs) > 1)
            summary, labels = _sum_up(options.answer_on(cluster, bundle, recording, work, outs, show))
            _check_speed(summary.counts)
        else:
            summary = Summary()
            found = listen_to(predictor, recording, how, show)
            tables = _window_tables(found, summary, predictor.label_set.classes)
            deque(tables, maxlen=0) if probabilities is None else write_tables(tables, probabilities)
            labels = Counter(summary.labels)
    if cluster is None or (out.suffix and not out.exists()):
        write_table(summary.event_table(), out)
    warn_unanswered(summary.counts)
    about = {"rule": rule.model_dump(mode="json"), "simulated": predictor.simulated, "out": str(out)}
    counts = {"recordings": summary.recordings, "events": labels, "counts": summary.counts.to_dict()}
    title = f"{sum(labels.values())} events in {summary.recordings} recordings"
    events = (title, ("behaviour", "events"), labels.items())
    samples = ("Samples, and the windows made of them", ("", "number"), summary.counts.explained())
    print_result(counts | about, as_json, events, samples)
    log.info("wrote %s", out)


def _sum_up(notes: Iterable[Note]) -> tuple[Summary, Counter[str]]:
    """What was counted on a cluster, and the events by label; the events themselves lie in files."""
    from bfrb.stream.listen import Summary
    from bfrb.stream.samples import StreamCounts

    summary, labels = Summary(), Counter[str]()
    for note in notes:
        summary.recordings += note["about"]["recordings"]
        summary.counts.add(StreamCounts(**note["about"]["counts"]))
        labels.update(note["about"]["labels"])
    return summary, labels


def _window_tables(found: Iterable[Detections], summary: Summary, classes: tuple[str, ...]) -> Iterator[Table]:
    """What was answered, while what was found is counted in.

    DataError at the end, if the samples came too slowly for the bundle.
    """
    for some in found:
        summary.add(some)
        yield some.window_table(classes)
    _check_speed(summary.counts)


def _check_speed(counts: StreamCounts) -> None:
    if is_too_slow(counts):
        problem = "the samples come more slowly than the rows that the bundle was trained on, and none are made up"
        raise DataError(problem, remedy="record at that rate or faster, or train on recordings of the slower rate")


def read_rule(bundle: Bundle, assignments: Iterable[str]) -> EventRule:
    """The event rule of a bundle with changes, and a word about what it is worth."""
    from bfrb.stream.events import EVENTS, EventRule

    rule = EventRule.of(bundle)
    if not bundle.file(EVENTS).is_file():
        log.warning("note: %s has no %s: the event rule is the default, not chosen on data", bundle.path, EVENTS)
    return rule.model_copy(update={"spec": rule.spec.updated(assignments)})


def is_too_slow(counts: StreamCounts) -> bool:
    """Whether nothing was answered because the source is too slow."""
    unusable = counts.windows + counts.windows_implausible + (counts.impossible > counts.samples / 2)
    return not unusable and counts.windows_too_slow > counts.windows_incomplete


def warn_unanswered(counts: StreamCounts) -> None:
    """Say what is likely to be wrong with a source of which nothing could be used."""
    if counts.windows or not counts.samples:
        return
    if counts.windows_implausible or counts.impossible > counts.samples / 2:
        why = "accelerations are not in m/s^2; try --acc-unit g or mg"
    elif is_too_slow(counts):
        why = "samples come more slowly than the rows that the bundle was trained on"
    else:
        why = "no stretch of the samples is as long and as complete as a window"
    log.warning("warning: nothing was answered: %s", why)


def calibrate(
    bundle: Annotated[Path, Argument(help="A bundle trained on continuous recordings.")],
    data: Annotated[Path, Argument(help="Labelled continuous recordings, such as those it was trained on.")],
    out: Annotated[Path | None, Option(help="Where the bundle with thresholds goes; none: scores only.")] = None,
    false_alarms: Annotated[float, Option(min=0.0, max=3600.0, help="False alarms an hour that are allowed.")] = 6.0,
    set_: options.RuleChanges = None,
    description: options.DescriptionName = "auto",
    anyway: options.Anyway = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
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

    options.check_outputs([out], [bundle, data])
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
    from bfrb.metrics.events import EVENT_SCORES

    title = f"Events in {scores['hours']:.1f} hours of {scores['subjects']} people, {scores['episodes']} episodes"
    shown = [name for name in (*EVENT_SCORES, "auc", "auc_mean_subject", "average_precision") if name in scores]
    rows = [(name.replace("_", " "), scores[name]["value"], interval_text(scores[name]["interval"])) for name in shown]
    yield title + " (SIMULATED)" * scores["simulated"], ("score", "value", "95 %"), rows
    if "per_subject" in scores:
        kinds = ("episodes", *EVENT_SCORES)
        subjects = [(name, *(found[kind] for kind in kinds)) for name, found in scores["per_subject"].items()]
        yield "By subject", ("subject", *(kind.replace("_", " ") for kind in kinds)), subjects


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
