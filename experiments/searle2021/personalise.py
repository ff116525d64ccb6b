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
from bfrb.stream.listen import AnnotatedRecording
from bfrb.stream.personal import fit_head, listen_to_examples
from bfrb.study.stretches import cut_stretches

EXAMPLES = (0, 1, 3, 5, 10)
FEWEST_EPISODES = 13
WINDOW_S = 5.0


def part_of(heard: AnnotatedRecording, from_s: float, to_s: float) -> tuple[AnnotatedRecording, np.ndarray]:
    """What was answered for windows that lie wholly in a time, and which windows these are."""
    windows = heard.windows
    kept = (windows.middle_s - WINDOW_S / 2 >= from_s) & (windows.middle_s + WINDOW_S / 2 <= to_s)
    some = replace(windows, **{name: values[kept] for name, values in vars(windows).items()})
    inside = tuple(one for one in heard.episodes if one.start_s >= from_s and one.end_s <= to_s)
    return replace(heard, windows=some, episodes=inside, seconds=to_s - from_s), kept


def judge(heard: AnnotatedRecording, described: np.ndarray, bundle: Bundle) -> dict[str, list[float | None]]:
    """AUC and average precision on the later data, for every number of examples."""
    first_judged_s = heard.episodes[max(EXAMPLES) - 1].end_s
    later, chosen = part_of(heard, first_judged_s, float(heard.windows.known_s[-1]) + 1)
    scores: dict[str, list[float | None]] = {"auc": [], "average_precision": []}
    for count in EXAMPLES:
        probabilities = later.windows.probabilities
        if count:
            past, seen = part_of(heard, 0.0, heard.episodes[count - 1].end_s)
            head = fit_head(heard.subject, [(past, described[seen])], bundle.label_set, WINDOW_S)
            probabilities = head.shift(probabilities, described[chosen], bundle.label_set)
        values, share = probabilities[:, bundle.label_set.is_target].sum(axis=1), later.positive_share
        scores["auc"].append(time_roc_auc(share, 1 - share, values))
        scores["average_precision"].append(time_average_precision(share, 1 - share, values))
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
    people = {
        part.subject: judge(part, statistics, bundle)
        for part, statistics in listen_to_examples(bundle, cut_stretches([recordings]))
        if len(part.episodes) >= FEWEST_EPISODES
    }
    results = {"examples": EXAMPLES, "people": people} | summarise(people)
    (options.out / "personalise.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: results[name] for name in ("examples", "auc", "average_precision")}, indent=1))
    print(f"{len(people)} people: {', '.join(people)}")


if __name__ == "__main__":
    main()
