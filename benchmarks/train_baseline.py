"""How long the whole preset `baseline` trains: 20 networks, up to 160 epochs, 8,151 sequences, and what bounds it.

    python benchmarks/train_baseline.py [--data DATA] [--workers 0] [--subjects 81] [--set training.epochs=2 ...]

Trains by `bfrb train` on a graphics card, as many networks at a time as it would by itself, on a simulated study of 81
subjects (which is 8,151 sequences) unless DATA is given; simulating is not counted. Then one network is trained alone
under torch's profiler. From both it says what bounds the whole: the card, or the processor that tells it what to do.
Exits with 1 if the whole preset takes longer than ten minutes on a card. Without a card it says so and stops, for the
whole preset would take most of a day; with --on-processor and smaller numbers everything runs there.
"""

from __future__ import annotations

import argparse
import datetime
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from bfrb.networks.registry import Shape, build_network
from bfrb.predict.bundle import HISTORY, OUT_OF_FOLD
from bfrb.study.labels import CMI_GESTURES
from bfrb.train.batches import Examples
from bfrb.train.crossval import default_workers
from bfrb.train.member import compute_device
from bfrb.train.presets import read_preset
from bfrb.train.run import RunSpec
from bfrb.train.trainer import Task, train

BAR_S, AIM_S = 600.0, 300.0
SEQUENCES, NETWORKS = 8151, 20
MOTION, PROXIMITY = 20, 25
BUSY = 0.85
"""From this share of the time on, whatever is busy bounds the rest."""


@dataclass(frozen=True)
class Step:
    """One step of one network alone.

    Parameters
    ----------
    wall_ms
        What it takes.
    card_ms
        What the card computes of it.
    kernels
        What the card is told to do.
    slowest
        The operators that take most of it, with their share.
    """

    wall_ms: float
    card_ms: float
    kernels: float
    slowest: tuple[tuple[str, float], ...]


def main() -> int:
    """Train, profile, say what bounds it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--subjects", type=int, default=81)
    parser.add_argument("--set", action="append", default=[], help="a change to the preset, such as folds=2")
    parser.add_argument("--on-processor", action="store_true")
    options = parser.parse_args()
    device = compute_device()
    if device.type != "cuda" and not options.on_processor:
        print("skipped: there is no graphics card; see --on-processor")
        return 0
    spec = read_preset("baseline").updated(options.set)
    workers = options.workers or default_workers()
    name = torch.cuda.get_device_name(0) if device.type == "cuda" else "the processor"
    print(f"{datetime.date.today()}, {name}, {os.cpu_count()} cores, {workers} networks at a time", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or simulate(Path(folder) / "study", options.subjects)
        watched = Watched() if device.type == "cuda" else None
        started = time.perf_counter()
        bfrb("train", str(data), "--out", f"{folder}/model", "--preset", "baseline", "--no-report", *changes(options))
        wall_s = time.perf_counter() - started
        busy = None if watched is None else watched.stop()
        whole = report_run(Path(folder) / "model", wall_s, workers)
    step = profile_step(spec, device)
    report_step(step, workers, busy)
    if device.type != "cuda" or not whole or options.set:
        print("not the whole preset on a card: no bar applies")
        return 0
    print(f"{wall_s:.0f} s (bar {BAR_S:.0f}, aim {AIM_S:.0f})")
    return int(wall_s > BAR_S)


def bfrb(*arguments: str) -> None:
    """A bfrb command."""
    subprocess.run([sys.executable, "-m", "bfrb", *arguments], check=True)


def simulate(out: Path, subjects: int) -> Path:
    """A study of so many subjects."""
    bfrb("simulate", str(out), "--subjects", str(subjects), "--format", "parquet")
    return out


def changes(options: argparse.Namespace) -> list[str]:
    """The options of `bfrb train` that the options of this command ask for."""
    return ["--workers", str(options.workers), *(part for change in options.set for part in ("--set", change))]


class Watched:
    """How busy the card is, asked once a second."""

    def __init__(self) -> None:
        command = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits", "-l", "1"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        self.thread = threading.Thread(target=lambda: self.lines.extend(self.process.stdout or ()), daemon=True)
        self.thread.start()

    def stop(self) -> tuple[float, float]:
        """Mean share of the time in which the card computed, and the most memory in use, in GiB."""
        self.process.terminate()
        self.thread.join()
        return read_watched(self.lines)


def read_watched(lines: list[str]) -> tuple[float, float]:
    """Mean share busy and most memory in GiB, of lines such as `87, 14336`."""
    found = np.array([[float(part) for part in line.split(",")] for line in lines if line.strip()])
    return float(found[:, 0].mean()) / 100.0, float(found[:, 1].max()) / 1024.0


def report_run(bundle: Path, wall_s: float, workers: int) -> bool:
    """Print how long what took; whether this was the whole preset."""
    history = pl.read_parquet(bundle / HISTORY)
    sequences = pl.read_parquet(bundle / OUT_OF_FOLD, columns=["id"])["id"].n_unique()
    networks, epochs = history["member"].n_unique(), history.height
    busy_s = float(history["seconds"].sum())
    longest = history.group_by("member").agg(pl.col("seconds").sum())["seconds"].max()
    print(
        f"{sequences} sequences, {networks} networks: {epochs} epochs in {wall_s:.0f} s, {epochs / wall_s:.2f} a second"
    )
    print(f"epochs fill {busy_s / (workers * wall_s):.0%} of {workers} places; the longest training is {longest:.0f} s")
    return sequences == SEQUENCES and networks == NETWORKS


def profile_step(spec: RunSpec, device: torch.device, steps: int = 12) -> Step:
    """What a step of `two_branch` consists of, on sequences as long as those of the study."""
    if device.type != "cuda":
        torch.set_num_threads(1)
    training = spec.training.model_copy(update={"epochs": 1, "stopping": "last_epoch"})
    shape = Shape({"imu": MOTION, "proximity": PROXIMITY}, len(CMI_GESTURES))
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device.type == "cuda" else [])]
    examples = make_examples(steps * training.batch_size, device)

    def learn() -> float:
        torch.manual_seed(0)
        network = build_network("two_branch", shape, spec.two_branch).to(device)
        task = Task(training, spec.two_branch, examples, None, CMI_GESTURES, (0,))
        with tempfile.TemporaryDirectory() as folder:
            (epoch,) = train(network, task, Path(folder) / "checkpoint.pt")[1]
        return epoch.seconds

    learn()
    wall_s = learn()
    with profile(activities=activities) as watched:
        learn()
    averages = watched.key_averages()
    on_card = [row for row in averages if row.device_type == DeviceType.CUDA and not row.is_user_annotation]
    told = sum(row.count for row in averages if row.key.startswith("cudaLaunchKernel"))
    card_us = sum(row.self_device_time_total for row in on_card)
    rows = on_card or list(averages)
    spent = {row.key: row.self_device_time_total if on_card else row.self_cpu_time_total for row in rows}
    first = sorted(spent, key=lambda key: -spent[key])[:5]
    slowest = tuple((key, spent[key] / sum(spent.values())) for key in first)
    return Step(1e3 * wall_s / steps, 1e-3 * card_us / steps, told / steps, slowest)


def make_examples(count: int, device: torch.device) -> Examples:
    """Random sequences of 30 to 127 rows, 70 on average."""
    rng = np.random.default_rng(0)
    lengths = torch.from_numpy(np.clip(rng.lognormal(4.18, 0.35, count), 30, 127).astype(np.int64))
    rows = (torch.arange(127)[None, :] < lengths[:, None])[:, :, None]
    generator = torch.Generator().manual_seed(0)
    inputs = {
        name: torch.randn(count, 127, width, generator=generator) * rows
        for name, width in (("imu", MOTION), ("proximity", PROXIMITY))
    }
    targets = torch.eye(len(CMI_GESTURES))[torch.arange(count) % len(CMI_GESTURES)]
    return Examples(inputs, lengths, targets, {name: torch.ones(count) for name in inputs}).to(device)


def report_step(step: Step, workers: int, busy: tuple[float, float] | None) -> None:
    """Print what a step consists of, and what bounds the whole."""
    print(f"one network alone: {step.wall_ms:.2f} ms a step", end="")
    if step.card_ms:
        share = step.card_ms / step.wall_ms
        print(f", of which the card computes {step.card_ms:.2f} ms ({share:.0%}) in {step.kernels:.0f} kernels", end="")
    print("\nmost of it: " + ", ".join(f"{name} {share:.0%}" for name, share in step.slowest))
    if busy is not None:
        print(f"all together: the card computes {busy[0]:.0%} of the time, with up to {busy[1]:.1f} GiB")
    print(f"bound by {name_bound(step, workers, None if busy is None else busy[0])}")


def name_bound(step: Step, workers: int, busy: float | None) -> str:
    """What has to be quicker for the whole to be quicker."""
    if busy is None:
        return "the processor, which computes"
    if busy >= BUSY:
        return "the card"
    if workers * step.card_ms / step.wall_ms >= BUSY:
        return "taking turns: the networks together would fill the card, and do not"
    return "the processors, which tell the card what to do"


if __name__ == "__main__":
    sys.exit(main())
