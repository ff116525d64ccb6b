"""Ask about every part of a source on a cluster, where what is told is small and nobody keeps it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

from bfrb.cluster.nodes import check_folders, look_at_nodes
from bfrb.cluster.parts import Parts
from bfrb.cluster.tasks import RayTasks
from bfrb.jobs import LITTLE
from bfrb.read.sources import Source, open_source
from bfrb.read.store import Store

Told = TypeVar("Told")
Ask = Callable[[Path | Store], Told]
"""Is given a part: a store, or the path of files."""


def ask_parts(
    cluster: RayTasks,
    parts: Parts,
    ask: Ask[Told],
    shared: Iterable[Path] = (),
    progress: Callable[[float], None] = lambda _: None,
) -> list[Told]:
    """What is told of every part, in the order of the source.

    Parameters
    ----------
    shared
        Files that every machine has to see besides the source.

    Raises
    ------
    BfrbError
        That of the first part that fails; if a machine does not see the files.
    """
    check_folders(look_at_nodes(files=[*parts.samples(), *shared]))
    order = parts.largest_first
    jobs = {f"part {number} of {len(order)}": partial(_ask_part, parts, number, ask) for number in order}
    told: dict[str, Told] = {}
    for name, found in cluster.results(jobs, need=LITTLE):
        told[name] = found
        progress(len(told) / len(jobs))
    return [told[f"part {number} of {len(order)}"] for number in range(len(order))]


def open_and_ask(description: str, ask: Callable[[Source], Told], part: Path | Store) -> Told:
    """What a function of a source tells of a part; errors are its own, and those of `open_source`."""
    return ask(open_source(part, description) if isinstance(part, Path) else part)


def _ask_part(parts: Parts, number: int, ask: Ask[Told]) -> Told:
    with parts.opened(number) as part:
        return ask(part)
