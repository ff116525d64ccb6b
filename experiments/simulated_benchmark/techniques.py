"""Train what `techniques.toml` plans, and say what every technique is worth, by scenario."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from design import Plan, effects, is_sure, luck

from bfrb.metrics.competition import confusion_by_subject, scores_of
from bfrb.metrics.intervals import DIFFERENCE, interval_without_one
from bfrb.predict.bundle import OUT_OF_FOLD, Bundle
from bfrb.predict.evaluation import answers_by_scenario, choose_half
from bfrb.predict.out_of_fold import HeldOutPredictor
from bfrb.read.sources import HeldSource, read
from bfrb.read.tables import read_table
from bfrb.study.folds import Folds, make_folds
from bfrb.study.labels import CMI_GESTURES
from bfrb.study.mirror import is_left_handed, turn_over
from bfrb.study.recordings import Recordings
from bfrb.train.compare import compare
from bfrb.train.crossval import RunOptions

RESULTS = "techniques.json"
SITE = 2

Probabilities = npt.NDArray[np.float64]


def without_site(recordings: Recordings) -> Recordings:
    """The recordings without the thermopile and the images of one place on the wrist."""
    sensors = {name: recordings.sensors[name].copy() for name in ("thm", "tof")}
    for name, values in sensors.items():
        values[:, SITE] = recordings.device.sensor(name).absent
    return recordings.with_sensors(**sensors)


CHANGED: dict[str, Callable[[Recordings], Recordings]] = {
    "no orientation": lambda recordings: recordings.without("quaternion"),
    "no images": lambda recordings: recordings.without("tof"),
    "a site lost": without_site,
    "turned over": lambda recordings: turn_over(recordings, np.ones(len(recordings), dtype=bool)),
}
"""Scenarios besides those of every bundle: how the recordings are changed that the held-out members are shown."""

SHOWN = ("all", "imu", "half", "no orientation", "no images", "a site lost", "left hands", "turned over")
"""The scenarios that are judged; `left hands` are the answers with all sensors to left-handed people."""


@dataclass(frozen=True)
class Study:
    """The recordings that all trainings share, in the order of their ids.

    Parameters
    ----------
    recordings
        They.
    folder
        Where the bundles are.
    """

    recordings: Recordings
    folder: Path

    def answers(self, run: str) -> dict[str, Probabilities]:
        """(R, K) answers of a training by scenario, by members that never saw the person; kept once they are known."""
        place = self.folder / "answers" / f"{run}.npz"
        if not place.exists():
            place.parent.mkdir(exist_ok=True)
            found = self._ask(self.folder / run)
            temporary = place.with_suffix(".tmp.npz")
            np.savez_compressed(temporary, allow_pickle=False, **found)
            temporary.replace(place)
        with np.load(place, allow_pickle=False) as arrays:
            return dict(arrays)

    def _ask(self, bundle: Path) -> dict[str, Probabilities]:
        kept = answers_by_scenario(read_table(bundle / OUT_OF_FOLD), CMI_GESTURES)
        found = {name: np.asarray(kept[name].probabilities) for name in ("all", "imu")}
        predictor = HeldOutPredictor(Bundle.open(bundle))
        return found | {
            name: predictor.predict(change(self.recordings)).probabilities for name, change in CHANGED.items()
        }

    def scores(self, answers: Mapping[str, Probabilities]) -> dict[str, tuple[float, npt.NDArray[np.float64]]]:
        """By scenario the score, and those without each person."""
        found = dict(answers)
        is_reduced = choose_half(self.recordings.ids)
        found["half"] = np.where(is_reduced[:, None], found["imu"], found["all"])
        everybody = np.ones(len(self.recordings), dtype=bool)
        which = {"left hands": is_left_handed(self.recordings)}
        found["left hands"] = found["all"]
        return {
            name: self._score(found[name], which.get(name, everybody))
            for name in SHOWN
            if which.get(name, everybody).any()
        }

    def _score(self, answers: Probabilities, which: npt.NDArray[np.bool_]) -> tuple[float, npt.NDArray[np.float64]]:
        truth = np.array(self.recordings.gestures, dtype=object)[which]
        given, people = CMI_GESTURES.decode(answers.argmax(axis=1))[which], self.recordings.subjects[which]
        parts = np.stack(list(confusion_by_subject(truth, given, people).values()))
        whole = parts.sum(axis=0)
        return scores_of(whole).score, np.array([scores_of(whole - part).score for part in parts])


def run_techniques(study: Path, out: Path, plan: Plan, folds: Path | None, workers: int) -> dict[str, Any]:
    """Train all that is not trained yet, and judge it; what was stopped goes on."""
    recordings = read(study)
    recordings = recordings[np.argsort(np.array(recordings.ids))]
    fixed = make_folds(recordings.table, 2, seed=0) if folds is None else Folds.read(folds)
    compare(
        HeldSource(recordings, str(study)),
        plan.variants(),
        out,
        folds=fixed,
        options=RunOptions(workers=workers),
    )
    results = judge(Study(recordings, out), plan)
    (out / RESULTS).write_text(json.dumps(results, indent=1), encoding="utf-8")
    return results


def judge(study: Study, plan: Plan) -> dict[str, Any]:
    """All effects, as plain values for JSON."""
    answers = {name: study.answers(name) for name in (*plan.runs, *plan.further)}
    for name, parts in plan.together.items():
        answers[name] = {kind: np.mean([answers[part][kind] for part in parts], axis=0) for kind in answers[parts[0]]}
    scores = {name: study.scores(found) for name, found in answers.items()}
    scenarios = list(scores[plan.reference])
    by_luck = {kind: luck(np.array([scores[name][kind][0] for name in plan.runs])) for kind in scenarios}
    return {
        "people": len(set(study.recordings.subjects.tolist())),
        "recordings": len(study.recordings),
        "luck": by_luck,
        "mean": {kind: float(np.mean([scores[name][kind][0] for name in plan.runs])) for kind in scenarios},
        "techniques": {
            kind: _effects_of_techniques({name: scores[name][kind] for name in plan.runs}, plan, by_luck[kind])
            for kind in scenarios
        },
        "further": {
            kind: _differences({name: found[kind] for name, found in scores.items()}, plan, by_luck[kind])
            for kind in scenarios
        },
    }


def _effects_of_techniques(scores: Mapping[str, Any], plan: Plan, by_luck: float) -> dict[str, Any]:
    points = effects(np.array([scores[name][0] for name in plan.runs]), plan.signs)
    without = effects(np.array([scores[name][1] for name in plan.runs]).T, plan.signs)
    return {
        name: _describe(float(point), others, by_luck)
        for name, point, others in zip(plan.techniques, points, without.T, strict=True)
    }


def _differences(scores: Mapping[str, Any], plan: Plan, by_luck: float) -> dict[str, Any]:
    """What is compared one by one: the luck of two trainings is that of an effect times sqrt(2) / sqrt(4 / 24)."""
    luck_of_two = by_luck * np.sqrt(2.0 * len(plan.runs) / 4.0)
    base, without = scores[plan.reference]
    others = [name for name in (*plan.further, *plan.together) if name != plan.reference]
    found = {name: _describe(scores[name][0] - base, scores[name][1] - without, luck_of_two) for name in others}
    return {plan.reference: {"score": base}} | found


def _describe(effect: float, without: npt.NDArray[np.float64], by_luck: float) -> dict[str, Any]:
    interval = interval_without_one(effect, without, DIFFERENCE)
    if interval is None:
        raise RuntimeError("an effect needs several people")
    return {"effect": effect, "interval": list(interval), "sure": is_sure(effect, interval, by_luck)}


def tables(results: dict[str, Any], plan: Plan) -> Iterator[str]:
    """The effects as tables for `docs/experiments.md`, line by line; an effect that is sure stands in bold."""
    for group, shown in (("techniques", SHOWN[:-1]), ("further", SHOWN)):
        kinds = [kind for kind in shown if kind in results[group]]
        yield f"| {group} | " + " | ".join(kinds) + " |"
        yield "| --- " * (len(kinds) + 1) + "|"
        for name in results[group][kinds[0]]:
            cells = [_cell(results[group][kind][name]) for kind in kinds]
            yield f"| {plan.words[name]} | " + " | ".join(cells) + " |"
        yield ""
    yield "mean score: " + ", ".join(f"{kind} {value:.3f}" for kind, value in results["mean"].items())
    yield "luck of an effect: " + ", ".join(f"{kind} {value:.4f}" for kind, value in results["luck"].items())


def _cell(found: dict[str, Any]) -> str:
    if "score" in found:
        return f"{found['score']:.3f}"
    text = f"{found['effect']:+.3f} ({found['interval'][0]:+.3f} to {found['interval'][1]:+.3f})"
    return f"**{text}**" if found["sure"] else text
