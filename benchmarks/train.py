"""Training speed: this package, and Keras 3 on TensorFlow, with the same network, data and batch size.

    python benchmarks/train.py [--keras-python PYTHON] [--sequences 1024] [--epochs 3] [--full]

Both train `two_branch` (1.05 M parameters, 20 + 25 channels) on random sequences in batches of 64, epoch by epoch in
turn, on all cores. The sequences have 30 to 127 rows, 70 on average, as in the CMI study; Keras gets them padded to 127
rows, as the published notebook trains, while this package pads a batch to its longest sequence and draws sequences of
like length together. With --full every sequence has 127 rows, so that nothing is won by padding less. PYTHON is an
interpreter with keras, tensorflow-cpu, scikit-learn, joblib and lazy-loader, such as that of a virtual environment of
its own; by default this one. Exits with 1 if the bar is missed, and with 0 and a note if there is no TensorFlow.
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
    parser.add_argument("--as-keras", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_keras:
        train_keras(options.sequences, options.full)
        return 0
    if not has_tensorflow(options.keras_python):
        print(f"skipped: {options.keras_python} has no TensorFlow and Keras; name one that has with --keras-python")
        return 0
    with start_keras(options) as keras:
        wait_for(keras, "ready")
        ours, theirs, processor = train_in_turn(keras, options)
        keras.kill()
    return report(options, ours, theirs, processor)


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

    import keras_nets

    values, _, labels = make_data(sequences, full)
    targets = np.eye(CLASSES, dtype=np.float32)[labels]
    model = keras_nets.build(ROWS, MOTION, PROXIMITY, units=128)
    loss = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)
    model.compile(optimizer=keras.optimizers.Adam(5e-4), loss=loss, jit_compile=False)
    print("ready", flush=True)
    for _ in sys.stdin:
        wall, processor = time.perf_counter(), time.process_time()
        model.fit(values, targets, batch_size=BATCH, epochs=1, verbose=0)
        print("epoch", time.perf_counter() - wall, time.process_time() - processor, flush=True)


def train_in_turn(keras: subprocess.Popen[str], options: argparse.Namespace) -> tuple[list[float], ...]:
    """Seconds of every epoch of ours and of theirs, and processor seconds of both; the first warms up."""
    import torch

    from bfrb.config import TrainingSpec, TwoBranchSpec
    from bfrb.gestures import CMI_GESTURES
    from bfrb.models import Shape, build_network
    from bfrb.training.batches import Examples
    from bfrb.training.trainer import Epoch, Task, train

    values, lengths, labels = make_data(options.sequences, options.full)
    examples = Examples(
        inputs={"imu": torch.from_numpy(values[..., :MOTION]), "proximity": torch.from_numpy(values[..., MOTION:])},
        lengths=torch.from_numpy(lengths),
        targets=torch.eye(CLASSES)[torch.from_numpy(labels)],
        present={},
    )
    spec = TrainingSpec(epochs=options.epochs + 1, batch_size=BATCH, mixup_alpha=0.0, class_weights=False)
    torch.manual_seed(0)
    network = build_network("two_branch", Shape({"imu": MOTION, "proximity": PROXIMITY}, CLASSES), TwoBranchSpec())
    theirs, ours, processor = [], [], [time.process_time()]

    def let_keras_train(history: list[Epoch]) -> None:
        processor.append(time.process_time())
        ours.append(history[-1].seconds)
        theirs.append(wait_for(keras, "epoch", tell="go"))

    task = Task(spec, TwoBranchSpec(), lambda _: examples, None, CMI_GESTURES, (0,))
    with tempfile.TemporaryDirectory() as folder:
        train(network, task, Path(folder) / "checkpoint.pt", let_keras_train)
    seconds = [
        [wall for wall, _ in theirs[1:]],
        np.diff(processor)[1:].tolist(),
        [processor_s for _, processor_s in theirs[1:]],
    ]
    return ours[1:], seconds[0], [float(np.median(found)) for found in seconds[1:]]


def start_keras(options: argparse.Namespace) -> subprocess.Popen[str]:
    """The Keras side, in a process of its own."""
    command = [options.keras_python, __file__, "--as-keras", "--sequences", str(options.sequences)]
    paths = os.pathsep.join(str(ROOT / name) for name in ("src", "tests"))
    environment = os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONPATH": paths}
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([*command, *(["--full"] if options.full else [])], text=True, env=environment, **pipes)


def wait_for(process: subprocess.Popen[str], word: str, tell: str | None = None) -> tuple[float, ...]:
    """The numbers in the line that begins with a word."""
    if tell is not None and process.stdin is not None:
        process.stdin.write(f"{tell}\n")
        process.stdin.flush()
    for line in process.stdout or ():
        if line.startswith(word):
            return tuple(float(number) for number in line.split()[1:])
    raise SystemExit("the Keras side ended without an answer; run it with --as-keras to see why")


def has_tensorflow(python: str) -> bool:
    """Whether an interpreter has what the Keras side needs."""
    needed = ("tensorflow", "keras", "sklearn", "joblib", "lazy_loader")
    check = f"from importlib.util import find_spec; print(all(map(find_spec, {needed})))"
    done = subprocess.run([python, "-c", check], capture_output=True, text=True, check=False)
    return done.stdout.strip() == "True"


def report(options: argparse.Namespace, ours: list[float], theirs: list[float], processor: list[float]) -> int:
    """Print the figures; 1 if the bar is missed."""
    speed, other = (options.sequences / float(np.median(seconds)) for seconds in (ours, theirs))
    rows = "127 rows each" if options.full else "70 rows on average"
    print(
        f"{datetime.date.today()}, {os.cpu_count()} cores, {options.sequences} sequences of {rows}, batches of {BATCH}"
    )
    print(f"here                  {speed:6.0f} sequences/s   {1e3 * processor[0] / options.sequences:5.2f} ms of CPU")
    print(f"Keras on TensorFlow   {other:6.0f} sequences/s   {1e3 * processor[1] / options.sequences:5.2f} ms of CPU")
    print(f"ratio {speed / other:.2f} in time, {processor[1] / processor[0]:.2f} in processor time (bar {RATIO_BAR:g})")
    return int(speed / other < RATIO_BAR and not options.full)


if __name__ == "__main__":
    sys.exit(main())
