"""One wearer's own examples: the closed form solved again with 0, 1, 3, 5, 10 of them, judged on later recordings.

    python experiments/wrist/wearer.py DATA --out RESULTS

HA24: windows of scratching of a wearer's first recording of it, and thrice as many of the first recordings of other
activities, are added to the other people's; area under the curve in the second recordings. Searle 2021: the same with
the first episodes of a wearer, in the second half of the recording. UTD-MHAD: the first 1, 2 or 3 of the four times
that a wearer does each of 21 actions; accuracy in the fourth. How much an example counts is chosen on other wearers.
The first way solves for the whole answer again, with the windows of others; the second begins from its weights and
knows the wearer's examples alone, as from a bundle. `wearer.csv` has the means over wearers and of the differences to 0
examples, with 95 % intervals over people.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl
from run import OTHER, SCRATCHING, interval, weights_of, windows_of, without_copies
from watch_windows import describe, read_windows

from bfrb.metrics.standard import roc_auc
from bfrb.read.sources import open_source

EXAMPLES = (0, 1, 3, 5, 10)
COUNTS = (3.0, 10.0, 30.0, 100.0, 300.0)
"""So many times a wearer's example may count as much as a window of others."""
HOLDS = (0.1, 1.0, 10.0, 100.0)
"""How fast a bundle's answer holds on to its weights, as `bfrb.train.personal.HOLD`."""
WAYS = ("solved again with the others", "from the weights alone")
PENALTY = 300.0
ROOT = Path(__file__).resolve().parents[2]


class Wearer(NamedTuple):
    """What one wearer is judged by: the others' rows, examples in their order, and what comes later."""

    others: np.ndarray
    examples: dict[int, np.ndarray]
    later: np.ndarray


class Study(NamedTuple):
    """W windows: features, one-hot classes, weights, and the wearers."""

    name: str
    features: np.ndarray
    truth: np.ndarray
    weights: np.ndarray
    wearers: list[Wearer]
    metric: str


def spread(places: np.ndarray, count: int) -> np.ndarray:
    """So many of them, evenly spread."""
    return places[np.unique(np.linspace(0, len(places) - 1, min(count, len(places))).astype(int))]


def ha24(data: Path, out: Path) -> Study:
    """Scratching in windows of 5 s, acceleration alone."""
    described = without_copies(windows_of(data, out))
    subjects, labels = described.subjects, described.labels
    plain = pl.concat(
        [pl.read_parquet(path).with_columns(who=pl.lit(path.stem)) for path in (data / "ha24_watch").glob("*")]
    )
    told = plain.group_by("who", "recording").agg(pl.col("activity").first()).sort("who", "recording")
    order = told.with_columns(time=pl.int_range(pl.len()).over("who", "activity"))
    times = {f"ha24/{who}-{name}": time for who, name, _, time in order.iter_rows()}
    number = np.array([times.get(name, -1) for name in described.recordings.tolist()])
    wearers = []
    for who in np.unique(subjects[labels == SCRATCHING]):
        own = subjects == who
        scratching = np.flatnonzero(own & (labels == SCRATCHING) & (number == 0))
        other = np.flatnonzero(own & (labels == OTHER) & (number == 0))
        later = np.flatnonzero(own & (number == 1))
        if (labels[later] == SCRATCHING).any():
            examples = {n: np.concatenate([spread(scratching, n), spread(other, 3 * n)]) for n in EXAMPLES if n}
            wearers.append(Wearer(np.flatnonzero(~own), examples, later))
    truth = (labels == SCRATCHING).astype(float)[:, None]
    return Study("HA24", described.columns("acc"), truth, weights_of(labels), wearers, "area under the curve")


def searle(data: Path, out: Path) -> Study:
    """Any behaviour in windows of 5 s, acceleration alone; examples are the windows of the first episodes."""
    windows = read_windows("searle_alone.toml", data, out)
    described = describe([windows], np.arange(len(windows)))
    labels = (described.labels != "none").astype(float)
    wearers = []
    for who in np.unique(described.subjects):
        own = np.flatnonzero(described.subjects == who)
        first, later = np.array_split(own, 2)
        begins = np.flatnonzero(np.diff(labels[first], prepend=0) > 0)
        examples = {}
        for n in EXAMPLES[1:]:
            until = begins[n] if n < len(begins) else len(first)
            positive = first[:until][labels[first[:until]] > 0]
            examples[n] = np.concatenate([positive, spread(first[labels[first] == 0], 3 * len(positive))])
        if 0 < labels[later].sum() < len(later):
            wearers.append(Wearer(np.flatnonzero(described.subjects != who), examples, later))
    weights = np.where(labels > 0, 0.5 / labels.mean(), 0.5 / (1 - labels.mean()))
    return Study("Searle 2021", described.columns("acc"), labels[:, None], weights, wearers, "area under the curve")


def utd(data: Path, out: Path) -> Study:
    """21 actions of the wrist; examples are the first times that a wearer does each."""
    del out
    source = open_source(data / "utd_mhad_wrist", str(ROOT / "examples/studies/utd_mhad.toml"))
    recordings = source.read()
    described = describe([recordings], np.arange(len(recordings)))
    names = np.unique(described.labels)
    frame = pl.DataFrame({"who": described.subjects, "what": described.labels, "id": described.recordings})
    time = frame.with_columns(n=pl.col("id").rank("ordinal").over("who", "what"))["n"].to_numpy() - 1
    wearers = []
    for who in np.unique(described.subjects):
        own = described.subjects == who
        examples = {n: np.flatnonzero(own & (time < n)) for n in (1, 2, 3)}
        wearers.append(Wearer(np.flatnonzero(~own), examples, np.flatnonzero(own & (time == 3))))
    truth = (described.labels[:, None] == names).astype(float)
    return Study("UTD-MHAD", described.features, truth, np.ones(len(truth)), wearers, "accuracy")


def scores_of(study: Study) -> Iterator[dict[tuple[str, int, float], float]]:
    """For every wearer the score by the way it is learnt, with so many examples, of such weight."""
    columns = np.concatenate([study.features.astype(np.float32), np.ones((len(study.features), 1), np.float32)], axis=1)
    roots = np.sqrt(study.weights)[:, None].astype(np.float32)
    weighted, aims = columns * roots, study.truth.astype(np.float32) * roots
    penalty = np.full(columns.shape[1], PENALTY, dtype=np.float32)
    penalty[-1] = 1e-3
    total, sides = weighted.T @ weighted, weighted.T @ aims
    for wearer in study.wearers:
        own = np.setdiff1d(np.arange(len(columns)), wearer.others)
        product = total - weighted[own].T @ weighted[own]
        product[np.diag_indices_from(product)] += penalty
        side = sides - weighted[own].T @ aims[own]
        every = np.unique(np.concatenate(list(wearer.examples.values())))
        solved = np.linalg.solve(product, np.concatenate([side, columns[every].T], axis=1))
        plain, moved = solved[:, : side.shape[1]], solved[:, side.shape[1] :]
        first = score(study, columns, plain, wearer)
        found = {(WAYS[0], 0, count): first for count in COUNTS} | {(WAYS[1], 0, hold): first for hold in HOLDS}
        for n, places in wearer.examples.items():
            if not len(places):  # no episode came early enough
                found |= {(way, n, each): first for way, of in zip(WAYS, (COUNTS, HOLDS), strict=True) for each in of}
                continue
            at, rows, weights = np.searchsorted(every, places), columns[places], study.weights[places]
            gone = study.truth[places] - rows @ plain
            alike = balanced(study.truth[places])
            for way, reach, strengths in ((WAYS[0], moved[:, at], COUNTS), (WAYS[1], rows.T, HOLDS)):
                for strength in strengths:
                    hold = strength * (rows**2).sum(axis=1).mean()
                    sizes = 1.0 / (strength * weights) if way == WAYS[0] else hold / alike
                    changed = plain + reach @ np.linalg.solve(np.diag(sizes) + rows @ reach, gone)
                    found[way, n, strength] = score(study, columns, changed, wearer)
        yield found


def balanced(truth: np.ndarray) -> np.ndarray:
    """(W,) weights, 1 in the mean, with which the classes of (W, K) truth count alike; K of 1 stands for two."""
    codes = np.unique(truth, axis=0, return_inverse=True)[1].ravel()
    counts = np.bincount(codes)
    weights: np.ndarray = len(codes) / counts[codes] / len(counts)
    return weights


def score(study: Study, columns: np.ndarray, solved: np.ndarray, wearer: Wearer) -> float:
    """The score in what comes later."""
    told, truth = columns[wearer.later] @ solved, study.truth[wearer.later]
    if study.metric == "accuracy":
        return float((told.argmax(axis=1) == truth.argmax(axis=1)).mean())
    return float(roc_auc(truth[:, 0] > 0.5, told[:, 0].astype(np.float64)) or np.nan)


def lines_of(study: Study) -> Iterator[dict[str, object]]:
    """A line for every way and number of examples."""
    found = list(scores_of(study))
    table = {key: np.array([one[key] for one in found]) for key in found[0]}
    for way, strengths in zip(WAYS, (COUNTS, HOLDS), strict=True):
        for n in sorted({amount for _, amount, _ in table}):
            own, chosen_strengths = [], []
            for person in range(len(found)):
                others = np.arange(len(found)) != person
                means = {strength: float(table[way, n, strength][others].mean()) for strength in strengths}
                best = max(means, key=lambda strength, means=means: means[strength])
                own.append(np.array([table[way, n, best][person]]))
                chosen_strengths.append(best)
            before = [np.array([value]) for value in table[way, 0, strengths[0]]]
            gain = np.concatenate(own) - np.concatenate(before)
            low, high = interval(own)
            less, more = interval(own, before)
            yield {
                "study": study.name,
                "score": study.metric,
                "way": way,
                "examples": n,
                "people": len(found),
                "mean": float(np.concatenate(own).mean()),
                "low": low,
                "high": high,
                "gain": float(gain.mean()),
                "gain low": less,
                "gain high": more,
                "worse for": int((gain < 0).sum()),
                "strength": float(np.median(chosen_strengths)),
            }


def main() -> None:
    """Refit, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    lines = []
    for study in (utd, ha24, searle):
        for line in lines_of(study(options.data, options.out)):
            print(line, flush=True)
            lines.append(line)
    table = pl.DataFrame(lines).with_columns(pl.selectors.float().round(4))
    table.write_csv(options.out / "wearer.csv")
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=200):
        print(table)


if __name__ == "__main__":
    main()
