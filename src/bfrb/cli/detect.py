"""`bfrb detect`: behaviours in recordings of hours or weeks."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bfrb.cli.options import Dataset
from bfrb.cli.show import print_json, print_table, progress

if TYPE_CHECKING:
    from bfrb.predict.bundle import Bundle
    from bfrb.read.tables import Table
    from bfrb.stream.detect import Heard, Summary
    from bfrb.stream.events import EventRule
    from bfrb.stream.resampling import Counts

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
    from bfrb.stream.detect import Summary, listen
    from bfrb.stream.feed import Wearer

    for path in (out, *([probabilities] if probabilities else [])):
        check_table_path(path)
    predictor = load(bundle)
    rule = read_rule(predictor.bundle, set_ or [])
    summary = Summary()
    with progress("listening") as show:
        stretches = iter_stretches(recording, predictor.device, dataset, show)
        heard = listen(predictor, stretches, rule, Wearer(units={"acc": acc_unit}, name=wearer))
        tables = _follow(heard, summary, predictor.label_set.classes)
        if probabilities is None:
            for _ in tables:
                pass
        else:
            write_tables(tables, probabilities)
    write_table(summary.to_frame(), out)
    warn(summary.counts)
    if as_json:
        about = {"rule": rule.model_dump(mode="json"), "simulated": predictor.simulated, "out": str(out)}
        counts = summary.counts.to_dict()
        print_json({"recordings": summary.recordings, "events": summary.labels, "counts": counts} | about)
    else:
        _show(summary)
        log.info("wrote %s", out)


def _follow(heard: Iterable[Heard], summary: Summary, classes: tuple[str, ...]) -> Iterator[Table]:
    """The answers, while what is found is taken down."""
    from bfrb.stream.detect import answer_table

    for each in heard:
        summary.add(each)
        table = answer_table(each, classes)
        if table is not None:
            yield table


def read_rule(bundle: Bundle, assignments: Iterable[str]) -> EventRule:
    """The event rule of a bundle with changes, and a word about what it is worth."""
    from bfrb.stream.events import EVENTS, EventRule

    rule = EventRule.of(bundle)
    if bundle.manifest.simulated:
        log.warning("note: %s was trained on simulated recordings; its answers are for trying things out", bundle.path)
    if not bundle.file(EVENTS).is_file():
        log.warning("note: %s has no %s: the event rule is the default, not chosen on data", bundle.path, EVENTS)
    return rule.model_copy(update={"spec": rule.spec.updated(assignments)})


def _show(summary: Summary) -> None:
    title = f"{len(summary.events)} events in {summary.recordings} recordings"
    print_table(title, ("behaviour", "events"), summary.labels.items())
    counts = [(name.replace("_", " "), count) for name, count in summary.counts.to_dict().items() if count]
    print_table("What became of the samples", ("", "number"), counts)


def warn(counts: Counts) -> None:
    """Say what is likely to be wrong with a source of which nothing could be used."""
    if counts.windows:
        return
    if counts.implausible or counts.impossible > counts.samples / 2:
        log.warning("warning: nothing was answered: accelerations are not in m/s^2; try --acc-unit g or mg")
    elif counts.samples:
        log.warning("warning: nothing was answered: no stretch of the samples is as long and as complete as a window")
