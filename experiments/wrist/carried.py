"""What carries over: from openly licensed recordings to another watch, from simulated people to real ones.

    python experiments/wrist/carried.py DATA --out RESULTS

All of it is acceleration alone, ten times a second, in windows of 5 s.

`starter.csv`: learnt from Searle 2021 (MIT) and WISDM (CC BY 4.0) alone, one person of Searle and four of WISDM left
out at a time; found at a rate of false alarms on WISDM people left out. HA24, another watch with scratching, is not
learnt from at all. `simulated.csv`: scratching against the other activities of HA24 people left out, learnt from 0, 1,
2, 4 or 7 other real people, alone and together with simulated ones.
"""

from __future__ import annotations

import argparse
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
from alarms import Traces, choose, count_alarms
from run import EVERYDAY, OTHER, SCRATCHING, interval
from watch_windows import WINDOW_S, Described, describe, load, read_windows, save

from bfrb.metrics import roc_auc
from bfrb.simulate.day import DaySpec, simulate_days
from bfrb.simulate.spec import StudySpec
from bfrb.study.recordings import Recordings
from bfrb.study.windows import WindowSpec, cut_continuous

PENALTY, PEOPLE, SEED = 300.0, 8, 0
REAL_PEOPLE = (1, 2, 4, 7)
CHOICES = 6
"""So many choices of the people that are learnt from."""
SHARES = (0.2, 0.5)
"""Weight of all simulated windows together, beside 1 for all real ones."""


def windows_of(data: Path, out: Path) -> Described:
    """Windows of the three studies, and of simulated days, with their features."""
    path = out / "slow.npz"
    if not path.exists():
        real = read_windows("slow.toml", data, out)
        simulated = simulated_windows(real)
        numbers = np.flatnonzero([name.startswith("wisdm/163") for name in real.subjects])
        save(describe([real, simulated], numbers), path)
    return load(path)


def simulated_windows(like: Recordings) -> Recordings:
    """Windows of simulated days, of the same device: some gesture that scratches, or anything else."""
    days = Recordings.concat(list(simulate_days(StudySpec(subjects=PEOPLE), DaySpec(hours=1.0), SEED)))
    windows = cut_continuous(days, WindowSpec(length_s=WINDOW_S, step_s=WINDOW_S))
    scratches = pl.col("gesture").str.contains("(?i)scratch").fill_null(value=False)
    table = windows.table.select(
        "id",
        subject=pl.lit("simulated/") + pl.col("subject"),
        gesture=pl.when(scratches).then(pl.lit("scratching")).otherwise(pl.lit(OTHER)),
    )
    return Recordings(like.device, {"acc": windows.sensors["acc"]}, windows.offsets, table, {}, simulated=True)


class Solver:
    """Ridge regression on weighted rows; the last column is constant."""

    def __init__(self, features: np.ndarray) -> None:
        self.columns = np.concatenate([features.astype(np.float32), np.ones((len(features), 1), np.float32)], axis=1)

    def products(self, rows: np.ndarray, weights: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What some rows add to both sides."""
        weighted = self.columns[rows] * weights[rows, None].astype(np.float32)
        return weighted.T @ self.columns[rows], weighted.T @ truth[rows].astype(np.float32)

    def solve(self, product: np.ndarray, side: np.ndarray) -> np.ndarray:
        """Weights of the columns."""
        kept = product.copy()
        kept[np.arange(len(side) - 1), np.arange(len(side) - 1)] += PENALTY
        kept[-1, -1] += 1e-3
        solved: np.ndarray = np.linalg.solve(kept, side)
        return solved


def balanced(labels: np.ndarray, kinds: tuple[tuple[str, ...], ...], total: float) -> np.ndarray:
    """(W,) weights with which kinds of windows count alike, `total` together."""
    weights = np.zeros(len(labels))
    for kind in kinds:
        own = np.isin(labels, kind)
        weights[own] = total / len(kinds) / max(own.sum(), 1)
    return weights


def starter(described: Described) -> list[dict[str, object]]:
    """What a detector of openly licensed recordings finds."""
    subjects, labels, solver = described.subjects, described.labels, Solver(described.features)
    open_ones = np.char.startswith(subjects, "searle") | np.char.startswith(subjects, "wisdm")
    people = {study: [name for name in np.unique(subjects) if name.startswith(study)] for study in ("searle", "wisdm")}
    folds = {name: number % 10 for names in people.values() for number, name in enumerate(names)}
    fold = np.array([folds.get(name, -1) for name in subjects.tolist()])
    weights = balanced(labels, (("behaviour",), ("none",), (EVERYDAY,)), float(open_ones.sum())) * open_ones
    truth = (labels == "behaviour").astype(float)
    parts = [solver.products(fold == number, weights, truth) for number in range(10)]
    product, side = sum(part[0] for part in parts), sum(part[1] for part in parts)
    scores = solver.columns @ solver.solve(product, side)
    for number, (own, aims) in enumerate(parts):
        held = fold == number
        scores[held] = solver.columns[held] @ solver.solve(product - own, side - aims)
    lines = []
    searle = np.char.startswith(subjects, "searle")
    each = [(searle & (subjects == name)) for name in people["searle"]]
    auc = [roc_auc(truth[own] > 0, scores[own].astype(np.float64)) for own in each]
    for smoothing_s in (0.0, 20.0):
        about = Traces.of(described.recordings, subjects, labels, WINDOW_S)
        traces = about.smoothed(scores, smoothing_s)
        everyday = np.char.startswith(about.subjects, "wisdm")
        flat = np.full(len(scores), np.nan)
        flat[about.places[about.places >= 0]] = traces[about.places >= 0]
        for rate in (0.5, 2.0, 6.0):
            kept = Traces(about.places[everyday], *[about.names[everyday]] * 3, WINDOW_S)
            on = choose(traces[everyday], kept, {EVERYDAY: np.ones(everyday.sum(), dtype=bool)}, rate)
            alarms = count_alarms(traces, on, WINDOW_S)
            scratching, other = about.labels == SCRATCHING, about.labels == OTHER
            parts_found = [(flat[own & (truth > 0)] >= on).astype(float) for own in each]
            low, high = interval(parts_found)
            lines.append(
                {
                    "smoothing_s": smoothing_s,
                    "false alarms an hour on WISDM": rate,
                    "Searle: windows of behaviour found": float(np.concatenate(parts_found).mean()),
                    "low": low,
                    "high": high,
                    "Searle: other windows alarmed": float((flat[searle & (truth == 0)] >= on).mean()),
                    "Searle: AUC pooled": roc_auc(truth[searle] > 0, scores[searle].astype(np.float64)),
                    "Searle: AUC mean": float(np.mean([value for value in auc if value is not None])),
                    "HA24: scratching recordings found": float((alarms[scratching] > 0).mean()),
                    "HA24: false alarms an hour": float(alarms[other].sum() / about.hours[other].sum()),
                }
            )
    return lines


def simulated(described: Described) -> list[dict[str, object]]:
    """How many real people simulated ones save."""
    subjects, labels, solver = described.subjects, described.labels, Solver(described.features)
    truth = (labels == SCRATCHING).astype(float)
    made, real = np.char.startswith(subjects, "simulated"), np.char.startswith(subjects, "ha24")
    names = np.unique(subjects[real])
    kinds = ((SCRATCHING,), (OTHER,))
    own = {}
    for name in names:
        rows = subjects == name
        weights = np.where(rows, balanced(np.where(rows, labels, ""), kinds, 1000.0), 0.0)
        own[name] = solver.products(rows, weights, truth)
    weights = np.where(made, balanced(np.where(made, labels, ""), kinds, 1000.0), 0.0)
    extra = solver.products(made, weights, truth)
    rng = np.random.default_rng(SEED)
    lines = []
    for count in (0, *REAL_PEOPLE):
        found: dict[str, list[np.ndarray]] = {}
        for name in names:
            others = [other for other in names if other != name]
            choices = list(combinations(others, count))
            taken = [choices[number] for number in rng.permutation(len(choices))[:CHOICES]]
            gained: dict[str, list[float]] = {}
            for choice in taken:
                product = sum((own[other][0] for other in choice), np.zeros_like(extra[0])) / max(count, 1) * 7
                side = sum((own[other][1] for other in choice), np.zeros_like(extra[1])) / max(count, 1) * 7
                mixes = {f"simulated {share}": share * 7 for share in SHARES} if count else {"simulated alone": 7.0}
                mixes |= {"real alone": 0.0} if count else {}
                rows = subjects == name
                for mix, share in mixes.items():
                    solved = solver.solve(product + share * extra[0], side + share * extra[1])
                    told = (solver.columns[rows] @ solved).astype(np.float64)
                    gained.setdefault(mix, []).append(roc_auc(truth[rows] > 0, told) or np.nan)
            for mix, values in gained.items():
                found.setdefault(mix, []).append(np.array([np.mean(values)]))
        for mix, parts in found.items():
            low, high = interval(parts)
            line = {"real people": count, "learnt from": mix, "AUC": float(np.concatenate(parts).mean()), "low": low}
            line["high"] = high
            if count and mix != "real alone":
                line["gain"] = line["AUC"] - float(np.concatenate(found["real alone"]).mean())  # type: ignore[operator]
                line["gain low"], line["gain high"] = interval(parts, found["real alone"])
            lines.append(line)
    return lines


def main() -> None:
    """Measure both, write both."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    described = windows_of(options.data, options.out)
    for name, lines in {"starter": starter(described), "simulated": simulated(described)}.items():
        table = pl.DataFrame(lines, infer_schema_length=None).with_columns(pl.selectors.float().round(3))
        table.write_csv(options.out / f"{name}.csv")
        with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=220, fmt_str_lengths=40):
            print(table)


if __name__ == "__main__":
    main()
