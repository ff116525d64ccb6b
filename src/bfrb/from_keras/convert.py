"""From the folder of the published notebook, with its Keras models, to a bundle that gives the same answers.

Neither Keras nor TensorFlow is needed: the models' files are read as data, and every model becomes an ONNX graph of
the same layers. Those networks know no masks. They see every recording scaled, padded with zeros to a fixed length,
and the padding takes part in everything; that is done inside the graph.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from bfrb.errors import BundleError
from bfrb.features.pipeline import channels_of
from bfrb.features.spec import FeatureSpec
from bfrb.from_keras.files import KerasModel, read_model
from bfrb.from_keras.folder import Columns, KerasFolder, find_columns, read_folder
from bfrb.from_keras.graph import Graph, Value
from bfrb.from_keras.lambdas import convert_lambda
from bfrb.from_keras.layers import convert_layer
from bfrb.predict import bundle as files
from bfrb.predict.bundle import LabelSetSpec, Manifest, MemberSpec, writing_bundle
from bfrb.predict.unpadded import write_unpadded
from bfrb.read.tables import Table, make_table, write_table
from bfrb.study.device import HELIOS, Device
from bfrb.study.labels import CMI_GESTURES, LabelSet
from bfrb.train.run import RunSpec

log = logging.getLogger(__name__)

PRESET = "cmi-notebook"
"""Name of the feature conventions, as it stands in the bundle's provenance."""

NETWORK = "keras"
"""Name of the members' architecture in the bundle's manifest."""


@dataclass(frozen=True)
class Source:
    """A folder, and where its columns come from."""

    folder: KerasFolder
    columns: Columns
    device: Device
    label_set: LabelSet


def import_keras(
    folder: Path, out: Path, *, overwrite: bool = False, on_model: Callable[[str], None] | None = None
) -> Path:
    """Write the bundle of a notebook's folder; the path of the bundle.

    Parameters
    ----------
    folder
        The folder with `feature_cols.npy`, `sequence_maxlen.npy`, `scaler.pkl`, `gesture_classes.npy` and any number
        of `.h5` and `.keras` models.
    out
        Where the bundle shall be.
    overwrite
        Whether a bundle that is there may be replaced.
    on_model
        Told the name of every model before it is read.

    Raises
    ------
    BundleError
        If a file is missing, damaged or not understood, or there is something at `out`. Nothing is left behind.
    """
    read = read_folder(folder, CMI_GESTURES)
    source = Source(read, find_columns(read.columns, HELIOS), HELIOS, CMI_GESTURES)
    with writing_bundle(out, overwrite=overwrite) as place:
        (place / "members").mkdir()
        for name, path in read.models.items():
            if on_model is not None:
                on_model(name)
            graph = _convert_file(source, path).SerializeToString()
            _check_answers(graph, source, path)
            (place / _graph_name(name)).write_bytes(graph)
            write_unpadded(place / _graph_name(name))
        _write_descriptions(source, place)
    return out


def _convert_file(source: Source, path: Path) -> onnx.ModelProto:
    model = read_model(path)
    try:
        return convert_model(source, model)
    except BundleError as error:
        raise BundleError(f"{path}: {error.problem}", remedy=error.remedy) from None
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        problem = f"{path}: its description cannot be understood: {type(error).__name__}: {error}"
        raise BundleError(problem, remedy="save the model in Keras again") from None


def convert_model(source: Source, model: KerasModel) -> onnx.ModelProto:
    """The graph of one model: unscaled features in, probabilities in the order of the label set out.

    Raises
    ------
    BundleError
        If a layer is not understood, or the model does not fit the folder.
    """
    graph = Graph()
    values: dict[str, Value] = {}
    for layer in model.layers.values():
        inputs = [values[name] for name in layer.inputs]
        if layer.kind == "InputLayer":
            values[layer.name] = _feed(graph, source, layer.config)
        elif layer.kind == "Lambda":
            values[layer.name] = convert_lambda(graph, model, layer, inputs[0], source.columns.motion)
        else:
            values[layer.name] = convert_layer(graph, layer, inputs)
    answer = _find_answer(model, values, len(source.label_set))
    positions = [source.folder.classes.index(name) for name in source.label_set.classes]
    ordered = graph.add("Gather", answer.name, graph.indices(*positions), axis=1)
    branches = {name: ("B", "T", count) for name, count in source.columns.channels.items() if count}
    return graph.finish(branches, ordered, len(source.label_set))


def _feed(graph: Graph, source: Source, config: dict[str, Any]) -> Value:
    """What the notebook feeds its models with: chosen, scaled, cut to the pad length, padded with zeros; (B, C, T)."""
    folder, columns = source.folder, source.columns
    shape = tuple((config.get("batch_shape") or config["batch_input_shape"])[1:])
    expected = (folder.pad_length, len(folder.columns))
    if shape not in (expected, (None, len(folder.columns))):
        raise BundleError(
            f"the model takes (rows, columns) of {shape}, but the folder's other files say {expected}",
            remedy="check that the folder's files belong together",
        )
    branches = [name for name, count in columns.channels.items() if count]
    joined = graph.add("Concat", *branches, axis=2) if len(branches) > 1 else branches[0]
    chosen = graph.add("Gather", joined, graph.indices(*columns.order), axis=2)
    zero = graph.constant(0.0)
    known = graph.add("Where", graph.add("IsNaN", chosen), zero, chosen)
    centred = graph.add("Sub", known, graph.constant(folder.mean))
    scaled = graph.add("Div", centred, graph.constant(folder.scale))
    masked = graph.add("Where", _is_row(graph, scaled), scaled, zero)
    return _pad(graph, masked, expected)


def _is_row(graph: Graph, rows: str) -> str:
    """(B, T, 1) whether each step is a row of its recording."""
    steps = graph.add("Gather", graph.add("Shape", rows), graph.constant(1, np.int64))
    zero, one = graph.constant(0, np.int64), graph.constant(1, np.int64)
    positions = graph.add("Range", zero, steps, one)
    ends = graph.add("Unsqueeze", "lengths", graph.indices(1))
    return graph.add("Unsqueeze", graph.add("Less", positions, ends), graph.indices(2))


def _pad(graph: Graph, rows: str, shape: tuple[int, int]) -> Value:
    """(B, T, C) as (B, C, pad length)."""
    turned = graph.add("Transpose", rows, perm=[0, 2, 1])
    longer = graph.add("Pad", turned, graph.indices(0, 0, 0, 0, 0, shape[0]), graph.constant(0.0))
    cut = graph.add("Slice", longer, graph.indices(0), graph.indices(shape[0]), graph.indices(2))
    return Value(cut, shape)


def _find_answer(model: KerasModel, values: dict[str, Value], classes: int) -> Value:
    """The output with the probabilities of the gestures; others, such as a gate, are left out."""
    found = [name for name in model.outputs if values[name].shape == (classes,) and _is_softmax(model, name)]
    if len(found) != 1:
        shown = ", ".join(f"{name} {values[name].shape}" for name in model.outputs)
        raise BundleError(
            f"expected one output with {classes} softmax probabilities, got {shown}",
            remedy="import models that end in a softmax over the gestures",
        )
    return values[found[0]]


def _is_softmax(model: KerasModel, name: str) -> bool:
    layer = model.layers[name]
    activation = layer.config.get("activation")
    return (
        layer.kind == "Softmax" or (activation["config"] if isinstance(activation, dict) else activation) == "softmax"
    )


def _check_answers(graph: bytes, source: Source, path: Path) -> None:
    """Refuse a graph that does not run, before it gets into a bundle."""
    channels = {name: count for name, count in source.columns.channels.items() if count}
    feed: dict[str, Any] = {name: np.zeros((1, 3, count), dtype=np.float32) for name, count in channels.items()}
    try:
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        (found,) = session.run(None, feed | {"lengths": np.array([3])})
    except Exception as error:  # noqa: BLE001  onnxruntime's errors have no base class of their own
        problem = f"{path}: its graph does not run: {str(error).partition(chr(10))[0]}"
        raise BundleError(problem, remedy="report this with the model's architecture") from None
    if found.shape != (1, len(source.label_set)) or not np.isfinite(found).all():
        raise BundleError(f"{path}: it gives no finite probabilities", remedy="train this model again")


def _graph_name(member: str) -> str:
    return f"members/{member}.onnx"


def _write_descriptions(source: Source, place: Path) -> None:
    """Everything but the graphs. What only training knows is left empty."""
    members = _members(source.folder)
    spec = RunSpec(folds=max(2, *(member.fold + 1 for member in members)), features=_feature_spec(source.columns))
    (place / files.SPEC).write_text(spec.to_toml(), encoding="utf-8")
    (place / files.SCORES).write_text("{}\n", encoding="utf-8")
    write_table(_statistics(source), place / files.STATISTICS)
    for name, columns in _empty_tables(source.label_set).items():
        write_table(make_table(columns), place / name)
    _manifest(source, members).write(place)


def _members(folder: KerasFolder) -> tuple[MemberSpec, ...]:
    """The members; the fold of each is the number after the last underscore of its name, or else its place."""
    endings = {name: re.search(r"_(\d{1,3})$", name) for name in folder.models}
    return tuple(
        MemberSpec(name=name, network=NETWORK, fold=int(found[1]) if found else place, graph=_graph_name(name))
        for place, (name, found) in enumerate(endings.items())
    )


def _feature_spec(columns: Columns) -> FeatureSpec:
    return FeatureSpec(imu=columns.branches["imu"], proximity=columns.branches["proximity"])


def _statistics(source: Source) -> Table:
    folder, columns = source.folder, source.columns
    channels = [
        (branch, channel) for branch, names in columns.branches.items() for channel in channels_of(names, source.device)
    ]
    used = [channels[place] for place in columns.order]
    repeated = len(folder.models)
    return make_table(
        {
            "member": [name for name in folder.models for _ in used],
            "branch": [branch for branch, _ in used] * repeated,
            "channel": [channel.name for _, channel in used] * repeated,
            "unit": [channel.unit for _, channel in used] * repeated,
            "mean": folder.mean.tolist() * repeated,
            "sd": folder.scale.tolist() * repeated,
        }
    )


def _empty_tables(label_set: LabelSet) -> dict[str, dict[str, Any]]:
    text, whole, real = (np.empty(0, dtype=kind) for kind in (str, np.int64, np.float64))
    answers = {"scenario": text, "id": text, "subject": text, "fold": whole, "gesture": text}
    return {
        files.FOLDS: {"subject": text, "fold": whole},
        files.OUT_OF_FOLD: answers | dict.fromkeys(label_set.classes, real),
        files.HISTORY: {"member": text, "epoch": whole, "loss": real, "score": real},
    }


def _manifest(source: Source, members: tuple[MemberSpec, ...]) -> Manifest:
    return Manifest(
        version=version("bfrb"),
        device=source.device.name,
        row_rate_hz=source.device.row_rate_hz,
        label_set=LabelSetSpec.of(source.label_set),
        branches=source.columns.branches,
        max_length=source.folder.pad_length,
        keep="first",
        members=members,
        simulated=False,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        provenance={
            "imported_from": "keras",
            "preset": PRESET,
            "source": source.folder.path.name,
            "columns": list(source.folder.columns),
            "models": [path.name for path in source.folder.models.values()],
        },
    )
