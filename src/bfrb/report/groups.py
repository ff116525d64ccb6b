"""Given recordings found among those that a bundle was judged on, and scores of groups of them."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bfrb.arrays import Bools
from bfrb.metrics.intervals import Interval
from bfrb.predict.evaluation import Answers, score_answers
from bfrb.predict.out_of_fold import TrainingOverlap
from bfrb.read.judging import JudgedSource
from bfrb.read.sources import Source
from bfrb.read.stretches import iter_judged
from bfrb.report.section import count
from bfrb.study.labels import LabelSet
from bfrb.study.recordings import Recordings
from bfrb.study.windows import WindowSpec

SENSORS = "sensors"  # fact that every recording tells by itself: which of its proximity sensors measured

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
    """Look for recordings of the training, in bounded memory, and warn; the signals of wanted ids are kept."""
    facts: dict[str, dict[str, object]] = {}
    signals: dict[str, Recordings] = {}
    met: Counter[str] = Counter()
    judged = JudgedSource(source, anyway=True)
    for batch in iter_judged(source, windows):
        judged.judge(batch)
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
    columns = {name: recordings.table[name].to_list() for name in QUESTIONS if name in recordings.table.columns}
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


AGE_BANDS = {0: "under 13", 13: "13 to 17", 18: "18 to 29", 30: "30 to 49", 50: "50 and older"}
"""Names of ages, by the first year of each."""


@dataclass(frozen=True)
class Group:
    """Recordings that have something in common, and their score; the interval needs several subjects."""

    name: str
    recordings: int
    subjects: int
    score: float
    interval: Interval | None


Comparisons = dict[str, list[Group]]  # groups by question; one group only means that everybody is alike


def name_age(value: object) -> str | None:
    """The band that an age in years falls in.

    >>> name_age(12.5), name_age(18), name_age(None)
    ('under 13', '18 to 29', None)
    """
    if not isinstance(value, int | float) or not value >= 0:
        return None
    return [name for start, name in AGE_BANDS.items() if value >= start][-1]


HANDS: dict[object, str] = {0: "left-handed", 1: "right-handed"}  # by the code of the demographics

QUESTIONS: dict[str, tuple[str, Callable[[Any], str | None]]] = {
    "adult_child": ("Adults and children", {0: "children", 1: "adults"}.get),
    "age": ("Age", name_age),
    "handedness": ("Dominant hand", HANDS.get),
    "sex": ("Sex", {0: "female", 1: "male"}.get),
    SENSORS: ("Proximity sensors that measured", str),
    "orientation": ("Posture", str),
}
"""By fact, a column of recordings or `SENSORS`: the question it answers, and how its values are called."""

_FIRST = ("left-handed", "children", *AGE_BANDS.values(), ALL_SENSORS, SOME_SENSORS, NO_SENSORS)
_ORDER = {name: place for place, name in enumerate(_FIRST)}


def compare(ids: tuple[str, ...], answers: Answers, matched: Matched, label_set: LabelSet) -> Comparisons:
    """Every comparison of (R,) answers with subjects that the known facts of the (R,) recordings allow."""
    found: Comparisons = {}
    for fact, (question, name_of) in QUESTIONS.items():
        facts = [matched.facts.get(recording, {}).get(fact) for recording in ids]
        names = np.array([None if value is None else name_of(value) for value in facts], dtype=object)
        known = sorted({name for name in names if name is not None}, key=lambda name: (_ORDER.get(name, 99), name))
        if known:
            found[question] = [_score_group(name, names == name, answers, label_set) for name in known]
    return found


def _score_group(name: str, chosen: Bools, answers: Answers, label_set: LabelSet) -> Group:
    subjects = None if answers.subjects is None else np.asarray(answers.subjects, dtype=object)[chosen].tolist()
    scores = score_answers(Answers(answers.truth[chosen], answers.prediction[chosen], subjects), label_set)
    limits = scores.get("interval") and (scores["interval"][0], scores["interval"][1])
    return Group(name, int(chosen.sum()), int(scores.get("subjects", 1)), scores["score"], limits)
