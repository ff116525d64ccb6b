"""Small recordings and small, valid bundles, made without torch, for tests that need one."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
from onnx import TensorProto, helper, numpy_helper

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
        "quaternion": lambda: _unit(rng.normal(size=(rows, 4))),
        "thm": lambda: rng.normal(27, 2, (rows, 5)),
        "tof": lambda: np.where(rng.random((rows, 5, 8, 8)) < 0.5, -1, rng.integers(0, 250, (rows, 5, 8, 8))),
        "gyr": lambda: rng.normal(0, 90, (rows, 3)),
    }
    made = {sensor.name: makers[sensor.name]().astype(sensor.dtype) for sensor in device.sensors}
    if device.has("quaternion"):  # gravity points up in the world, or the recordings would be refused
        made["acc"] = (made["acc"] / 2 + 9.81 * up_in_wrist(made["quaternion"])).astype(np.float32)
    return made


def _unit(values: Any) -> Any:
    return values / np.linalg.norm(values, axis=1, keepdims=True)


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
            graph = make_graph(_channels(device, features), len(label_set), rng)
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


def _channels(device: Device, features: Mapping[str, tuple[str, ...]]) -> dict[str, int]:
    return {branch: len(channels_of(available(names, device), device)) for branch, names in features.items()}


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
    pl.DataFrame(
        {"member": ["two_branch-00"], "branch": ["imu"], "channel": ["acc_x"], "unit": ["m/s^2"]}
    ).with_columns(mean=pl.lit(0.0), sd=pl.lit(1.0)).write_parquet(folder / layout.STATISTICS)
    pl.DataFrame({"member": ["two_branch-00"], "epoch": [0], "loss": [1.0], "score": [0.5]}).write_parquet(
        folder / layout.HISTORY
    )


def _out_of_fold(
    table: pl.DataFrame, scenario: str, truth: Any, label_set: LabelSet, rng: np.random.Generator
) -> pl.DataFrame:
    """Probabilities that lean towards the truth, less so without proximity sensors."""
    lean = 0.2 if scenario == "all" else 0.1
    probabilities = lean * truth + (1 - lean) * rng.dirichlet(np.ones(len(label_set)), len(table))
    named = pl.DataFrame(dict(zip(label_set.classes, probabilities.T, strict=True)))
    rows = table.select(pl.lit(scenario).alias("scenario"), "id", "subject", "fold", "gesture", CONTENT)
    return pl.concat([rows, named], how="horizontal")


def make_graph(channels: dict[str, int], classes: int, rng: np.random.Generator) -> onnx.ModelProto:
    """A member: the mean over time of the squashed features, a linear layer, a softmax; NaN counts as 0."""
    nodes, inputs = [], [helper.make_tensor_value_info("lengths", TensorProto.INT64, ["B"])]
    constants = {"zero": np.float32(0), "steps": np.array([1]), "column": np.array([1])}
    nodes.append(helper.make_node("Cast", ["lengths"], ["counts"], to=TensorProto.FLOAT))
    nodes.append(helper.make_node("Unsqueeze", ["counts", "column"], ["rows"]))
    logits = []
    for branch, count in channels.items():
        if not count:
            continue
        inputs.append(helper.make_tensor_value_info(branch, TensorProto.FLOAT, ["B", "T", count]))
        constants[f"{branch}_weights"] = rng.normal(0, 2, (count, classes)).astype(np.float32)
        nodes += _branch(branch)
        logits.append(f"{branch}_logits")
    nodes.append(helper.make_node("Sum", logits, ["logits"]))
    nodes.append(helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1))
    graph = helper.make_graph(
        nodes,
        "member",
        inputs,
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["B", classes])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def _branch(name: str) -> list[onnx.NodeProto]:
    chain = [
        ("IsNaN", [name], "unknown"),
        ("Where", [f"{name}_unknown", "zero", name], "known"),
        ("Tanh", [f"{name}_known"], "squashed"),
        ("ReduceSum", [f"{name}_squashed", "steps"], "summed"),
        ("Div", [f"{name}_summed", "rows"], "mean"),
        ("MatMul", [f"{name}_mean", f"{name}_weights"], "logits"),
    ]
    return [
        helper.make_node(kind, given, [f"{name}_{made}"], **({"keepdims": 0} if kind == "ReduceSum" else {}))
        for kind, given, made in chain
    ]


def make_attending_bundle(out: Path, members: int = 2, **options: Any) -> Path:
    """The bundle of `make_bundle`, but the first member looks at a row by the mean of its squashed motion features."""
    made = make_bundle(out.with_name(f"{out.name}-made"), members=members, **options)
    with writing_bundle(out) as folder:
        shutil.copytree(made, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("checksums.json"))
        graph = folder / "members" / "two_branch-00.onnx"
        model = onnx.load(graph)
        add_attention(model)
        onnx.save(model, graph)
    return out


def add_attention(model: onnx.ModelProto) -> None:
    """Give a graph of `make_graph` the output `attention` (B, T)."""
    last = helper.make_tensor("last", TensorProto.INT64, [1], [2])
    model.graph.initializer.append(last)
    model.graph.node.append(helper.make_node("ReduceMean", ["imu_squashed", "last"], ["interest"], keepdims=0))
    model.graph.node.append(helper.make_node("Softmax", ["interest"], ["attention"], axis=1))
    model.graph.output.append(helper.make_tensor_value_info("attention", TensorProto.FLOAT, ["B", "T"]))
    onnx.checker.check_model(model)
