"""A bundle's graphs for other runtimes: those of each member or one of all, and what to feed them with."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bfrb.errors import BundleError, ConfigError
from bfrb.features.pipeline import available, channels_of
from bfrb.files import writing_folder
from bfrb.predict.bundle import Bundle
from bfrb.predict.member import LENGTHS, unpadded_name

try:
    import onnx
    from onnx import compose, helper
except ImportError:
    raise ConfigError("exporting graphs needs the package onnx", remedy="pip install 'onnx>=1.17'") from None

DESCRIPTION = "input.json"
ENSEMBLE = "ensemble.onnx"

PARITY = 1e-5
"""Largest difference between a probability of the merged graph and the mean of the members'."""

_OUTPUT = "probabilities"


def export_graphs(bundle: Bundle, out: Path, *, ensemble: bool = False) -> list[Path]:
    """Write a bundle's graphs and `input.json`, which says what they take in: the whole folder or nothing.

    Parameters
    ----------
    bundle
        The bundle.
    out
        The folder to make.
    ensemble
        Whether to write one graph that gives the mean of all members, not the graphs of each.

    Returns
    -------
    The graphs.

    Raises
    ------
    ConfigError
        If there is something at `out`.
    BundleError
        If a graph cannot be read, or the members cannot be merged.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} is there already", remedy="choose another folder")
    names = [member.graph for member in bundle.manifest.members]
    with writing_folder(out) as folder:
        if ensemble:
            onnx.save(merge_graphs([onnx.load(bundle.file(name)) for name in names]), folder / ENSEMBLE)
            _check_merged(bundle, folder / ENSEMBLE, names)
        else:
            for path in (bundle.file(form) for name in names for form in (name, unpadded_name(name))):
                if path.is_file():
                    onnx.save(onnx.load(path), folder / path.name)  # with all weights in the same file
        graphs = sorted(path.name for path in folder.iterdir())
        description = describe_input(bundle) | {"graphs": {name: describe_graph(folder / name) for name in graphs}}
        (folder / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
    return [out / name for name in graphs]


def describe_input(bundle: Bundle) -> dict[str, Any]:
    """What the graphs of a bundle take in and give, for someone who computes the features elsewhere."""
    manifest = bundle.manifest
    inputs: dict[str, Any] = {
        name: {
            "type": "float32",
            "shape": ["batch", "time", len(channels)],
            "channels": [{"name": channel.name, "unit": channel.unit} for channel in channels],
        }
        for name, channels in _channels(bundle).items()
    }
    inputs[LENGTHS] = {"type": "int64", "shape": ["batch"], "meaning": "rows of each recording"}
    return {
        "device": bundle.device.name,
        "row_rate_hz": manifest.row_rate_hz,
        "inputs": inputs,
        "output": {
            "name": _OUTPUT,
            "type": "float32",
            "shape": ["batch", len(bundle.label_set)],
            "classes": list(bundle.label_set.classes),
            "targets": [name for name in bundle.label_set.classes if name in bundle.label_set.targets],
        },
        "rules": {
            "scaling": "none: the graph standardises by itself",
            "missing": "fill a gap with the last value before it, at the start with the first one after it; a channel "
            "without any value in a recording is NaN in all its rows",
            "padding": "0 in all rows after a recording's end; a graph without lengths takes recordings of one length",
            "length": f"at most {manifest.max_length} rows; of longer recordings keep the {manifest.keep} ones",
            "members": "average those whose required sensors all measured something in a recording, or all members "
            "where none's did; a merged graph averages all",
            "left hand": "mirror the sensors first" if manifest.mirror_left_hand else "as measured",
        },
        "requires": {member.name: list(member.requires) for member in manifest.members},
        "simulated": manifest.simulated,
        "version": manifest.version,
    }


def describe_graph(path: Path) -> dict[str, Any]:
    """Inputs, outputs, size, weights and operators of a graph."""
    model = onnx.load(path)
    operators = Counter(node.op_type for node in model.graph.node)
    return {
        "inputs": [value.name for value in model.graph.input],
        "outputs": [value.name for value in model.graph.output],
        "bytes": path.stat().st_size,
        "parameters": sum(math.prod(value.dims) for value in model.graph.initializer),
        "opset": {entry.domain or "ai.onnx": entry.version for entry in model.opset_import},
        "operators": dict(sorted(operators.items())),
    }


def merge_graphs(models: Sequence[onnx.ModelProto]) -> onnx.ModelProto:
    """One graph that gives the mean of the answers of several, which take in the same.

    Raises
    ------
    BundleError
        If they were made for different versions of ONNX, or do not take in the same.
    """
    first = models[0]
    if any(_interface(model) != _interface(first) for model in models):
        raise BundleError(
            "expected members that take in the same, in the same version of ONNX", remedy="export one graph per member"
        )
    parts = [compose.add_prefix_graph(model.graph, f"m{number:02d}_") for number, model in enumerate(models)]
    entries = [
        helper.make_node("Identity", [value.name], [f"m{number:02d}_{value.name}"])
        for number, model in enumerate(models)
        for value in model.graph.input
    ]
    mean = helper.make_node("Mean", [part.output[0].name for part in parts], [_OUTPUT])
    nodes = [*entries, *(node for part in parts for node in part.node), mean]
    constants = [value for part in parts for value in part.initializer]
    merged = helper.make_graph(nodes, "ensemble", first.graph.input, first.graph.output[:1], constants)
    model = helper.make_model(merged, opset_imports=first.opset_import, ir_version=first.ir_version)
    onnx.checker.check_model(model)
    return model


def _interface(model: onnx.ModelProto) -> tuple[Any, ...]:
    inputs = sorted(value.name for value in model.graph.input)
    return inputs, sorted((entry.domain, entry.version) for entry in model.opset_import), len(model.functions)


def _channels(bundle: Bundle) -> dict[str, tuple[Any, ...]]:
    """The channels of the branches that have any."""
    branches = bundle.manifest.branches.items()
    found = {name: channels_of(available(names, bundle.device), bundle.device) for name, names in branches}
    return {name: channels for name, channels in found.items() if channels}


def _check_merged(bundle: Bundle, merged: Path, names: Sequence[str]) -> None:
    """Compare the merged graph with its members on random features, some of them missing."""
    rng, longest = np.random.default_rng(0), min(40, bundle.manifest.max_length)
    lengths = np.array([longest, max(1, longest // 2), 1])
    feed: dict[str, Any] = {LENGTHS: lengths}
    for branch, channels in _channels(bundle).items():
        feed[branch] = rng.normal(size=(len(lengths), longest, len(channels))).astype(np.float32)
        feed[branch][1, :, ::2] = np.nan
        feed[branch][np.arange(longest) >= lengths[:, None]] = 0.0
    expected = np.mean([_run(bundle.file(name), feed) for name in names], axis=0)
    difference = float(np.abs(_run(merged, feed) - expected).max())
    if not difference <= PARITY:
        raise BundleError(
            f"expected the merged graph to agree with its members to {PARITY:g}, but it is off by {difference:g}",
            remedy="export one graph per member, and report this with the versions of onnx and onnxruntime",
        )


def _run(path: Path, feed: dict[str, Any]) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run([_OUTPUT], {given.name: feed[given.name] for given in session.get_inputs()})[0]
