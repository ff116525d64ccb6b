"""Real studies, ours against what anyone would use instead, on the same folds.

    python experiments/real/run.py DATA --out RESULTS [--tasks utd_mhad,ha24] [--methods rocket,MiniRocket] [--on ray]

DATA holds the folders that `tasks.toml` names; those that are missing are left out, and said so. A method is `rocket`,
a peer (`peers.py`; LITE, which takes hours, only if it is named) or a preset of this package. The answers of every
method to the people that it did not see are kept in RESULTS, and only what is not there is computed. Then
`results.csv` says for each task and metric what each method has, with a 95 % interval over people, and how far it is
above each peer, paired over people. Seconds are of processor time (all folds, reading not included), for a machine that
does other things too. With
`--on ray` a cluster computes, every study and method at once (docs/cluster.md); seconds are of the job alone then.
"""

from __future__ import annotations

import argparse
import platform
import sys
import time
import tomllib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import torch
from nested import Nested
from peers import INSTALL, PEERS

from bfrb.features.pipeline import available
from bfrb.features.sequences import Sequences, build_sequences, channel_statistics
from bfrb.files import writing_file
from bfrb.metrics.intervals import DIFFERENCE, interval_over_people
from bfrb.metrics.standard import average_precision, roc_auc
from bfrb.networks.network import Shape
from bfrb.networks.rocket import Rocket
from bfrb.networks.specs import RocketSpec
from bfrb.predict.bundle import OUT_OF_FOLD
from bfrb.predict.evaluation import find_threshold
from bfrb.read.sources import HeldSource, open_source
from bfrb.study.folds import Folds, leave_one_subject_out, make_folds
from bfrb.study.labels import LabelSet
from bfrb.study.recordings import Recordings
from bfrb.study.windows import WindowSpec, cut_continuous
from bfrb.train.batches import Examples, load_examples, make_standardisers
from bfrb.train.crossval import RunOptions, cross_validate
from bfrb.train.presets import read_preset
from bfrb.train.run import RunSpec

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
G_M_S2, DEG_S = 9.81, 100.0
"""What peers are given acceleration and turning in units of."""


Answers = tuple[np.ndarray, np.ndarray]
"""(R, K) probabilities or scores of the classes, and (R,) numbers of the classes that are answered."""


class Task(NamedTuple):
    """A study with its question."""

    name: str
    title: str
    recordings: Recordings
    label_set: LabelSet
    folds: Folds
    find: str | None

    @property
    def codes(self) -> np.ndarray:
        """(R,) number of the class of each recording."""
        return self.label_set.encode(np.array(self.recordings.gestures, dtype=object))

    @property
    def people(self) -> np.ndarray:
        """(R,) whose each recording is."""
        return np.array(self.recordings.subjects, dtype=str)

    @property
    def sought(self) -> np.ndarray:
        """(K,) which classes are looked for, if any are."""
        if self.find == "any target":
            return np.array(self.label_set.is_target)
        return np.array([name == self.find for name in self.label_set.classes])


def read_task(name: str, data: Path) -> Task | None:
    """A task as `tasks.toml` describes it; None without its recordings."""
    spec = tomllib.loads((HERE / "tasks.toml").read_text(encoding="utf-8"))[name]
    folder = data / spec["folder"]
    if not folder.exists():
        print(f"{name}: no folder {folder}, left out", file=sys.stderr)
        return None
    description = spec["description"]
    description = str(ROOT / description) if description.endswith(".toml") else description
    source = open_source(folder, description)
    if "rate_hz" in spec:
        device = source.device.model_copy(update={"row_rate_hz": spec["rate_hz"]})
        source = open_source(folder, description, device=device)
    recordings = cut_continuous(source.read(), WindowSpec(step_s=spec.get("step_s", 5.0)))
    recordings = recordings[np.array([gesture is not None for gesture in recordings.gestures])]
    return Task(name, spec["title"], recordings, source.label_set, read_folds(name, recordings), spec.get("find"))


def read_folds(name: str, recordings: Recordings) -> Folds:
    """The folds that lie beside this file, of the people who are there; new ones where people are strange to them."""
    path, people = HERE / "folds.csv", set(recordings.subjects)
    kept = pl.read_csv(path, schema_overrides={"subject": pl.String}).filter(pl.col("task") == name)
    if people <= set(kept["subject"]):
        known = kept.filter(pl.col("subject").is_in(people))
        numbers = {fold: number for number, fold in enumerate(sorted(set(known["fold"])))}
        return Folds({subject: numbers[fold] for _, subject, fold in known.iter_rows()})
    print(f"{name}: folds.csv does not know these people, new folds are drawn", file=sys.stderr)
    return make_folds(recordings.table, 5, seed=0) if name == "wisdm" else leave_one_subject_out(recordings.table)


def answer_rocket(task: Task) -> Answers:
    """`rocket`: probabilities that did not see the person, and classes decided as the preset `quick` decides them.

    As the peers' are, its thresholds and scales are placed once, by all windows without their classes, and all folds
    have one product: a preset that does both anew in every fold takes longer, and is asked by its name. How probable
    the targets of a study have to be is chosen by the answers to the training people, each by a fit to the others.
    """
    recordings, spec = task.recordings, RunSpec.parse({"features": {"mirror_left_hand": True}})
    branches = spec.features.branches(RocketSpec.BRANCHES)
    used = {name: available(names, recordings.device) for name, names in branches.items()}
    sequences = build_sequences(recordings, used, mirror_left_hand=True)
    everyone, targets = np.arange(len(recordings)), np.eye(len(task.label_set), dtype=np.float32)[task.codes]
    known = {name: branch for name, branch in sequences.branches.items() if branch.channels}
    scale = make_standardisers(channel_statistics(Sequences(known, sequences.offsets), everyone))
    channels = {name: len(found) for name, found in sequences.channels.items()}
    torch.manual_seed(spec.seed)
    network = Rocket(Shape(channels, len(task.label_set)), RocketSpec()).eval()

    def take(rows: np.ndarray) -> Examples:
        return load_examples(sequences, recordings, rows, targets[rows], scale, int(recordings.lengths.max()))

    with torch.no_grad():
        some = take(np.sort(np.random.default_rng(spec.seed).permutation(everyone)[:64]))
        network.place(some.inputs, some.lengths)
        batches = (take(rows) for rows in np.split(everyone, everyone[RocketSpec.TOGETHER :: RocketSpec.TOGETHER]))
        found = [network.features(batch.inputs, batch.lengths) for batch in batches]
        features, there = (torch.cat([pair[number] for pair in found]) for number in range(2))
        network.center.copy_(features.mean(dim=0))
        network.scale.copy_((features.var(dim=0) + 1e-4).rsqrt())
        values = network.standardise(features, there).numpy()
    splits = [task.folds.split(fold, recordings.subjects) for fold in range(len(task.folds))]
    nested = Nested(values, targets, task.people, splits, network.plain.numpy())
    answers, told = np.zeros(targets.shape), task.codes.copy()
    for fold, (learnt, held_out) in enumerate(splits):
        loss, weight, penalty, temperature = nested.choose(fold)
        left_out, answers[held_out] = nested.probabilities(fold, weight, penalty, temperature)
        threshold = find_threshold(task.codes[learnt], left_out, task.label_set)
        told[held_out] = task.label_set.choose(answers[held_out], threshold)
        chosen = f"penalty {penalty:g}, weight {weight:g}, loss {loss:.3f}, targets from {threshold or 0:.3f}"
        print(f"{task.name}: fold {fold}, {chosen}", file=sys.stderr, flush=True)
    return answers, told


def answer_preset(method: str, task: Task, out: Path) -> Answers:
    """A preset's members that did not see the person."""
    source = HeldSource(task.recordings, task.title, label_set=task.label_set)
    options = RunOptions(workers=1, overwrite=True)
    spec = read_preset(method)
    bundle = cross_validate(source, spec, out / f"{task.name}.{method}", folds=task.folds, options=options)
    return read_answers(task, bundle)


def read_answers(task: Task, bundle: Path) -> Answers:
    """What a bundle keeps of the members that did not see the person."""
    kept = pl.read_parquet(bundle / OUT_OF_FOLD).filter(pl.col("scenario") == "all")
    told = task.label_set.encode(np.array(kept["prediction"].to_list(), dtype=object))
    return kept.select(task.label_set.classes).to_numpy(), told


def answer_peer(method: str, task: Task) -> Answers:
    """A peer that did not see the person, which answers with the class of the highest score."""
    splits = [task.folds.split(fold, task.recordings.subjects) for fold in range(len(task.folds))]
    scores = PEERS[method](padded(task.recordings), task.codes, splits, len(task.label_set))
    return scores, scores.argmax(axis=1)


def padded(recordings: Recordings) -> np.ndarray:
    """(R, 6, T) acceleration and turning, 0 after a recording's end and where nothing was measured."""
    rows = np.concatenate([recordings.sensors["acc"] / G_M_S2, recordings.sensors["gyr"] / DEG_S], axis=1)
    lengths = recordings.lengths
    windows = np.zeros((len(lengths), lengths.max(), 6), dtype=np.float32)
    windows[np.arange(lengths.max()) < lengths[:, None]] = np.nan_to_num(rows)
    return windows.transpose(0, 2, 1)


def answer(method: str, task: Task, out: Path) -> tuple[Answers, float]:
    """A method's answers to a task and the seconds of processor time it took, computed or as kept in a folder."""
    path = kept_in(out, task.name, method)
    if not path.exists():
        begun = time.process_time() + children_s()
        if method in PEERS:
            scores, told = answer_peer(method, task)
        else:
            scores, told = answer_rocket(task) if method == "rocket" else answer_preset(method, task, out)
        with writing_file(path) as unfinished, unfinished.open("wb") as file:
            np.savez(file, scores=scores, told=told, seconds=time.process_time() + children_s() - begun)
    with np.load(path) as kept:
        return (kept["scores"], kept["told"]), float(kept["seconds"])


def kept_in(out: Path, task: str, method: str) -> Path:
    """Where the answers of a method to a study are kept."""
    return out / f"{task}.{method.replace(' ', '_')}.npz"


def children_s() -> float:
    """Processor time of the processes that were started and have ended."""
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


Metric = Callable[[np.ndarray], float | None]
"""A score of some of the rows."""


def metrics(task: Task, scores: np.ndarray, told: np.ndarray | None = None) -> dict[str, Metric]:
    """What is asked of the answers, the classes of the highest scores if no others; functions of the rows to judge."""
    truth, told = task.codes, scores.argmax(axis=1) if told is None else told

    def macro_f1(rows: np.ndarray) -> float:
        sizes = np.bincount(truth[rows], minlength=scores.shape[1]) + np.bincount(told[rows], minlength=scores.shape[1])
        right = np.bincount(truth[rows][truth[rows] == told[rows]], minlength=scores.shape[1])
        return float((2 * right[sizes > 0] / sizes[sizes > 0]).mean())

    found: dict[str, Metric] = {}
    if task.find != "any target":
        found = {"accuracy": lambda rows: float((truth == told)[rows].mean()), "macro F1": macro_f1}
    if task.find is None:
        return found
    sought, people, said = task.sought[truth], task.people, task.sought[told]
    value = (scores if (scores >= 0).all() else probabilities(scores))[:, task.sought].sum(axis=1)

    def f1(rows: np.ndarray) -> float:
        return float(2 * (sought & said)[rows].sum() / max(1, sought[rows].sum() + said[rows].sum()))

    def mean_auc(rows: np.ndarray) -> float:
        found = (roc_auc(sought[own], value[own]) for own in _by_person(people, rows))
        return float(np.mean([each for each in found if each is not None]))

    named = task.find
    return found | {
        f"{named}: AUC": lambda rows: roc_auc(sought[rows], value[rows]),
        f"{named}: mean AUC of people": mean_auc,
        f"{named}: F1": f1,
        f"{named}: average precision": lambda rows: average_precision(sought[rows], value[rows]),
    }


def probabilities(scores: np.ndarray) -> np.ndarray:
    """Of a peer's answers by ridge: the softmax of their doubles, for which they rank best on HA24."""
    powers = np.exp(2.0 * (scores - scores.max(axis=1, keepdims=True)))
    found: np.ndarray = powers / powers.sum(axis=1, keepdims=True)
    return found


def _by_person(people: np.ndarray, rows: np.ndarray) -> list[np.ndarray]:
    return [rows[people[rows] == name] for name in np.unique(people[rows])]


def compare(task: Task, answers: dict[str, tuple[Answers, float]]) -> list[dict[str, Any]]:
    """A line for every metric and method: its value, and how far it is above each peer, with intervals over people."""
    people = np.unique(task.people)
    places = [np.flatnonzero(task.people == name) for name in people]

    def over_people(metric: Metric) -> Callable[[Any], float | None]:
        return lambda chosen: metric(np.concatenate([places[person] for person in chosen]))

    scored = {method: metrics(task, *given) for method, (given, _) in answers.items()}
    lines = []
    for name in next(iter(scored.values())):
        for method, (_, seconds) in answers.items():
            own = over_people(scored[method][name])
            line = {"task": task.name, "metric": name, "method": method, "people": len(people)}
            line |= _with_interval("value", own, len(people), (0.0, 1.0)) | {"cpu_s": round(seconds, 1)}
            for peer in (peer for peer in PEERS if peer in answers):
                other = over_people(scored[peer][name])
                gap = lambda chosen, own=own, other=other: own(chosen) - other(chosen)  # noqa: E731
                line |= _with_interval(f"above {peer}", gap, len(people), DIFFERENCE) if method != peer else {}
            lines.append(line)
    return lines


def _with_interval(
    name: str, score: Callable[[Any], float | None], people: int, possible: tuple[float, float]
) -> dict[str, float | None]:
    low, high = interval_over_people(score, people, possible) or (None, None)
    values = {name: score(np.arange(people)), f"{name}, low": low, f"{name}, high": high}
    return {key: None if value is None else round(value, 4) for key, value in values.items()}


def show(lines: list[dict[str, Any]]) -> None:
    """One table, for people."""
    best = {}
    for line in lines:
        key = (line["task"], line["metric"])
        if line["method"] in PEERS and line["value"] > best.get(key, {"value": -1.0})["value"]:
            best[key] = line
    for line in lines:
        peer = best.get((line["task"], line["metric"]))
        told = f"{line['task']:11} {line['metric']:32} {line['method']:18} {line['value']:.3f}"
        if peer is not None and peer["method"] != line["method"]:
            gap = f"above {peer['method']}"
            low, high = line[f"{gap}, low"], line[f"{gap}, high"]
            told += f"  {line[gap]:+.3f} [{low:+.3f}, {high:+.3f}] {gap}"
        print(f"{told}  ({line['cpu_s']:.0f} s)")


def answer_job(method: str, name: str, data: Path, out: Path) -> None:
    """Answer one study by one method, as a job whose result lies in the folder of answers."""
    task = read_task(name, data)
    if task is not None:
        answer(method, task, out)


def answer_on(on: str, tasks: list[str], methods: list[str], data: Path, out: Path) -> None:
    """Have a cluster compute the answers that are not there yet."""
    from bfrb.cluster import connect
    from bfrb.jobs import Need

    jobs = {
        f"{name}: {method}": partial(answer_job, method, name, data.resolve(), out.resolve())
        for name in tasks
        for method in methods
        if not kept_in(out, name, method).exists() and read_task(name, data) is not None
    }
    with connect(on, folders=[out.resolve()]) as cluster:
        for number, (job, _) in enumerate(cluster.results(jobs, need=Need(memory=2**31)), start=1):
            print(f"{job} answered on {cluster.places.get(job)}, {number} of {len(jobs)}", file=sys.stderr, flush=True)


def main() -> None:
    """Answer, compare, write."""
    tasks = list(tomllib.loads((HERE / "tasks.toml").read_text(encoding="utf-8")))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tasks", default=",".join(tasks))
    parser.add_argument("--methods", default=",".join(["rocket", *(name for name in PEERS if name != "LITE")]))
    parser.add_argument("--on", help="a cluster: ray, or ray://HOST:10001")
    options = parser.parse_args()
    methods = options.methods.split(",")
    if any("Rocket" in method for method in methods) and find_spec("aeon") is None:
        parser.error(f"the peers need another package: {INSTALL}")
    options.out.mkdir(parents=True, exist_ok=True)
    if options.on:
        answer_on(options.on, options.tasks.split(","), methods, options.data, options.out)
    lines: list[dict[str, Any]] = []
    for name in options.tasks.split(","):
        task = read_task(name, options.data)
        if task is None:
            continue
        answers = {}
        for method in methods:
            answers[method] = answer(method, task, options.out)
            print(f"{name}: {method} answered, {answers[method][1]:.0f} s", file=sys.stderr, flush=True)
        lines += compare(task, answers)
    about = {"machine": f"{platform.system()} {platform.machine()}", "date": datetime.now(UTC).date().isoformat()}
    columns = dict.fromkeys(key for line in lines for key in line)
    table = pl.DataFrame([{key: line.get(key) for key in columns} | about for line in lines], infer_schema_length=None)
    table.write_csv(options.out / "results.csv")
    show(lines)


if __name__ == "__main__":
    main()
