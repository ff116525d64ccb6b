"""What recordings tell about the people and the sensors behind some answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from bfrb.read.sources import Source
from bfrb.read.stretches import iter_judged
from bfrb.study.recordings import Recordings
from bfrb.study.windows import WindowSpec

FACTS = ("orientation", "handedness", "adult_child", "sex", "age", "upside_down")
"""Columns of recordings that a report compares scores by."""

SENSORS = "sensors"
"""Fact that every recording tells by itself: which of its proximity sensors measured."""

ALL_SENSORS, SOME_SENSORS, NO_SENSORS = "all proximity sensors", "some proximity sensors missing", "none at all"


@dataclass(frozen=True, eq=False)
class Context:
    """What is known of the recordings that were found.

    Parameters
    ----------
    facts
        By recording, the value of every fact that is known of it.
    signals
        Some of the recordings themselves, each a batch of one, by id.
    strangers
        Number of other people's recordings.
    simulated
        Whether they come from a simulator.
    description
        What was read.
    """

    facts: dict[str, dict[str, object]] = field(default_factory=dict)
    signals: dict[str, Recordings] = field(default_factory=dict)
    strangers: int = 0
    simulated: bool = False
    description: str = ""

    @property
    def found(self) -> int:
        """Number of recordings that were found."""
        return len(self.facts)


def read_context(source: Source, windows: WindowSpec, subjects: Mapping[str, str], wanted: set[str]) -> Context:
    """Look for recordings in a source, in bounded memory.

    Parameters
    ----------
    source
        Where to look.
    windows
        How continuous recordings were cut.
    subjects
        By id of the recordings that are looked for, the subject. A recording of another subject that happens to have
        the same id is another one.
    wanted
        Ids of those whose signals are kept.
    """
    people = set(subjects.values())
    facts: dict[str, dict[str, object]] = {}
    signals: dict[str, Recordings] = {}
    strangers = 0
    for batch in iter_judged(source, windows):
        strangers += sum(subject not in people for subject in batch.subjects)
        known = [subjects.get(name) == subject for name, subject in zip(batch.ids, batch.subjects, strict=True)]
        found = batch[np.array(known, dtype=bool)]
        facts |= _read_facts(found)
        signals |= {name: found[[row]] for row, name in enumerate(found.ids) if name in wanted}
    return Context(facts, signals, strangers, source.simulated, source.describe())


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
    sensors = [sensor for sensor in recordings.device.sensors if sensor.modality == "proximity"]
    if not len(recordings) or not sensors:
        return [NO_SENSORS] * len(recordings)
    measured = np.concatenate([recordings.measured_pieces(sensor.name) for sensor in sensors], axis=1)
    every, some = measured.all(axis=1), measured.any(axis=1)
    return list(np.select([every, some], [ALL_SENSORS, SOME_SENSORS], NO_SENSORS).tolist())
