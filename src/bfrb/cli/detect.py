"""`bfrb detect`: behaviours in recordings of hours or weeks."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bfrb.cli.cluster import On, Workers, answer_on, joined, sum_up
from bfrb.cli.options import AccUnit, Anyway, AsJson, BundleFolder, DescriptionName, RuleChanges, load_predictor
from bfrb.cli.show import print_result, progress
from bfrb.errors import DataError

if TYPE_CHECKING:
    from bfrb.predict.bundle import Bundle
    from bfrb.predict.predictor import Predictor
    from bfrb.read.csv_blocks import Progress
    from bfrb.read.tables import Table
    from bfrb.stream.events import EventRule
    from bfrb.stream.listen import Detections, Summary
    from bfrb.stream.samples import StreamCounts

log = logging.getLogger(__name__)


def detect(
    bundle: BundleFolder,
    recording: Annotated[Path, typer.Argument(help="A table of samples with times, a store, a file or a folder.")],
    out: Annotated[Path, typer.Option(help="Where the events shall be: a .csv or .parquet file.")],
    probabilities: Annotated[Path | None, typer.Option(help="A file for the answers for all windows.")] = None,
    description: DescriptionName = "auto",
    anyway: Anyway = False,
    set_: RuleChanges = None,
    acc_unit: AccUnit = "m/s^2",
    on: On = None,
    workers: Workers = 0,
    as_json: AsJson = False,
) -> None:
    """Find the behaviours in continuous recordings: when they began and ended, which they were, how sure."""
    from bfrb.read.tables import check_table_path, write_table

    outs = (out, *([probabilities] if probabilities else []))
    for path in outs if on is None else ():
        check_table_path(path)
    predictor = load_predictor(bundle)
    rule = read_rule(predictor.bundle, set_ or [])
    with joined(on, workers) as cluster, progress("listening") as show:
        if cluster is not None:
            from bfrb.cluster.work import Detecting

            work = Detecting(rule, description, acc_unit, anyway, windows=len(outs) > 1)
            summary, labels = sum_up(answer_on(cluster, bundle, recording, work, outs, show))
            _check_speed(summary.counts)
        else:
            summary = _listen(predictor, recording, description, rule, acc_unit, anyway, probabilities, show)
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


def _listen(
    predictor: Predictor,
    recording: Path,
    description: str,
    rule: EventRule,
    acc_unit: str,
    anyway: bool,
    probabilities: Path | None,
    show: Progress,
) -> Summary:
    """Listen to recordings in this process."""
    from bfrb.read.stretches import iter_stretches
    from bfrb.read.tables import write_tables
    from bfrb.stream.listen import Summary, listen
    from bfrb.stream.stream import Wearer

    summary = Summary()
    stretches = iter_stretches(recording, predictor.source_device, description, show, predictor.bundle.manifest.rows)
    found = listen(lambda _: predictor, stretches, rule, Wearer(units={"acc": acc_unit}), anyway=anyway)
    tables = _window_tables(found, summary, predictor.label_set.classes)
    if probabilities is None:
        for _ in tables:
            pass
    else:
        write_tables(tables, probabilities)
    return summary


def _window_tables(found: Iterable[Detections], summary: Summary, classes: tuple[str, ...]) -> Iterator[Table]:
    """What was answered, while what was found is counted in.

    Raises
    ------
    DataError
        At the end, if the samples came too slowly for the bundle.
    """
    for some in found:
        summary.add(some)
        yield some.window_table(classes)
    _check_speed(summary.counts)


def _check_speed(counts: StreamCounts) -> None:
    if is_too_slow(counts):
        raise DataError(
            "the samples come more slowly than the rows that the bundle was trained on, and none are made up",
            remedy="record at that rate or faster, or train on recordings of the slower rate",
        )


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
