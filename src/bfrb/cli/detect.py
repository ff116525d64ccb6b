"""`bfrb detect`: behaviours in recordings of hours or weeks."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bfrb.cli.options import Dataset
from bfrb.cli.show import print_json, print_table, progress
from bfrb.errors import DataError

if TYPE_CHECKING:
    from bfrb.predict.bundle import Bundle
    from bfrb.read.tables import Table
    from bfrb.stream.counts import StreamCounts
    from bfrb.stream.detections import Detections, Summary
    from bfrb.stream.events import EventRule

log = logging.getLogger(__name__)


def detect(
    bundle: Annotated[Path, typer.Argument(help="The folder that `bfrb train` wrote.")],
    recording: Annotated[Path, typer.Argument(help="A table of samples with times, a store, a file or a folder.")],
    out: Annotated[Path, typer.Option(help="Where the events shall be: a .csv or .parquet file.")],
    probabilities: Annotated[Path | None, typer.Option(help="A file for the answers for all windows.")] = None,
    dataset: Dataset = "auto",
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key=value of the event rule, such as on=0.8.")
    ] = None,
    acc_unit: Annotated[str, typer.Option(help="Unit of the accelerations: m/s^2, g or mg.")] = "m/s^2",
    wearer: Annotated[
        str | None, typer.Option(help="Whose recordings these are, to use what `bfrb personalize` learnt of them.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as one JSON object.")] = False,
) -> None:
    """Find the behaviours in continuous recordings: when they began and ended, which they were, how sure."""
    from bfrb.predict.predictor import load
    from bfrb.read.stretches import iter_stretches
    from bfrb.read.tables import check_table_path, write_table, write_tables
    from bfrb.stream.detections import Summary
    from bfrb.stream.feed import Wearer
    from bfrb.stream.listen import listen
    from bfrb.stream.personal import PersonalHead

    for path in (out, *([probabilities] if probabilities else [])):
        check_table_path(path)
    predictor = load(bundle)
    rule = read_rule(predictor.bundle, set_ or [])
    adapt = None if wearer is None else PersonalHead.of(predictor.bundle, wearer).adapt
    summary = Summary()
    with progress("listening") as show:
        rows = predictor.bundle.manifest.rows
        stretches = iter_stretches(recording, predictor.source_device, dataset, show, rows)
        found = listen(lambda _: predictor, stretches, rule, Wearer(units={"acc": acc_unit}, adapt=adapt))
        tables = _window_tables(found, summary, predictor.label_set.classes)
        if probabilities is None:
            for _ in tables:
                pass
        else:
            write_tables(tables, probabilities)
    write_table(summary.event_table(), out)
    warn_unanswered(summary.counts)
    if as_json:
        about = {"rule": rule.model_dump(mode="json"), "simulated": predictor.simulated, "out": str(out)}
        counts = summary.counts.to_dict()
        print_json({"recordings": summary.recordings, "events": summary.labels, "counts": counts} | about)
    else:
        title = f"{len(summary.events)} events in {summary.recordings} recordings"
        print_table(title, ("behaviour", "events"), summary.labels.items())
        print_table("Samples, and the windows made of them", ("", "number"), summary.counts.explained())
        log.info("wrote %s", out)


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
    if is_too_slow(summary.counts):
        raise DataError(
            "the samples come more slowly than the rows that the bundle was trained on, and none are made up",
            remedy="record at that rate or faster, or train on recordings of the slower rate",
        )


def read_rule(bundle: Bundle, assignments: Iterable[str]) -> EventRule:
    """The event rule of a bundle with changes, and a word about what it is worth."""
    from bfrb.stream.events import EVENTS, EventRule

    rule = EventRule.of(bundle)
    if bundle.manifest.simulated:
        log.warning("note: %s was trained on simulated recordings; its answers are for trying things out", bundle.path)
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
