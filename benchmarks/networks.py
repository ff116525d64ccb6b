"""How fast every network learns and answers, side by side.

    python benchmarks/networks.py [--rounds 5]

Training: batches of 32 sequences of 45 to 70 rows, forwards, backwards and one step, in one thread. Answering: one
sequence of 70 rows through the exported graph, in one thread. The networks take turns, and the quickest round of each
counts, because other programs may be running. Weights and inputs are random numbers. Exits with 1 if a bar is missed:
`stems` learns at least half as fast as `two_branch`, and takes at most half as long again to answer.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

# One thread: to be set before NumPy and torch start theirs.
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import numpy as np
import onnx
import onnxruntime
import torch

from bfrb.export.graphs import build_member, fill_template, trace_template
from bfrb.features.pipeline import available, channels_of
from bfrb.jobs import LocalProcesses
from bfrb.networks.registry import NETWORKS, Shape, build_network
from bfrb.study.device import HELIOS
from bfrb.train.run import RunSpec

BATCH, ROWS = 32, 70
LEARNING_BAR, ANSWERING_BAR = 0.5, 1.5


def main() -> int:
    """Measure, print, and say whether the bars are met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    spec = RunSpec(networks=("two_branch", "gated_two_branch", "stems"))
    shape = Shape({name: count_channels(features) for name, features in spec.branches.items()}, 18)
    names = [name for name in NETWORKS if set(spec.network(name).BRANCHES) <= set(shape.channels)]
    learning = {name: learner(name, shape, spec) for name in names}
    answering = dict(zip(names, sessions(names, shape, spec), strict=True))
    step_s = best_of(options.rounds, learning)
    answer_s = best_of(20 * options.rounds, answering)
    print(f"{platform.machine()}, {os.cpu_count()} cores, one thread used, {datetime.date.today()}")
    for name in names:
        weights = sum(value.numel() for value in build_network(name, shape, spec.network(name)).parameters())
        learnt = BATCH / step_s[name]
        ratio = step_s["two_branch"] / step_s[name]
        print(
            f"{name:18s} {weights:9,d} weights, learns {learnt:5.0f} sequences/s ({ratio:.2f} of two_branch), "
            f"answers in {1e3 * answer_s[name]:.2f} ms"
        )
    learns = step_s["two_branch"] / step_s["stems"] >= LEARNING_BAR
    answers = answer_s["stems"] / answer_s["two_branch"] <= ANSWERING_BAR
    return 0 if learns and answers else 1


def count_channels(features: tuple[str, ...]) -> int:
    """Channels of some features on the Helios."""
    return len(channels_of(available(features, HELIOS), HELIOS))


def best_of(rounds: int, actions: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Shortest time of every action in seconds; the actions take turns."""
    best = dict.fromkeys(actions, float("inf"))
    for _ in range(rounds):
        for name, action in actions.items():
            started = time.perf_counter()
            action()
            best[name] = min(best[name], time.perf_counter() - started)
    return best


def learner(name: str, shape: Shape, spec: RunSpec) -> Callable[[], object]:
    """What takes one step of training."""
    network = build_network(name, shape, spec.network(name)).train()
    lengths = torch.linspace(45, ROWS, BATCH).to(torch.int64)
    rows = (torch.arange(ROWS)[None, :] < lengths[:, None])[:, :, None]
    inputs = {branch: torch.randn(BATCH, ROWS, count) * rows for branch, count in shape.channels.items()}
    optimizer = torch.optim.Adam(network.parameters(), fused=True)

    def step() -> None:
        output = network(inputs, lengths)
        parts = (output.logits, *output.heads.values(), *output.auxiliary.values(), *output.present.values())
        optimizer.zero_grad()
        sum(part.square().mean() for part in parts).backward()
        optimizer.step()

    step()
    return step


def sessions(names: list[str], shape: Shape, spec: RunSpec) -> list[Callable[[], object]]:
    """What answers for one sequence through the graph of each network."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder) / f"{name}.onnx" for name in names}
        # A process traces one network only.
        jobs = {name: partial(trace, name, shape, spec, path) for name, path in paths.items()}
        LocalProcesses(1).run(jobs, tick=lambda: None)
        return [session(name, shape, spec, onnx.load(path)) for name, path in paths.items()]


def trace(name: str, shape: Shape, spec: RunSpec, path: Path) -> None:
    """Write the graph of an architecture."""
    path.write_bytes(trace_template(name, shape, spec.network(name)).SerializeToString())


def session(name: str, shape: Shape, spec: RunSpec, template: onnx.ModelProto) -> Callable[[], object]:
    """What answers for one sequence."""
    member = build_member(name, shape, spec.network(name))
    graph = fill_template(template, {key: value.numpy() for key, value in member.state_dict().items()})
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    ready = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(0)
    branches = {branch: rng.normal(size=(1, ROWS, shape.channels[branch])) for branch in member.standardisers}
    feed = {branch: values.astype(np.float32) for branch, values in branches.items()} | {"lengths": np.array([ROWS])}
    return lambda: ready.run(None, feed)


if __name__ == "__main__":
    sys.exit(main())
