"""Training speed: this package, and Keras 3 on TensorFlow, with the same network, data and batch size.

    python benchmarks/train.py [--keras-python PYTHON] [--sequences 1024] [--epochs 3] [--full]

Both train `two_branch` (1.05 M parameters, 20 + 25 channels) on random sequences in batches of 64, epoch by epoch in
turn. Keras trains one network on all cores; this package trains one network per core, each on one thread, as `bfrb
train` does, and what they do together counts. The sequences have 30 to 127 rows, 70 on average, as in the CMI study;
Keras gets them padded to 127 rows, as the published notebook trains, while this package pads a batch to its longest
sequence and draws sequences of like length together. With --full every sequence has 127 rows, so that nothing is won
by padding less. PYTHON is an interpreter with keras, tensorflow-cpu, scikit-learn, joblib and lazy-loader, such as that
of a virtual environment of its own; by default this one. Exits with 1 if the bar is missed, and with 0 and a note if
there is no TensorFlow.
"""

from __future__ import annotations

import argparse
import datetime
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

RATIO_BAR = 1.5
ROWS, MOTION, PROXIMITY, CLASSES, BATCH = 127, 20, 25, 18, 64
ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Train with both in turn, print, and say whether the bar is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keras-python", default=sys.executable)
    parser.add_argument("--sequences", type=int, default=1024)
    parser.add_argument("--epochs", type=int, default=3, help="that are timed, after one to warm up")
    parser.add_argument("--full", action="store_true", help="every sequence has 127 rows")
    parser.add_argument("--as", dest="side", choices=["keras", "ours"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side:
        {"keras": train_keras, "ours": train_ours}[options.side](options.sequences, options.full)
        return 0
    if not has_tensorflow(options.keras_python):
        print(f"skipped: {options.keras_python} has no TensorFlow and Keras; name one that has with --keras-python")
        return 0
    cores = os.cpu_count() or 1
    keras = [start(options.keras_python, "keras", options)]
    ours = [start(sys.executable, "ours", options) for _ in range(cores)]
    for process in (*keras, *ours):
        wait_for(process, "ready")
    times = [(train_epoch(ours), train_epoch(keras)) for _ in range(options.epochs + 1)][1:]
    for process in (*keras, *ours):
        process.kill()
    return report(options, [found[0] for found in times], [found[1] for found in times], cores)


def make_data(sequences: int, full: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(R, T, C) random features, 0 on padding, (R,) lengths and (R,) classes."""
    rng = np.random.default_rng(0)
    lengths = np.full(sequences, ROWS) if full else np.clip(rng.lognormal(4.18, 0.35, sequences), 30, ROWS).astype(int)
    values = rng.normal(size=(sequences, ROWS, MOTION + PROXIMITY)).astype(np.float32)
    values *= (np.arange(ROWS) < lengths[:, None])[:, :, None]
    return values, lengths, rng.integers(0, CLASSES, sequences)


def train_keras(sequences: int, full: bool) -> None:
    """Train an epoch for every line on stdin, and print its seconds."""
    import keras
    import keras_notebook

    values, _, labels = make_data(sequences, full)
    targets = np.eye(CLASSES, dtype=np.float32)[labels]
    model = keras_notebook.build(ROWS, MOTION, PROXIMITY, units=128)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    model.compile(optimizer=keras.optimizers.Adam(5e-4), loss=loss, jit_compile=False)
    print("ready", flush=True)
    for _ in sys.stdin:
        processor = time.process_time()
        model.fit(values, targets, batch_size=BATCH, epochs=1, verbose=0)
        print("epoch", time.process_time() - processor, flush=True)


def train_ours(sequences: int, full: bool) -> None:
    """Train an epoch on one thread for every line on stdin, and print its seconds."""
    import torch

    from bfrb.networks.registry import Shape, build_network
    from bfrb.networks.specs import TwoBranchSpec
    from bfrb.study.labels import CMI_GESTURES
    from bfrb.train.batches import Examples
    from bfrb.train.run import TrainingSpec
    from bfrb.train.trainer import Task, train

    torch.set_num_threads(1)
    values, lengths, labels = make_data(sequences, full)
    examples = Examples(
        inputs={"imu": torch.from_numpy(values[..., :MOTION]), "proximity": torch.from_numpy(values[..., MOTION:])},
        lengths=torch.from_numpy(lengths),
        targets=torch.eye(CLASSES)[torch.from_numpy(labels)],
        present={},
    )
    spec = TrainingSpec(epochs=1000, patience=1000, batch_size=BATCH, mixup_alpha=0.0, class_weights=False)
    network = build_network("two_branch", Shape({"imu": MOTION, "proximity": PROXIMITY}, CLASSES), TwoBranchSpec())
    processor = [0.0]

    def tell(_: list[Any]) -> None:
        print("epoch", time.process_time() - processor[0], flush=True)
        wait_to_begin()

    def wait_to_begin() -> None:
        sys.stdin.readline()
        processor[0] = time.process_time()

    task = Task(spec, TwoBranchSpec(), examples, None, CMI_GESTURES, (0,))
    print("ready", flush=True)
    wait_to_begin()
    with tempfile.TemporaryDirectory() as folder:
        train(network, task, Path(folder) / "checkpoint.pt", tell)


def start(python: str, side: str, options: argparse.Namespace) -> subprocess.Popen[str]:
    """One side, in a process of its own."""
    command = [python, __file__, "--as", side, "--sequences", str(options.sequences)]
    paths = os.pathsep.join(str(ROOT / name) for name in ("src", "tests", "examples/gallery"))
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": paths}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([*command, *(["--full"] if options.full else [])], text=True, env=environment, **pipes)


def train_epoch(processes: list[subprocess.Popen[str]]) -> tuple[float, float]:
    """Have all processes train an epoch at once: seconds until all have, and seconds of processor of all together."""
    started = time.perf_counter()
    for process in processes:
        if process.stdin is not None:
            process.stdin.write("go\n")
            process.stdin.flush()
    processor = sum(wait_for(process, "epoch") for process in processes)
    return time.perf_counter() - started, processor


def wait_for(process: subprocess.Popen[str], word: str) -> float:
    """The number in the line that begins with a word; 0 if it has none."""
    for line in process.stdout or ():
        if line.startswith(word):
            return float([*line.split(), "0"][1])
    raise SystemExit("a side ended without an answer; run it with --as keras or --as ours to see why")


def has_tensorflow(python: str) -> bool:
    """Whether an interpreter has what the Keras side needs."""
    needed = ("tensorflow", "keras", "sklearn", "joblib", "lazy_loader")
    check = f"from importlib.util import find_spec; print(all(map(find_spec, {needed})))"
    done = subprocess.run([python, "-c", check], capture_output=True, text=True, check=False)
    return done.stdout.strip() == "True"


def report(
    options: argparse.Namespace, ours: list[tuple[float, float]], theirs: list[tuple[float, float]], cores: int
) -> int:
    """Print the figures; 1 if the bar is missed."""
    wall, cpu, other_wall, other_cpu = (
        np.median([found[part] for found in side]) for side in (ours, theirs) for part in (0, 1)
    )
    here, there = cores * options.sequences, options.sequences
    rows = "127 rows each" if options.full else "70 rows on average"
    print(f"{datetime.date.today()}, {cores} cores, {there} sequences of {rows}, batches of {BATCH}")
    print(f"here ({cores} networks)     {here / wall:6.0f} sequences/s   {1e3 * cpu / here:5.2f} ms of CPU a sequence")
    print(f"Keras on TensorFlow   {there / other_wall:6.0f} sequences/s   {1e3 * other_cpu / there:5.2f} ms of CPU")
    ratio, cpu_ratio = here / wall / (there / other_wall), other_cpu / there / (cpu / here)
    print(f"ratio {ratio:.2f} in time, {cpu_ratio:.2f} in processor time (bar {RATIO_BAR:g})")
    return int(ratio < RATIO_BAR and not options.full)


if __name__ == "__main__":
    sys.exit(main())
