"""What `bfrb export` writes: one graph from samples to probabilities, and all that is needed to trust and use it."""

from __future__ import annotations

import json
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from bfrb.arrays import Array, Floats
from bfrb.errors import BundleError, ConfigError
from bfrb.export.check_golden import find_difference
from bfrb.export.graphs import PROBABILITIES
from bfrb.export.samples import LEFT, build_graph
from bfrb.features.rows import RaggedRows
from bfrb.files import writing_folder
from bfrb.predict.bundle import Bundle
from bfrb.predict.member import LENGTHS
from bfrb.predict.predictor import Predictor
from bfrb.read.tables import make_table
from bfrb.stream.events import EventRule, WindowProbabilities, decide_events
from bfrb.study.device import STANDARD_GRAVITY_M_S2, Sensor
from bfrb.study.mirror import LEFT_HANDED, is_left_handed
from bfrb.study.recordings import Recordings

GRAPH = "model.onnx"
DESCRIPTION = "input.json"
GOLDEN = "golden.json"
CHECKER = "check_golden.py"
EVENT_RULE = "event_rule.c"

PARITY = 1e-5
"""Largest difference between a probability of an exported graph and the package's own."""


def export_bundle(bundle: Bundle, out: Path, *, window_s: float | None = None, member: str | None = None) -> Path:
    """Write a folder for other runtimes, whole or not at all; the path of the graph in it.

        model.onnx        samples in the wrist frame to probabilities, everything inside
        input.json        what it takes in and gives, with units; the event rule of the bundle
        golden.json       made-up samples, and what the package says of them
        check_golden.py   compares a graph with them: 20 lines, onnxruntime and NumPy
        event_rule.c      the rule that makes events of probabilities, in C99

    Parameters
    ----------
    bundle
        The bundle.
    out
        The folder to make.
    window_s
        Makes a graph for recordings of exactly this length, without masks; None: for any length.
    member
        The name of the only member to export; None: the whole ensemble.

    Raises
    ------
    ConfigError
        If there is something at `out`, no such member, or the window is longer than the networks take in.
    BundleError
        If the graph does not say what the package says, or members cannot be merged.
    """
    check_free(out)
    names = [spec.name for spec in bundle.manifest.members]
    if member is not None and member not in names:
        raise ConfigError(f"the bundle has no member {member!r}", remedy=f"choose among {', '.join(names)}")
    rows = None if window_s is None else max(1, round(window_s * bundle.manifest.row_rate_hz))
    bundle = bundle if member is None else bundle.only(names.index(member))
    graph, golden = build_graph(bundle, rows=rows), make_golden(bundle, rows)
    with writing_folder(out) as folder:
        onnx.save(graph, folder / GRAPH)
        (folder / DESCRIPTION).write_text(json.dumps(describe(bundle, graph, rows), indent=1) + "\n", encoding="utf-8")
        (folder / GOLDEN).write_text(json.dumps(golden) + "\n", encoding="utf-8")
        _check(folder)
        for name in (CHECKER, EVENT_RULE):
            (folder / name).write_bytes(files("bfrb.export").joinpath(name).read_bytes())
    return out / GRAPH


def check_free(out: Path) -> None:
    """Refuse a place where something is.

    Raises
    ------
    ConfigError
        If it is no empty folder.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} is there already", remedy="choose another folder")


def describe(bundle: Bundle, graph: onnx.ModelProto, rows: int | None) -> dict[str, Any]:
    """What the graph takes in and gives, in words and units."""
    manifest = bundle.manifest
    time = "time" if rows is None else rows
    inputs: dict[str, Any] = {
        sensor.name: {
            "type": "float32",
            "shape": ["batch", time, len(sensor.columns)],
            "unit": sensor.unit,
            "channels": list(sensor.columns),
            **({"no_answer": "any negative number"} if sensor.no_response_code is not None else {}),
        }
        for sensor in bundle.device.sensors
    }
    if rows is None:
        inputs[LENGTHS] = {
            "type": "int64",
            "shape": ["batch"],
            "meaning": "rows of each recording; any value behind them",
        }
    if manifest.mirror_left_hand:
        inputs[LEFT] = {"type": "bool", "shape": ["batch"], "meaning": "made on the left wrist of a left-handed person"}
    return {
        "device": bundle.device.name,
        "row_rate_hz": manifest.row_rate_hz,
        "rows": f"the {'mean' if manifest.rows == 'mean' else 'nearest'} of the samples of each 1/row_rate_hz",
        "frame": "wrist: x to the thumb of a right hand, y to the fingers, z out of the palm; acc at rest: +g upwards",
        "missing": "NaN",
        "length": f"at most {manifest.max_length} rows count, the {manifest.keep} ones",
        "inputs": inputs,
        "output": {
            "name": PROBABILITIES,
            "type": "float32",
            "shape": ["batch", len(bundle.label_set)],
            "classes": list(bundle.label_set.classes),
            "targets": [name for name in bundle.label_set.classes if name in bundle.label_set.targets],
        },
        "windows": bundle.windows.model_dump(mode="json"),
        "events": EventRule.of(bundle).model_dump(mode="json"),
        "graph": {
            "bytes": graph.ByteSize(),
            "opset": graph.opset_import[0].version,
            "operators": dict(sorted(Counter(node.op_type for node in graph.graph.node).items())),
        },
        "simulated": manifest.simulated,
        "version": manifest.version,
    }


def make_golden(bundle: Bundle, rows: int | None) -> dict[str, Any]:
    """Made-up samples and what the package answers; made-up answers and the events in them."""
    made_up = make_up_recordings(bundle, rows)
    answers = Predictor(bundle).predict(made_up).probabilities
    left = is_left_handed(made_up)
    recordings = [
        {
            "sensors": {name: _plain(values[0]) for name, values in pad_samples(one).items() if name != LENGTHS},
            LENGTHS: int(one.lengths[0]),
            **({LEFT: bool(left[number])} if bundle.manifest.mirror_left_hand else {}),
            PROBABILITIES: answers[number].tolist(),
        }
        for number, one in enumerate(made_up[number : number + 1] for number in range(len(made_up)))
    ]
    windows = _made_up_windows(bundle)
    events = decide_events(windows, EventRule.of(bundle), bundle.label_set)
    return {
        "note": "made up: no person's",
        "recordings": recordings,
        "windows": {
            name: getattr(windows, name).tolist() for name in ("middle_s", "known_s", "after_gap", PROBABILITIES)
        },
        "events": [vars(event) for event in events],
    }


def make_up_recordings(bundle: Bundle, rows: int | None) -> Recordings:
    """Four possible recordings of the bundle's device: whole, with gaps, without proximity sensors, left-handed."""
    rng, device = np.random.default_rng(0), bundle.device
    lengths = [rows] * 4 if rows else [min(length, bundle.manifest.max_length + 9) for length in (41, 57, 30, 200)]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    sensors = {sensor.name: _make_up(sensor, int(offsets[-1]), rng) for sensor in device.sensors}
    for sensor in device.sensors:
        values = sensors[sensor.name]
        values[offsets[1] + 3 : offsets[1] + 9] = sensor.absent
        values[offsets[1] : offsets[1] + 2] = sensor.absent
        if sensor.modality == "proximity":
            values[offsets[2] : offsets[3]] = sensor.absent
    table = make_table({"id": ["whole", "gaps", "motion", "left"], "subject": ["nobody"] * 4})
    handedness = [1 - LEFT_HANDED] * 3 + [LEFT_HANDED]
    return Recordings(device, sensors, offsets, table.with_columns(handedness=np.array(handedness)))


def pad_samples(recordings: Recordings) -> dict[str, Array]:
    """What a graph takes in, of recordings of its device: (B, T, C) float32 by sensor, and (B,) lengths."""
    rows, lengths = RaggedRows(recordings), recordings.lengths
    inside = np.arange(lengths.max()) < lengths[:, None]
    padded: dict[str, Array] = {LENGTHS: lengths.astype(np.int64)}
    for sensor in recordings.device.sensors:
        padded[sensor.name] = np.full((*inside.shape, len(sensor.columns)), np.nan, dtype=np.float32)
        padded[sensor.name][inside] = rows.sensor(sensor.name)
    return padded


def _make_up(sensor: Sensor, rows: int, rng: np.random.Generator) -> Array:
    """(N, *shape) Smooth, possible readings."""
    time = np.arange(rows)[:, None] / 8.0
    channels = len(sensor.columns)
    waves = sum(
        rng.normal(size=channels) * np.sin(time * rng.uniform(0.2, 2, channels) + rng.uniform(0, 6, channels))
        for _ in range(3)
    )
    noise = rng.normal(size=(rows, channels))
    if sensor.unit_norm:
        values = waves + 0.02 * noise
        values = values / np.linalg.norm(values, axis=1, keepdims=True)
    elif sensor.name == "acc":
        values = STANDARD_GRAVITY_M_S2 * waves / np.linalg.norm(waves, axis=1, keepdims=True) + 0.3 * noise
    else:
        low, high = max(sensor.low, -200.0), min(sensor.high, 250.0)
        values = (low + high) / 2 + (high - low) / 8 * waves + 0.01 * noise
    values = np.clip(values, sensor.low, sensor.high).reshape(rows, *sensor.shape).astype(sensor.dtype)
    if sensor.no_response_code is not None:
        values[rng.random(values.shape) < 0.4] = sensor.no_response_code
    return values


def _made_up_windows(bundle: Bundle) -> WindowProbabilities:
    """Ten minutes of answers that wander, with a gap."""
    rng, step_s = np.random.default_rng(1), EventRule.of(bundle).spec.step_s
    count = round(600 / step_s)
    logits = np.cumsum(rng.normal(0, 0.5, (count, len(bundle.label_set))), axis=0)
    probabilities: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    after_gap = np.arange(count) == count // 2
    middle_s = 2.5 + np.arange(count) * step_s + 60 * np.cumsum(after_gap)
    return WindowProbabilities(middle_s, middle_s + 2.5, probabilities, after_gap)


def _plain(values: Array) -> list[Any]:
    """Lists of numbers, None where nothing was measured."""
    return [[None if np.isnan(value) else float(value) for value in row] for row in values]


def _check(folder: Path) -> None:
    """Hold the graph in a folder against the golden vectors beside it.

    Raises
    ------
    BundleError
        If a probability is off by more than `PARITY`.
    """
    difference = find_difference(folder)
    if not difference <= PARITY:
        raise BundleError(
            f"expected the exported graph to agree with the bundle to {PARITY:g}, but it is off by {difference:g}",
            remedy="report this with the versions of torch, onnx and onnxruntime",
        )
