"""What `bfrb export` writes: one graph from samples to probabilities, and all that is needed to trust and use it."""

from __future__ import annotations

import json
from collections import Counter
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx

from bfrb.arrays import Array, Floats
from bfrb.errors import BundleError, ConfigError
from bfrb.export import targets
from bfrb.export.check_golden import find_difference
from bfrb.export.graphs import PROBABILITIES
from bfrb.export.samples import LEFT, build_graph, check_rows
from bfrb.export.worn import Worn
from bfrb.features.rows import RaggedRows
from bfrb.files import bytes_of, writing_folder
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

PARITY = 1e-5  # largest difference between a probability of an exported graph and the package's own
TARGET_PARITY = 1e-4  # the same for other runtimes, whose features are computed in float32
CALIBRATED_ON = 100  # recordings by which the ranges of numbers in eight bits are found

_WRIST_FRAME = "wrist: x to the thumb of a right hand, y to the fingers, z out of the palm; acc at rest: +g upwards"


class Conversion(NamedTuple):
    """For which runtime (`bfrb.export.targets`) a graph is converted; with recordings in 8 bits, by their ranges."""

    target: str
    calibrate_on: Recordings | None = None


def export_bundle(
    bundle: Bundle,
    out: Path,
    *,
    window_s: float | None = None,
    member: str | None = None,
    worn: Worn | None = None,
    conversion: Conversion | None = None,
) -> Path:
    """Write a folder for other runtimes, whole or not at all; the path of the graph in it.

        model.onnx        samples in the wrist frame to probabilities, everything inside
        input.json        what it takes in and gives, with units; the event rule of the bundle
        golden.json       made-up samples, and what the package says of them
        check_golden.py   compares a graph with them: 20 lines, onnxruntime and NumPy
        event_rule.c      the rule that makes events of probabilities, in C99

    For another runtime than ONNX Runtime (`conversion`, which needs a window) its own file comes instead of graph and
    checker. With `window_s` the graph is for recordings of exactly this length, without masks, else for any length;
    with `member` of that one only, else of the whole ensemble; with `worn` for that device's readings, else for the
    bundle's own, in the wrist frame.

    ConfigError if there is something at `out`, no such member, or the window is longer than the networks take in;
    BundleError if the graph does not say what the package says, or members cannot be merged.
    """
    check_free(out)
    names = [spec.name for spec in bundle.manifest.members]
    if member is not None and member not in names:
        raise ConfigError(f"the bundle has no member {member!r}", remedy=f"choose among {', '.join(names)}")
    rows = None if window_s is None else max(1, round(window_s * bundle.manifest.row_rate_hz))
    bundle = bundle if member is None else bundle.only(names.index(member))
    about, golden = describe(bundle, rows, worn), make_golden(bundle, rows, worn)
    with writing_folder(out) as folder:
        (folder / GOLDEN).write_text(json.dumps(golden) + "\n", encoding="utf-8")
        if conversion is None:
            graph = build_graph(bundle, rows=rows, worn=worn)
            onnx.save(graph, folder / GRAPH)
            about["graph"] = _about_graph(graph)
            _check(find_difference(folder), PARITY)
            written = GRAPH
        else:
            written, about["graph"] = _convert(bundle, rows, worn, conversion, folder)
            for name in {*about["inputs"]} - {*about["graph"]["inputs"]}:
                del about["inputs"][name]
        (folder / DESCRIPTION).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        for name in (EVENT_RULE,) if conversion else (CHECKER, EVENT_RULE):
            (folder / name).write_bytes(files("bfrb.export").joinpath(name).read_bytes())
    return out / written


def check_free(out: Path) -> None:
    """Refuse a place where something is; ConfigError if it is no empty folder."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} is there already", remedy="choose another folder")


def _convert(
    bundle: Bundle, rows: int | None, worn: Worn | None, conversion: Conversion, folder: Path
) -> tuple[str, dict[str, Any]]:
    """Convert for a runtime and ask it, where it runs here, what the golden vectors hold; name of the file, facts."""
    check_rows(bundle, rows)
    if rows is None:
        raise ConfigError(f"{conversion.target} knows no free sizes", remedy="add --window with a length in seconds")
    module, made_up = targets.Whole(bundle, worn), make_up_recordings(bundle, rows, worn)
    examples = arrange(module, made_up, rows)
    seen = conversion.calibrate_on
    ranges = [] if seen is None else arrange(module, seen[seen.lengths >= rows], rows)
    if seen is not None and not ranges:
        raise ConfigError(f"no recording for int8 has {rows} rows", remedy="choose a shorter --window, or others")
    ranges = ranges[:: -(-len(ranges) // CALIBRATED_ON) or 1]
    path = targets.convert(conversion.target, module, ranges or examples, folder, int8=seen is not None)
    expected = Predictor(bundle).predict(made_up).probabilities
    told = targets.ask(conversion.target, path, module.inputs, examples)
    facts: dict[str, Any] = {"runtime": conversion.target, "inputs": module.inputs, "int8": seen is not None}
    if told is not None:
        facts["largest_difference"] = float(np.abs(told - expected).max())
        _check(facts["largest_difference"], 1.0 if seen is not None else TARGET_PARITY)
    return path.name, facts | {"bytes": bytes_of(path)}


def arrange(module: targets.Whole, recordings: Recordings, rows: int) -> list[list[Array]]:
    """What a module takes in, of each recording of the bundle's device: its last rows."""
    left = is_left_handed(recordings).astype(np.float32)
    arranged = []
    for number, one in enumerate(recordings.batches(1)):
        samples = pad_samples(one, module.front.worn)
        last = {name: values[:, -rows:] for name, values in samples.items() if name != LENGTHS}
        last[LEFT] = left[number : number + 1]
        arranged.append([last[name] for name in module.inputs])
    return arranged


def describe(bundle: Bundle, rows: int | None, worn: Worn | None = None) -> dict[str, Any]:
    """What a graph takes in and gives, in words and units."""
    manifest = bundle.manifest
    time = "time" if rows is None else rows
    frame = _WRIST_FRAME if worn is None else "the device's own axes; an orientation made of others in the wrist's"
    inputs: dict[str, Any] = {
        sensor.name: {
            "type": "float32",
            "shape": ["batch", time, len(sensor.columns)],
            "unit": sensor.unit,
            "channels": list(sensor.columns),
            **({} if worn is None else worn.describe(sensor.name)),
            **({"no_answer": "any negative number"} if sensor.no_response_code is not None else {}),
        }
        for sensor in bundle.device.sensors
        if worn is None or sensor.name in worn.inputs
    }
    if rows is None:
        meaning = "rows of each recording; any value behind them"
        inputs[LENGTHS] = {"type": "int64", "shape": ["batch"], "meaning": meaning}
    if manifest.mirror_left_hand:
        inputs[LEFT] = {"type": "bool", "shape": ["batch"], "meaning": "made on the left wrist of a left-handed person"}
    return {
        "device": bundle.device.name if worn is None else worn.description.name,
        "row_rate_hz": manifest.row_rate_hz,
        "rows": f"the {'mean' if manifest.rows == 'mean' else 'nearest'} of the samples of each 1/row_rate_hz",
        "frame": frame,
        "missing": "NaN",
        "length": f"at most {manifest.max_length} rows count, the {manifest.keep} ones",
        "inputs": inputs,
        "output": {
            "name": PROBABILITIES,
            "type": "float32",
            "shape": ["batch", len(bundle.label_set)],
            "classes": list(bundle.label_set.classes),
            "targets": [name for name in bundle.label_set.classes if name in bundle.label_set.targets],
            "target_threshold": manifest.target_threshold,
        },
        "windows": bundle.windows.model_dump(mode="json"),
        "events": EventRule.of(bundle).model_dump(mode="json"),
        "simulated": manifest.simulated,
        "version": manifest.version,
    }


def _about_graph(graph: onnx.ModelProto) -> dict[str, Any]:
    operators = dict(sorted(Counter(node.op_type for node in graph.graph.node).items()))
    return {"bytes": graph.ByteSize(), "opset": graph.opset_import[0].version, "operators": operators}


def make_golden(bundle: Bundle, rows: int | None, worn: Worn | None = None) -> dict[str, Any]:
    """Made-up samples and what the package answers; made-up answers and the events in them."""
    made_up = make_up_recordings(bundle, rows, worn)
    answers = Predictor(bundle).predict(made_up).probabilities
    left = is_left_handed(made_up)
    recordings = [
        {
            "sensors": {name: _plain(values[0]) for name, values in pad_samples(one, worn).items() if name != LENGTHS},
            LENGTHS: int(one.lengths[0]),
            **({LEFT: bool(left[number])} if bundle.manifest.mirror_left_hand else {}),
            PROBABILITIES: answers[number].tolist(),
        }
        for number, one in enumerate(made_up.batches(1))
    ]
    windows = _made_up_windows(bundle)
    events = decide_events(windows, EventRule.of(bundle), bundle.label_set)
    return {
        "note": "made up: no person's",
        "recordings": recordings,
        "windows": {name: values.tolist() for name, values in vars(windows).items()},
        "events": [vars(event) for event in events],
    }


def make_up_recordings(bundle: Bundle, rows: int | None, worn: Worn | None = None) -> Recordings:
    """Four possible recordings of the bundle's device: whole, with gaps, without proximity sensors, left-handed.

    What a device that is worn instead does not give was not measured.
    """
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
        if worn is not None and sensor.name not in worn.inputs:
            values[:] = sensor.absent
    table = make_table({"id": ["whole", "gaps", "motion", "left"], "subject": ["nobody"] * 4})
    handedness = [1 - LEFT_HANDED] * 3 + [LEFT_HANDED]
    return Recordings(device, sensors, offsets, table.with_columns(handedness=np.array(handedness)))


def pad_samples(recordings: Recordings, worn: Worn | None = None) -> dict[str, Array]:
    """What a graph takes in, of recordings of the bundle's device: (B, T, C) float32 by sensor, and (B,) lengths."""
    rows, lengths = RaggedRows(recordings), recordings.lengths
    inside = np.arange(lengths.max()) < lengths[:, None]
    padded: dict[str, Array] = {LENGTHS: lengths.astype(np.int64)}
    for sensor in recordings.device.sensors:
        padded[sensor.name] = np.full((*inside.shape, len(sensor.columns)), np.nan, dtype=np.float32)
        padded[sensor.name][inside] = rows.sensor(sensor.name)
        if worn is not None:
            padded[sensor.name] = worn.from_wrist(sensor.name, padded[sensor.name])
    return padded if worn is None else {name: padded[name] for name in (LENGTHS, *worn.inputs)}


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
    return [[None if np.isnan(value) else float(value) for value in row] for row in values]


def _check(difference: float, parity: float) -> None:
    """Refuse a graph of which a probability of the golden vectors is off by more than `parity`."""
    if not difference <= parity:
        problem = f"expected the exported graph to agree with the bundle to {parity:g}, but it is off by {difference:g}"
        raise BundleError(problem, remedy="report this with the versions of torch, onnx and of the runtime")
