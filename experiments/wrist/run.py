"""A detector of scratching for an ordinary watch, judged on people that it did not see.

    python experiments/wrist/run.py DATA --out RESULTS [--methods "rocket, all;MiniRocket, all"]

DATA holds `ha24_watch` and `wisdm_watch`. Eight folds: each holds out one person of HA24 and four of WISDM; eight more
of WISDM are always learnt from, and place and scale the kernels. A threshold that judges a fold keeps, on the other
folds' people, to a rate of false alarms on both studies; the networks that answered those people knew neither them nor
the fold. `curve.csv` has these points, and the curve of one threshold for all folds ("looking back": its thresholds
were chosen on those who are judged). Peers have the same windows, folds, weights, smoothing and thresholds. What was
computed once is kept in RESULTS.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
from alarms import Traces, choose, count_alarms, delays_s
from watch_windows import WINDOW_S, Described, describe, load, read_windows, save, turned

from bfrb.metrics.intervals import DIFFERENCE, interval_over_people
from bfrb.metrics.standard import calibration
from bfrb.stream.calibrate import fit_isotonic

FOLDS, KNOWN_TO_ALL = 8, 8
SMOOTHING_S = 20.0
RATES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
CHOSEN_RATES = (0.25, 0.5, 1.0, 2.0)
PENALTY = 300.0
SCRATCHING, OTHER, EVERYDAY = "scratching", "another activity", "everyday"
TILT_DEGREES, COPIES = 20.0, 3


def windows_of(data: Path, out: Path) -> Described:
    """All windows with their features, computed or as kept; turned copies of HA24's come last."""
    path = out / "windows.npz"
    if not path.exists():
        windows = read_windows("studies.toml", data, out)
        subjects = np.array(windows.subjects, dtype=str)
        everyone = np.flatnonzero(np.isin(subjects, never_judged(subjects)))
        ours = np.char.startswith(subjects, "ha24")
        scratching = np.array(windows.gestures, dtype=object) == SCRATCHING
        copies = [turned(windows[ours], TILT_DEGREES, 1)]
        copies += [turned(windows[scratching], TILT_DEGREES, 2 + number) for number in range(COPIES)]
        save(describe([windows, *copies], everyone), path)
    return load(path)


def never_judged(subjects: np.ndarray) -> np.ndarray:
    """The people that every fold learns from."""
    names = np.unique(subjects)
    return names[np.char.startswith(names, "wisdm")][-KNOWN_TO_ALL:]


def fold_of(subjects: np.ndarray) -> np.ndarray:
    """(W,) the fold that each window is judged in; FOLDS where in none."""
    folds = dict.fromkeys(never_judged(subjects).tolist(), FOLDS)
    for study in ("ha24", "wisdm"):
        people = [name for name in np.unique(subjects).tolist() if name.startswith(study) and name not in folds]
        folds |= {name: number % FOLDS for number, name in enumerate(people)}
    return np.array([folds[name] for name in subjects.tolist()])


def weights_of(labels: np.ndarray) -> np.ndarray:
    """(W,) weights with which the three classes count alike, 1 in the mean."""
    weights = np.zeros(len(labels))
    for name in np.unique(labels):
        weights[labels == name] = len(labels) / 3 / (labels == name).sum()
    return weights


Answer = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""From the windows to learn from and those to answer, as masks, to the scores of the latter."""


def left_out() -> Iterator[tuple[int, ...]]:
    """Which folds each fit does without: one, and two."""
    yield from ((fold,) for fold in range(FOLDS))
    yield from combinations(range(FOLDS), 2)


def answers(folds: np.ndarray, copies: np.ndarray, fit: Answer) -> np.ndarray:
    """(FOLDS, W) scores: row f has those of its own windows, and of each other fold's by who knew neither."""
    found = np.full((FOLDS, (~copies).sum()), np.nan)
    plain = folds[~copies]
    for out in left_out():
        to_answer = np.isin(plain, out)
        scores = fit(~np.isin(folds, out), to_answer)
        for own, other in zip(out, out[::-1], strict=True):
            found[own, plain == other] = scores[plain[to_answer] == other]
    return found


def ridge(features: np.ndarray, described: Described, folds: np.ndarray) -> Answer:
    """Ridge regression of scratching; products of features are summed fold by fold, once."""
    columns = np.concatenate([features.astype(np.float32), np.ones((len(features), 1), np.float32)], axis=1)
    weights = weights_of(described.labels).astype(np.float32)
    truth = (described.labels == SCRATCHING).astype(np.float32)
    products, sides = [], []
    for fold in range(FOLDS + 1):
        own = folds == fold
        weighted = columns[own] * weights[own, None]
        products.append(weighted.T @ columns[own])
        sides.append(weighted.T @ truth[own])
    penalty = np.full(columns.shape[1], PENALTY, dtype=np.float32)
    penalty[-1] = 0.0
    plain = columns[~described.copies]

    def answer(known: np.ndarray, to_answer: np.ndarray) -> np.ndarray:
        kept = np.unique(folds[known])
        product = sum(products[fold] for fold in kept)
        product[np.diag_indices_from(product)] += penalty
        solved = np.linalg.solve(product, sum(sides[fold] for fold in kept))
        scores: np.ndarray = plain[to_answer] @ solved
        return scores

    return answer


def forest(features: np.ndarray, described: Described) -> Answer:
    """A random forest on statistics of the windows."""
    from sklearn.ensemble import RandomForestClassifier

    weights, truth = weights_of(described.labels), described.labels == SCRATCHING
    plain = features[~described.copies]

    def answer(known: np.ndarray, to_answer: np.ndarray) -> np.ndarray:
        found = RandomForestClassifier(60, min_samples_leaf=3, max_samples=0.5, n_jobs=1, random_state=0)
        found.fit(features[known], truth[known], sample_weight=weights[known])
        scores: np.ndarray = found.predict_proba(plain[to_answer])[:, 1]
        return scores

    return answer


def peer_windows(data: Path, out: Path, sensors: int) -> np.ndarray:
    """(W, C, T) windows of acceleration in g, and of turning in units of 100 deg/s, for peers."""
    windows = read_windows("studies.toml", data, out)
    rows = np.concatenate([windows.sensors["acc"] / 9.81, windows.sensors["gyr"] / 100.0], axis=1)
    found: np.ndarray = np.nan_to_num(rows).reshape(len(windows), -1, 6).transpose(0, 2, 1)[:, :sensors]
    return np.ascontiguousarray(found, dtype=np.float32)


def without_copies(described: Described) -> Described:
    """The windows as they were recorded."""
    kept = ~described.copies
    parts = (described.subjects, described.recordings, described.labels, described.copies, described.features)
    return Described(*(part[kept] for part in parts), described.acc_width)


def method(name: str, data: Path, out: Path) -> tuple[np.ndarray, float]:
    """(FOLDS, W) scores of a method, computed or as kept, and the seconds of processor time they took."""
    path = out / f"{name.replace(' ', '_')}.npz"
    if not path.exists():
        kind, sensors = name.split(", ")
        described = windows_of(data, out)
        begun = time.process_time()
        if kind == "rocket":
            used, folds = described, fold_of(described.subjects)
            fit = ridge(described.columns(sensors), described, folds)
        else:
            used = without_copies(described)
            folds, shown = fold_of(used.subjects), peer_windows(data, out, 3 if sensors == "acc" else 6)
            fit = forest(statistics(shown), used) if kind == "forest" else ridge(minirocket(shown, folds), used, folds)
        scores = answers(folds, used.copies, fit)
        np.savez(path, scores=scores, seconds=time.process_time() - begun)
    with np.load(path) as kept:
        return kept["scores"], float(kept["seconds"])


def minirocket(windows: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """(W, D) standardised features of aeon's MiniRocket, 4,000 kernels placed on the people that are never judged."""
    from aeon.transformations.collection.convolution_based import MiniRocket

    found = MiniRocket(n_kernels=4000, random_state=0).fit(windows[folds == FOLDS])
    features = np.concatenate([np.asarray(found.transform(part)) for part in np.array_split(windows, 20)])
    known = features[folds == FOLDS]
    scaled: np.ndarray = (features - known.mean(axis=0)) / np.sqrt(known.var(axis=0) + 1e-4)
    return scaled.clip(-4, 4)


def statistics(windows: np.ndarray) -> np.ndarray:
    """(W, 11 * (C + C / 3)) statistics of (W, C, T) windows: of every axis and of the magnitudes."""
    traces = np.concatenate([windows, np.linalg.norm(windows.reshape(len(windows), -1, 3, 100), axis=2)], axis=1)
    change = np.abs(np.diff(traces, axis=2))
    quantiles = np.quantile(traces, [0.1, 0.25, 0.5, 0.75, 0.9], axis=2)
    parts = [traces.mean(2), traces.std(2), traces.min(2), traces.max(2), change.mean(2), change.std(2), *quantiles]
    return np.concatenate(parts, axis=1)


class Judged:
    """A method's alarms in the recordings of the folds."""

    def __init__(self, scores: np.ndarray, used: Described, smoothing_s: float = SMOOTHING_S) -> None:
        self.about = Traces.of(used.recordings, used.subjects, used.labels, WINDOW_S)
        self.folds = fold_of(used.subjects)[self.about.places[:, 0]]
        self.traces = np.stack([self.about.smoothed(row, smoothing_s) for row in scores])
        self.scratching = self.about.labels == SCRATCHING
        self.kinds = {OTHER: self.about.labels == OTHER, EVERYDAY: self.about.labels == EVERYDAY}

    def chosen(self, rate: float) -> np.ndarray:
        """(FOLDS,) thresholds for a rate, each from the people of the other folds."""
        found = []
        for fold in range(FOLDS):
            others = (self.folds != fold) & (self.folds < FOLDS)
            kinds = {name: kind[others] for name, kind in self.kinds.items()}
            about = Traces(self.about.places[others], *[self.about.names[others]] * 3, WINDOW_S)
            found.append(choose(self.traces[fold][others], about, kinds, rate))
        return np.array(found)

    def looking_back(self, rate: float) -> np.ndarray:
        """(FOLDS,) the one threshold that keeps to a rate on those who are judged."""
        judged = self.folds < FOLDS
        kinds = {name: kind[judged] for name, kind in self.kinds.items()}
        about = Traces(self.about.places[judged], *[self.about.names[judged]] * 3, WINDOW_S)
        return np.full(FOLDS, choose(self.own[judged], about, kinds, rate))

    @property
    def own(self) -> np.ndarray:
        """(R, M) traces of each recording by who did not know its person."""
        return self.traces[np.minimum(self.folds, FOLDS - 1), np.arange(len(self.folds))]

    def table(self, on: np.ndarray) -> pl.DataFrame:
        """One row per judged recording: whose, what, alarms, delay, windows above the threshold of its fold."""
        limit = on[np.minimum(self.folds, FOLDS - 1)]
        moved = self.own - limit[:, None]
        columns = {
            "subject": self.about.subjects,
            "label": self.about.labels,
            "recording": self.about.names,
            "hours": self.about.hours,
            "alarms": count_alarms(moved, 0.0, WINDOW_S),
            "delay_s": delays_s(moved, 0.0, WINDOW_S, WINDOW_S),
            "windows": (moved >= 0).sum(axis=1),
            "of": (self.about.places >= 0).sum(axis=1),
        }
        return pl.DataFrame(columns).filter(pl.Series(self.folds < FOLDS))


def summary(table: pl.DataFrame) -> dict[str, float | None]:
    """What was found of the scratching, how soon, and false alarms an hour in each study."""
    own, rest = table.filter(label=SCRATCHING), table.filter(pl.col("label") != SCRATCHING)
    rates = {
        f"false alarms an hour, {name}": float(part["alarms"].sum() / part["hours"].sum())
        for (name,), part in rest.group_by("label", maintain_order=True)
    }
    found = own.filter(pl.col("alarms") > 0)
    delay = found["delay_s"].median()
    return {
        "recordings found": len(found) / len(own),
        "windows found": float(own["windows"].sum() / own["of"].sum()),
        "median delay, s": None if delay is None else float(delay),
        **rates,
    }


def found_by_person(table: pl.DataFrame, column: str = "alarms") -> list[np.ndarray]:
    """For every person the (R,) scratching recordings as 1 where found, or their shares of windows."""
    own = table.filter(label=SCRATCHING).sort("subject", "recording")
    value = (pl.col("alarms") > 0).cast(pl.Float64) if column == "alarms" else pl.col("windows") / pl.col("of")
    parts = own.select("subject", value=value).partition_by("subject", maintain_order=True)
    return [part["value"].to_numpy() for part in parts]


def interval(parts: list[np.ndarray], minus: list[np.ndarray] | None = None) -> tuple[float | None, float | None]:
    """95 % interval over people of a share, or of a difference of shares."""

    def score(chosen: np.ndarray) -> float:
        gained = float(np.concatenate([parts[person] for person in chosen]).mean())
        return gained - (0.0 if minus is None else float(np.concatenate([minus[person] for person in chosen]).mean()))

    return interval_over_people(score, len(parts), DIFFERENCE if minus else (0.0, 1.0)) or (None, None)


def calibrated(scores: np.ndarray, used: Described) -> dict[str, float | None]:
    """Error of probabilities made of the scores by maps that other people's answers gave: all windows alike."""
    folds, truth = fold_of(used.subjects), (used.labels == SCRATCHING).astype(float)
    claimed = np.full(len(folds), np.nan)
    for fold in range(FOLDS):
        others = (folds != fold) & (folds < FOLDS)
        squashed = 1.0 / (1.0 + np.exp(-4.0 * scores[fold]))
        knots = fit_isotonic(squashed[others], truth[others])
        claimed[folds == fold] = np.interp(squashed[folds == fold], *knots)
    known = folds < FOLDS
    return {"error": calibration(claimed[known], truth[known] > 0.5).error, "base rate": float(truth[known].mean())}


METHODS = ("rocket, acc", "rocket, all", "MiniRocket, acc", "MiniRocket, all", "forest, acc", "forest, all")


def main() -> None:
    """Answer, judge, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--methods", default=";".join(METHODS), help=f"some of {';'.join(METHODS)}")
    options = parser.parse_args()
    methods = [name.strip() for name in options.methods.split(";")]
    if unknown := set(methods) - set(METHODS):
        parser.error(f"no method {', '.join(sorted(unknown))}: choose among {';'.join(METHODS)}")
    options.out.mkdir(parents=True, exist_ok=True)
    answered = {name: method(name, options.data, options.out) for name in methods}
    used = without_copies(windows_of(options.data, options.out))
    lines, tables = [], {}
    for name, (scores, seconds) in answered.items():
        judged = Judged(scores, used)
        points = {("chosen on others", rate): judged.chosen(rate) for rate in CHOSEN_RATES}
        points |= {("looking back", rate): judged.looking_back(rate) for rate in RATES}
        error = calibrated(scores, used)
        for (how, rate), on in points.items():
            tables[name, how, rate] = table = judged.table(on)
            low, high = interval(found_by_person(table))
            line = {"method": name, "thresholds": how, "rate": rate, **summary(table), "low": low, "high": high}
            lines.append(line | {"calibration error": error["error"], "cpu_s": round(seconds, 1)})
    for line in lines:
        for peer in ("MiniRocket", "forest"):
            other = tables.get((f"{peer}, {line['method'].split(', ')[1]}", line["thresholds"], line["rate"]))
            if line["method"].startswith("rocket") and other is not None:
                table = tables[line["method"], line["thresholds"], line["rate"]]
                for column in ("alarms", "windows"):
                    ours, theirs = found_by_person(table, column), found_by_person(other, column)
                    what = "recordings" if column == "alarms" else "windows"
                    line[f"{what} above {peer}"] = np.concatenate(ours).mean() - np.concatenate(theirs).mean()
                    low, high = interval(ours, theirs)
                    line |= {f"{what} above {peer}, low": low, f"{what} above {peer}, high": high}
    shown = pl.DataFrame(lines, infer_schema_length=None).with_columns(pl.selectors.float().round(3))
    shown.write_csv(options.out / "curve.csv")
    people = [
        table.group_by("subject", "label")
        .agg(pl.col("alarms").sum(), (pl.col("alarms") > 0).sum().alias("found"), pl.len(), pl.col("hours").sum())
        .with_columns(method=pl.lit(name))
        for (name, how, rate), table in tables.items()
        if how == "chosen on others" and rate == 2.0
    ]
    pl.concat(people).sort("method", "label", "subject").write_csv(options.out / "people.csv")
    with pl.Config(tbl_rows=-1, tbl_cols=12, fmt_str_lengths=20, tbl_width_chars=200):
        print(shown)


if __name__ == "__main__":
    main()
