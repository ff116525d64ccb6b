"""Small recordings and small, valid bundles, made without torch, for tests that need one."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
from onnx import numpy_helper

from bfrb.features.pipeline import available, channels_of
from bfrb.features.rotations import up_in_wrist
from bfrb.predict import bundle as layout
from bfrb.predict.bundle import Bundle, Manifest, MemberSpec, writing_bundle
from bfrb.study.content import CONTENT, hash_content
from bfrb.study.device import HELIOS, Device
from bfrb.study.labels import CMI_GESTURES, LabelSet
from bfrb.study.recordings import Recordings
from bfrb.train.run import RunSpec
from made_up import BASELINE_FEATURES


def make_recordings(
    count: int = 6,
    *,
    device: Device = HELIOS,
    label_set: LabelSet = CMI_GESTURES,
    subjects: int = 3,
    seed: int = 0,
    **options: Any,
) -> Recordings:
    """Random but possible recordings of 20 to 90 rows; gestures in turn; ids SEQ_000000 ... in order."""
    rng = np.random.default_rng(seed)
    lengths = options.get("lengths", rng.integers(20, 91, count))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    table = pl.DataFrame(
        {
            "id": [f"SEQ_{number:06d}" for number in range(count)],
            "subject": [f"SUBJ_{number % subjects:06d}" for number in range(count)],
            "gesture": [label_set.classes[number % len(label_set)] for number in range(count)],
        }
    )
    return Recordings(device, _readings(device, int(offsets[-1]), rng), offsets, table)


def _readings(device: Device, rows: int, rng: np.random.Generator) -> dict[str, Any]:
    makers: dict[str, Callable[[], Any]] = {
        "acc": lambda: rng.normal(0, 6, (rows, 3)),
        "quaternion": lambda: (turns := rng.normal(size=(rows, 4))) / np.linalg.norm(turns, axis=1, keepdims=True),
        "thm": lambda: rng.normal(27, 2, (rows, 5)),
        "tof": lambda: np.where(rng.random((rows, 5, 8, 8)) < 0.5, -1, rng.integers(0, 250, (rows, 5, 8, 8))),
        "gyr": lambda: rng.normal(0, 90, (rows, 3)),
    }
    made = {sensor.name: makers[sensor.name]().astype(sensor.dtype) for sensor in device.sensors}
    if device.has("quaternion"):  # gravity points up in the world, or the recordings would be refused
        made["acc"] = (made["acc"] / 2 + 9.81 * up_in_wrist(made["quaternion"])).astype(np.float32)
    return made


def make_bundle(
    out: Path,
    *,
    device: Device = HELIOS,
    label_set: LabelSet = CMI_GESTURES,
    members: int = 2,
    seed: int = 0,
    features: Mapping[str, tuple[str, ...]] = BASELINE_FEATURES,
    requires: tuple[tuple[str, ...], ...] = (),
    **manifest: Any,
) -> Path:
    """Write a small bundle, with `requires` by member; further keywords replace values of its manifest."""
    rng = np.random.default_rng(seed)
    channels = {branch: len(channels_of(available(names, device), device)) for branch, names in features.items()}
    specs = [
        MemberSpec(name=name, network="two_branch", fold=n, graph=f"members/{name}.onnx", requires=needs)
        for n, needs in enumerate(requires or ((),) * members)
        for name in [f"two_branch-{n:02d}"]
    ]
    values = {
        "version": "0.1.0",
        "device": device,
        "row_rate_hz": device.row_rate_hz,
        "label_set": label_set,
        "branches": dict(features),
        "max_length": 64,
        "members": tuple(specs),
        "simulated": False,
        "created": "2026-01-01T00:00:00+00:00",
        "provenance": {"data": "random numbers", "seed": seed},
    }
    with writing_bundle(out) as folder:
        (folder / "members").mkdir()
        for spec in specs:
            graph = make_graph(channels, len(label_set), rng)
            (folder / spec.graph).write_bytes(graph.SerializeToString())
        Manifest.parse(values | manifest).write(folder)
        (folder / layout.SPEC).write_text(RunSpec(folds=max(2, members)).to_toml(), encoding="utf-8")
        (folder / layout.SCORES).write_text("{}\n", encoding="utf-8")
        _write_tables(folder, device, label_set, max(2, members), rng)
    return out


def relabelled(bundle: Bundle, label_set: LabelSet) -> Bundle:
    """The bundle as if it told other classes apart."""
    manifest = bundle.manifest.model_copy(update={"label_set": label_set})
    return replace(bundle, manifest=manifest)


def _write_tables(folder: Path, device: Device, label_set: LabelSet, folds: int, rng: np.random.Generator) -> None:
    recordings = make_recordings(4 * len(label_set), label_set=label_set, device=device, subjects=2 * folds)
    hashes = pl.Series(CONTENT, hash_content(recordings))
    table = recordings.table.with_columns(hashes, fold=pl.col("subject").rank("dense").cast(pl.Int64) % folds)
    table.select("subject", "fold").unique(maintain_order=True).write_csv(folder / layout.FOLDS)
    scenarios = ["all", "imu"] if device.names_of("proximity") else ["all"]
    truth = np.eye(len(label_set))[label_set.encode(recordings.gestures)]
    pl.concat([_out_of_fold(table, name, truth, label_set, rng) for name in scenarios]).write_parquet(
        folder / layout.OUT_OF_FOLD
    )
    statistics = {
        "member": "two_branch-00",
        "branch": "imu",
        "channel": "acc_x",
        "unit": "m/s^2",
        "mean": 0.0,
        "sd": 1.0,
    }
    history = {"member": "two_branch-00", "epoch": 0, "loss": 1.0, "score": 0.5}
    for name, row in ((layout.STATISTICS, statistics), (layout.HISTORY, history)):
        pl.DataFrame([row]).write_parquet(folder / name)


def _out_of_fold(
    table: pl.DataFrame, scenario: str, truth: Any, label_set: LabelSet, rng: np.random.Generator
) -> pl.DataFrame:
    """Probabilities that lean towards the truth, less so without proximity sensors."""
    lean = 0.2 if scenario == "all" else 0.1
    probabilities = lean * truth + (1 - lean) * rng.dirichlet(np.ones(len(label_set)), len(table))
    named = pl.DataFrame(dict(zip(label_set.classes, probabilities.T, strict=True)))
    rows = table.select(pl.lit(scenario).alias("scenario"), "id", "subject", "fold", "gesture", CONTENT)
    return pl.concat([rows, named], how="horizontal")


def make_graph(channels: Mapping[str, int], classes: int, rng: np.random.Generator) -> onnx.ModelProto:
    """A member: the mean over time of the squashed features, a linear layer, a softmax; NaN counts as 0."""
    sizes = {branch: count for branch, count in channels.items() if count}
    inputs = "".join(f", float[B, T, {count}] {branch}" for branch, count in sizes.items())
    branches = "\n".join(
        f"""
        {branch}_unknown = IsNaN({branch})
        {branch}_known = Where({branch}_unknown, zero, {branch})
        {branch}_squashed = Tanh({branch}_known)
        {branch}_summed = ReduceSum<keepdims = 0>({branch}_squashed, one)
        {branch}_mean = Div({branch}_summed, rows)
        {branch}_logits = MatMul({branch}_mean, {branch}_weights)"""
        for branch in sizes
    )
    model = onnx.parser.parse_model(f"""
    <ir_version: 10, opset_import: ["" : 18]>
    member (int64[B] lengths{inputs}) => (float[B, {classes}] probabilities)
    <float zero = {{0}}, int64[1] one = {{1}}> {{
        counts = Cast<to = 1>(lengths)
        rows = Unsqueeze(counts, one)
        {branches}
        logits = Sum({", ".join(f"{branch}_logits" for branch in sizes)})
        probabilities = Softmax<axis = 1>(logits)
    }}""")
    for branch, count in sizes.items():
        weights = rng.normal(0, 2, (count, classes)).astype(np.float32)
        model.graph.initializer.append(numpy_helper.from_array(weights, f"{branch}_weights"))
    onnx.checker.check_model(model)
    return model
