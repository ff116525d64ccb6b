"""How many of a wearer's own episodes help: a learning curve on Searle et al. 2021.

    python experiments/searle2021/personalise.py FOLDER BUNDLE --out RESULTS

Every person with at least 13 labelled episodes is answered by the networks that had not seen them. The person labels
their first 0, 1, 3, 5 or 10 episodes, and nothing that happened in between was one; the head learns from all that was
recorded until then. Every head is judged on the same data: what was recorded after the tenth episode.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from bfrb.metrics import DIFFERENCE, interval_over_people, time_average_precision, time_roc_auc
from bfrb.predict.bundle import Bundle
from bfrb.read.sources import open_source
from bfrb.stream.calibrate import Heard, listen_held_out
from bfrb.stream.personal import describe_windows, learn_head

EXAMPLES = (0, 1, 3, 5, 10)
FEWEST_EPISODES = 13
WINDOW_S = 5.0


def part_of(heard: Heard, from_s: float, to_s: float) -> tuple[Heard, np.ndarray]:
    """What was heard in windows that lie wholly in a time, and which windows these are."""
    answers = heard.answers
    kept = (answers.middle_s - WINDOW_S / 2 >= from_s) & (answers.middle_s + WINDOW_S / 2 <= to_s)
    fields = {name: getattr(answers, name)[kept] for name in ("middle_s", "known_s", "probabilities", "fresh")}
    inside = heard.episodes[(heard.episodes[:, 0] >= from_s) & (heard.episodes[:, 1] <= to_s)]
    some = replace(answers, **fields)
    hours = (to_s - from_s) / 3600
    return replace(heard, answers=some, positive_s=heard.positive_s[kept], episodes=inside, hours=hours), kept


def judge(heard: Heard, described: np.ndarray, bundle: Bundle) -> dict[str, list[float | None]]:
    """AUC and average precision on the later data, for every number of examples."""
    first_judged_s = float(heard.episodes[max(EXAMPLES) - 1, 1])
    later, chosen = part_of(heard, first_judged_s, float(heard.answers.known_s[-1]) + 1)
    scores: dict[str, list[float | None]] = {"auc": [], "average_precision": []}
    for count in EXAMPLES:
        probabilities = later.answers.probabilities
        if count:
            past, seen = part_of(heard, 0.0, float(heard.episodes[count - 1, 1]))
            head = learn_head(heard.subject, [(past, described[seen])], bundle.label_set, WINDOW_S)
            probabilities = head.adapt(probabilities, described[chosen], bundle.label_set)
        values = probabilities[:, bundle.label_set.is_target].sum(axis=1)
        rest_s = later.step_s - later.positive_s
        scores["auc"].append(time_roc_auc(later.positive_s, rest_s, values))
        scores["average_precision"].append(time_average_precision(later.positive_s, rest_s, values))
    return scores


def summarise(people: dict[str, dict[str, list[float | None]]]) -> dict[str, object]:
    """Means over people, and how far they lie above no examples, with intervals over people."""
    summary: dict[str, object] = {}
    for name in ("auc", "average_precision"):
        table = np.array([found[name] for found in people.values()], dtype=np.float64)
        gains = table - table[:, :1]
        intervals = [
            interval_over_people(lambda chosen, c=column: float(c[chosen].mean()), len(column), DIFFERENCE)
            for column in gains.T
        ]
        summary[name] = {
            "mean": table.mean(axis=0).tolist(),
            "gain": gains.mean(axis=0).tolist(),
            "interval": intervals,
        }
    return summary


def main() -> None:
    """Listen, learn, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    bundle = Bundle.open(options.bundle)
    recordings = open_source(options.folder, "searle2021").read()
    heard = listen_held_out(bundle, recordings)
    described = describe_windows(bundle, recordings, heard[0].step_s)
    people = {
        part.subject: judge(part, statistics, bundle)
        for part, statistics in zip(heard, described, strict=True)
        if len(part.episodes) >= FEWEST_EPISODES
    }
    results = {"examples": EXAMPLES, "people": people} | summarise(people)
    (options.out / "personalise.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: results[name] for name in ("examples", "auc", "average_precision")}, indent=1))
    print(f"{len(people)} people: {', '.join(people)}")


if __name__ == "__main__":
    main()
