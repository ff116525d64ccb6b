"""From the folder of the published notebook, with its Keras models, to a bundle that gives the same answers.

The models' files are read as data, and their weights go into our own networks. Those of the notebook know no masks:
they see every recording cut or padded to a fixed length, and the padding takes part in everything (`padded_rows`).
"""

import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from bfrb.arrays import Floats32
from bfrb.errors import BundleError
from bfrb.export.graphs import Member, build_member, trace_templates, write_graphs
from bfrb.features.sequences import Batch
from bfrb.from_keras.architecture import Recognised, recognise
from bfrb.from_keras.files import DAMAGE, SAVE_AGAIN, Branch, KerasFolder, Layer, read_folder, refuse
from bfrb.predict import bundle as files
from bfrb.predict.bundle import Manifest, MemberSpec, writing_bundle
from bfrb.read.tables import Table, make_table, write_table
from bfrb.study.device import HELIOS
from bfrb.study.labels import CMI_GESTURES
from bfrb.train.run import RunSpec

log = logging.getLogger(__name__)

_FIRST = {"imu": ("imu.0.first.conv", "imu.0.shortcut"), "proximity": ("proximity.0.conv.conv", "gate.0")}
"""The layers of our networks that read the columns of a branch."""

_NORM = ("weight", "bias", "running_mean", "running_var")


def import_keras(folder: Path, out: Path, *, overwrite: bool = False) -> Path:
    """Write the bundle of a notebook's folder at a place; the path of the bundle.

    The folder holds `feature_cols.npy`, `sequence_maxlen.npy`, `scaler.pkl`, `gesture_classes.npy` and any number of
    `.h5` and `.keras` models. BundleError if a file is missing, damaged or not understood, or there is something at
    `out` that may not be replaced. Nothing is left behind.
    """
    with writing_bundle(out, overwrite=overwrite) as place:
        source = read_folder(folder)
        read = {name: _read_model(source, path) for name, path in source.models.items()}
        models = {name: model for name, (model, _) in read.items()}
        log.info("read %d models; exporting them takes a minute or two", len(read))
        (place / "members").mkdir()
        off, templates, batch = [], {}, _make_batch(source)
        for name, (model, member) in read.items():
            sizes = f"{model.network} {model.spec.model_dump_json()}"
            if sizes not in templates:
                templates[sizes] = trace_templates(model.network, source.shape, model.spec)
            off.append(write_graphs(place / f"members/{name}.onnx", member, templates[sizes], batch))
        _write_descriptions(place, source, models, off)
    return out


def _read_model(source: KerasFolder, path: Path) -> tuple[Recognised, Member]:
    try:
        model = recognise(path, source.rows, len(source.branches["imu"].order), len(source.columns))
        return model, fill_member(model, source)
    except BundleError as error:
        raise BundleError(f"{path}: {error.problem}", remedy=error.remedy) from None
    except DAMAGE as error:
        told = str(error).partition("\n")[0]
        problem = f"{path}: it is damaged or no model of Keras 3: {type(error).__name__}: {told}"
        raise BundleError(problem, remedy=f"copy it again, or {SAVE_AGAIN}") from None


def fill_member(model: Recognised, folder: KerasFolder) -> Member:
    """A member of a bundle that answers as a Keras model does, with gestures in the package's order.

    Channels of a feature that are no column of the notebook get weights of 0. BundleError if the weights of a layer
    have other shapes than those that its neighbours need.
    """
    member = build_member(model.network, folder.shape, model.spec)
    weights = {name: value.numpy() for name, value in member.state_dict().items()}
    for name, branch in folder.branches.items():
        weights |= {f"standardisers.{name}.mean": branch.mean, f"standardisers.{name}.sd": branch.sd}
    columns = {label: branch for name, branch in folder.branches.items() for label in _FIRST[name]}
    for label, layer in model.weights.items():
        converted = {f"network.{name}": values for name, values in _convert(label, layer).items()}
        if label in columns:
            converted[f"network.{label}.weight"] = _spread(converted[f"network.{label}.weight"], columns[label])
        if label == "head.logits":
            order = [folder.classes.index(gesture) for gesture in CMI_GESTURES.classes]
            converted = {name: values[order] for name, values in converted.items()}
        own = {name: value.shape for name, value in weights.items() if name.startswith(f"network.{label}.")}
        own.pop(f"network.{label}.num_batches_tracked", None)
        if {name: values.shape for name, values in converted.items()} != own:
            raise refuse(layer.name, f"has weights of the shapes {[weight.shape for weight in layer.weights]}")
        weights |= converted
    member.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})
    return member


def _convert(label: str, layer: Layer) -> dict[str, Floats32]:
    """A layer's weights by the names and in the layout of PyTorch."""
    if layer.kind == "BatchNormalization":
        return {f"{label}.{part}": weight for part, weight in zip(_NORM, layer.weights, strict=True)}
    if not layer.kind.startswith("Bidirectional"):
        kernel, *bias = layer.weights
        return {f"{label}.weight": kernel.T} | {f"{label}.bias": weight for weight in bias}
    ways = {"forwards": layer.weights[:3], "backwards": layer.weights[3:]}
    return {
        f"{label}.{way}.{part}_l0": weight
        for way, weights in ways.items()
        for part, weight in _convert_recurrence(*weights).items()
    }


def _convert_recurrence(kernel: Floats32, recurrent: Floats32, bias: Floats32) -> dict[str, Floats32]:
    """Weights of one direction: an LSTM's gates i, f, c, o keep their order, a GRU's z, r, h become r, z, h."""
    order = (0, 1, 2, 3) if bias.ndim == 1 else (1, 0, 2)
    if bias.ndim == 1:  # an LSTM's only one; PyTorch adds two
        bias = np.stack([bias, np.zeros_like(bias)])
    parts = {"weight_ih": kernel, "weight_hh": recurrent, "bias_ih": bias[0], "bias_hh": bias[1]}
    gates = {name: np.split(part, len(order), axis=-1) for name, part in parts.items()}
    return {name: np.concatenate([found[gate] for gate in order], axis=-1).T for name, found in gates.items()}


def _spread(weights: Floats32, branch: Branch) -> Floats32:
    """(K, C) or (K, C, kernel) weights of columns as weights of all channels of the features."""
    spread = np.zeros((weights.shape[0], len(branch.channels), *weights.shape[2:]), dtype=np.float32)
    spread[:, branch.order] = weights
    return spread


def _make_batch(source: KerasFolder) -> Batch:
    """Made-up recordings of all lengths, on which graphs are compared with the networks they were made from."""
    rng, lengths = np.random.default_rng(0), np.array([source.rows, source.rows // 2, 1])
    inputs = {
        name: rng.normal(branch.mean, np.abs(branch.sd), (3, source.rows, len(branch.mean))).astype(np.float32)
        for name, branch in source.branches.items()
    }
    return Batch(inputs, lengths)


def _write_descriptions(place: Path, source: KerasFolder, models: Mapping[str, Recognised], off: list[float]) -> None:
    """Everything but the graphs. What only training knows is left empty."""
    members = _members(models)
    branches = {name: branch.features for name, branch in source.branches.items()}
    specs = {model.network: model.spec for model in models.values()}
    folds = max(2, *(member.fold + 1 for member in members))
    spec = RunSpec.parse({"folds": folds, "networks": tuple(specs), "features": branches, **specs})
    (place / files.SPEC).write_text(spec.to_toml(), encoding="utf-8")
    (place / files.SCORES).write_text("{}\n", encoding="utf-8")
    text, whole, real = (np.empty(0, dtype=kind) for kind in (str, np.int64, np.float64))
    answers = {"scenario": text, "id": text, "subject": text, "fold": whole, "gesture": text}
    empty = {
        files.FOLDS: {"subject": text, "fold": whole},
        files.OUT_OF_FOLD: answers | dict.fromkeys(CMI_GESTURES.classes, real),
        files.HISTORY: {"member": text, "epoch": whole, "loss": real, "score": real},
    }
    for name, columns in empty.items():
        write_table(make_table(columns), place / name)
    write_table(_statistics(source), place / files.STATISTICS)
    Manifest(
        version=version("bfrb"),
        device=HELIOS.name,
        row_rate_hz=HELIOS.row_rate_hz,
        label_set=CMI_GESTURES,
        branches=branches,
        max_length=source.rows,
        keep="first",
        members=members,
        simulated=False,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        provenance={
            "imported_from": "keras",
            "preset": "cmi-notebook",
            "source": source.path.name,
            "columns": list(source.columns),
            "models": [path.name for path in source.models.values()],
            "largest_difference_from_torch": max(off),
        },
    ).write(place)


def _members(models: Mapping[str, Recognised]) -> tuple[MemberSpec, ...]:
    """The members; the fold of each is the number after the last underscore of its name, or else its place."""
    endings = [name.rpartition("_")[2] for name in models]
    folds = [int(ending) if re.fullmatch(r"\d{1,3}", ending) else place for place, ending in enumerate(endings)]
    return tuple(
        MemberSpec(name=name, network=model.network, fold=fold, graph=f"members/{name}.onnx")
        for (name, model), fold in zip(models.items(), folds, strict=True)
    )


def _statistics(source: KerasFolder) -> Table:
    names = ("member", "branch", "channel", "unit", "mean", "sd")
    rows = [
        (member, name, channel.name, channel.unit, float(mean), float(sd))
        for member in source.models
        for name, branch in source.branches.items()
        for channel, mean, sd in zip(branch.channels, branch.mean, branch.sd, strict=True)
    ]
    return make_table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
