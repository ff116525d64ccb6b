"""Given recordings found among those that a bundle was judged on, and what they tell about people and sensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from bfrb.predict.out_of_fold import TrainingOverlap
from bfrb.read.sources import Source
from bfrb.read.stretches import iter_judged
from bfrb.report.section import count
from bfrb.study.recordings import Recordings
from bfrb.study.windows import WindowSpec

FACTS = ("orientation", "handedness", "adult_child", "sex", "age")
"""Columns of recordings that a report compares scores by."""

SENSORS = "sensors"
"""Fact that every recording tells by itself: which of its proximity sensors measured."""

ALL_SENSORS, SOME_SENSORS, NO_SENSORS = "all proximity sensors", "some proximity sensors missing", "none at all"


@dataclass(frozen=True, eq=False)
class Matched:
    """What is known of the recordings that were found."""

    facts: dict[str, dict[str, object]] = field(default_factory=dict)  # by recording, the facts known of it
    signals: dict[str, Recordings] = field(default_factory=dict)  # some recordings by id, each a batch of one
    people: frozenset[str] = frozenset()  # those of whom a recording was found; all others are new
    strangers: int = 0  # number of other people's recordings
    doubts: tuple[str, ...] = ()  # sentences on recordings that may or may not be what their names say
    simulated: bool = False  # whether they come from a simulator
    description: str = ""  # what was read


def match_recordings(source: Source, windows: WindowSpec, overlap: TrainingOverlap, wanted: set[str]) -> Matched:
    """Look for recordings of the training in a source, in bounded memory; the signals of wanted ids are kept."""
    facts: dict[str, dict[str, object]] = {}
    signals: dict[str, Recordings] = {}
    met: Counter[str] = Counter()
    for batch in iter_judged(source, windows):
        met.update(str(name) for name in batch.subjects)
        found = batch[overlap.match(batch)]
        facts |= _read_facts(found)
        signals |= {name: found[[row]] for row, name in enumerate(found.ids) if name in wanted}
    people, doubts = frozenset(overlap.seen), tuple(_tell_doubts(overlap, found=bool(facts)))
    strangers = sum(number for name, number in met.items() if name not in people)
    return Matched(facts, signals, people, strangers, doubts, source.simulated, source.describe())


def _tell_doubts(overlap: TrainingOverlap, *, found: bool) -> Iterator[str]:
    if found and not overlap.by_content:
        yield "The bundle keeps no hashes of its recordings: they were matched by id and person only."
    changed = sum(who in overlap.seen for who in overlap.changed.values())
    if changed:
        yield (
            f"{count(changed, 'recording')} of the same people bear an id of the training, but hold something else: "
            "they are left out."
        )
    if overlap.namesakes:
        some = ", ".join(overlap.namesakes[:3]) + " ..." * (len(overlap.namesakes) > 3)
        yield (
            f"{count(len(overlap.namesakes), 'person', 'people')} ({some}) with names of the training, but with other "
            "recordings, are taken for other people. If they are the same people, their scores are too good."
        )


def _read_facts(recordings: Recordings) -> dict[str, dict[str, object]]:
    columns = {name: recordings.table[name].to_list() for name in FACTS if name in recordings.table.columns}
    if recordings.device.names_of("proximity"):
        columns[SENSORS] = name_sensor_states(recordings)
    return {
        name: {fact: values[row] for fact, values in columns.items() if values[row] is not None}
        for row, name in enumerate(recordings.ids)
    }


def name_sensor_states(recordings: Recordings) -> list[object]:
    """(R,) Whether all of the proximity sensors measured something in a recording, only some, or none."""
    pieces = [recordings.measured_pieces(name) for name in recordings.device.names_of("proximity")]
    measured = np.concatenate(pieces, axis=1)
    states = np.select([measured.all(axis=1), measured.any(axis=1)], [ALL_SENSORS, SOME_SENSORS], NO_SENSORS)
    return list(states.tolist())
