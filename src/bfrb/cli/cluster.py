"""Commands on a cluster: `--on ray`."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from bfrb.cluster.answering import Note
    from bfrb.cluster.tasks import RayTasks
    from bfrb.cluster.work import Work
    from bfrb.stream.listen import Summary

Result = TypeVar("Result")

log = logging.getLogger(__name__)

On = Annotated[
    str | None, typer.Option("--on", help="A cluster: ray (this machine's, or RAY_ADDRESS), or ray://HOST:10001.")
]
Workers = Annotated[int, typer.Option(min=0, help="On a cluster, jobs at a time; 0: as many as there is room for.")]


@contextmanager
def joined(on: str | None, workers: int = 0, folders: Iterable[Path] = ()) -> Iterator[RayTasks | None]:
    """The cluster that `--on` names; None if it names none, and then nothing of Ray is imported.

    Parameters and errors are those of `bfrb.cluster.connect`.
    """
    if on is None:
        yield None
        return
    from bfrb.cluster.connection import connect

    with connect(on, workers=workers, folders=folders) as cluster:
        cores, machines = cluster.cores, len(cluster.nodes)
        log.info("on Ray: %d cores of %d machine%s", cores, machines, "" if machines == 1 else "s")
        yield cluster


def answer_on(
    cluster: RayTasks, bundle: Path, data: Path, work: Work, outs: Iterable[Path], show: Callable[[float], None]
) -> list[Note]:
    """Have recordings answered on a cluster; what is noted of their parts.

    Errors are those of `bfrb.cluster.answering.answer_source`.
    """
    from bfrb.cluster.answering import Outputs, answer_source
    from bfrb.cluster.places import Place

    outputs = Outputs(dict(zip(work.outputs, map(Place.at, outs), strict=True)))
    try:
        return answer_source(cluster, Place.at(data), bundle, work, outputs, show)
    except KeyboardInterrupt:
        log.warning("stopped; the same command goes on from here (%s)", outputs.folder.name)
        raise typer.Exit(130) from None


def ask_on(
    cluster: RayTasks,
    bundle: Path,
    data: Path,
    description: str,
    ask: Callable[[Any], Result],
    show: Callable[[float], None] = lambda _: None,
) -> list[Result]:
    """What a function gives for every part of a source, by machines that share the bundle's folder.

    Errors are those of `bfrb.cluster.asking.ask_parts`.
    """
    from bfrb.cluster.asking import ask_parts
    from bfrb.cluster.parts import plan_parts
    from bfrb.cluster.places import Place
    from bfrb.predict.bundle import MANIFEST

    parts = plan_parts(Place.at(data), description)
    return ask_parts(cluster, parts, ask, [bundle.absolute() / MANIFEST], show)


def count_gestures(notes: Iterable[Note]) -> Counter[str]:
    """How often each gesture was predicted."""
    counts: Counter[str] = Counter()
    for note in notes:
        counts.update(note["about"]["gestures"])
    return counts


def sum_up(notes: Iterable[Note]) -> tuple[Summary, Counter[str]]:
    """What was counted in detecting, and the events by label; the events themselves lie in files."""
    from bfrb.stream.listen import Summary
    from bfrb.stream.samples import StreamCounts

    summary, labels = Summary(), Counter[str]()
    for note in notes:
        summary.recordings += note["about"]["recordings"]
        summary.counts.add(StreamCounts(**note["about"]["counts"]))
        labels.update(note["about"]["labels"])
    return summary, labels
