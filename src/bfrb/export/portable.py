"""A bundle's graphs for other runtimes: one of each member or one of all, and what to feed them with."""

from __future__ import annotations

import json
import math
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bfrb.errors import BundleError, ConfigError
from bfrb.features.pipeline import available, channels_of
from bfrb.predict.bundle import Bundle

try:
    import onnx
    from onnx import compose, helper
except ImportError:
    raise ConfigError("exporting graphs needs the package onnx", remedy="pip install 'onnx>=1.17'") from None

DESCRIPTION = "input.json"
ENSEMBLE = "ensemble.onnx"

PARITY = 1e-5
"""Largest difference between a probability of the merged graph and the mean of the members'."""

_LENGTHS, _OUTPUT = "lengths", "probabilities"


def export_graphs(bundle: Bundle, out: Path, *, ensemble: bool = False) -> list[Path]:
    """Write a bundle's graphs and `input.json`, which says what they take in: the whole folder or nothing.

    Parameters
    ----------
    bundle
        The bundle.
    out
        The folder to make.
    ensemble
        Whether to write one graph that gives the mean of all members, not one graph of each.

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
    _check_place(out)
    unfinished = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    unfinished.mkdir()
    try:
        graphs = _write_merged(bundle, unfinished) if ensemble else _copy_members(bundle, unfinished)
        description = describe_input(bundle) | {"graphs": {path.name: describe_graph(path) for path in graphs}}
        (unfinished / DESCRIPTION).write_text(json.dumps(description, indent=2) + "\n", encoding="utf-8")
        if out.is_dir():
            out.rmdir()
        unfinished.rename(out)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return [out / path.name for path in graphs]


def describe_input(bundle: Bundle) -> dict[str, Any]:
    """What the graphs of a bundle take in and give, for someone who computes the features elsewhere."""
    manifest = bundle.manifest
    branches = {name: channels_of(available(names, bundle.device), bundle.device) for name, names in _branches(bundle)}
    return {
        "device": bundle.device.name,
        "row_rate_hz": manifest.row_rate_hz,
        "inputs": {
            name: {
                "type": "float32",
                "shape": ["batch", "time", len(channels)],
                "channels": [{"name": channel.name, "unit": channel.unit} for channel in channels],
            }
            for name, channels in branches.items()
            if channels
        }
        | {_LENGTHS: {"type": "int64", "shape": ["batch"], "meaning": "rows of each recording"}},
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
            "padding": "0 in all rows after a recording's end",
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
    inputs = [value.name for value in first.graph.input]
    parts = [_with_prefix(model.graph, f"m{number:02d}_", inputs) for number, model in enumerate(models)]
    answers = [part.output[0].name for part in parts]
    mean = helper.make_node("Mean", answers, [_OUTPUT], name="mean_of_members")
    merged = helper.make_graph(
        [node for part in parts for node in part.node] + [mean],
        "ensemble",
        first.graph.input,
        first.graph.output[:1],
        [value for part in parts for value in part.initializer],
    )
    model = helper.make_model(merged, opset_imports=first.opset_import, ir_version=first.ir_version)
    onnx.checker.check_model(model)
    return model


def _branches(bundle: Bundle) -> list[tuple[str, tuple[str, ...]]]:
    return list(bundle.manifest.branches.items())


def _check_place(out: Path) -> None:
    if not out.absolute().parent.is_dir():
        raise ConfigError(f"there is no folder {out.parent} to make {out.name} in", remedy="make that folder first")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} is there already", remedy="choose another folder")


def _copy_members(bundle: Bundle, folder: Path) -> list[Path]:
    paths = [folder / f"{member.name}.onnx" for member in bundle.manifest.members]
    for member, path in zip(bundle.manifest.members, paths, strict=True):
        shutil.copyfile(bundle.file(member.graph), path)
    return paths


def _write_merged(bundle: Bundle, folder: Path) -> list[Path]:
    sources = [bundle.file(member.graph) for member in bundle.manifest.members]
    path = folder / ENSEMBLE
    path.write_bytes(merge_graphs([onnx.load(source) for source in sources]).SerializeToString())
    _check_merged(bundle, path, sources)
    return [path]


def _check_merged(bundle: Bundle, merged: Path, sources: Sequence[Path]) -> None:
    """Compare the merged graph with its members on random features, some of them missing."""
    feed = _random_feed(bundle)
    expected = np.mean([_run(source, feed) for source in sources], axis=0)
    difference = float(np.abs(_run(merged, feed) - expected).max())
    if not difference <= PARITY:
        raise BundleError(
            f"expected the merged graph to agree with its members to {PARITY:g}, but it is off by {difference:g}",
            remedy="export one graph per member, and report this with the versions of onnx and onnxruntime",
        )


def _random_feed(bundle: Bundle) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    longest = min(40, bundle.manifest.max_length)
    lengths = np.array([longest, max(1, longest // 2), 1])
    feed: dict[str, Any] = {_LENGTHS: lengths}
    for name, names in _branches(bundle):
        channels = len(channels_of(available(names, bundle.device), bundle.device))
        values = rng.normal(size=(len(lengths), longest, channels)).astype(np.float32)
        values[1, :, ::2] = np.nan
        values[np.arange(longest) >= lengths[:, None]] = 0.0
        feed[name] = values
    return feed


def _run(path: str | os.PathLike[str], feed: dict[str, Any]) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session.run([_OUTPUT], {given.name: feed[given.name] for given in session.get_inputs()})[0]


def _interface(model: onnx.ModelProto) -> tuple[Any, ...]:
    inputs = sorted(value.name for value in model.graph.input)
    return inputs, sorted((entry.domain, entry.version) for entry in model.opset_import), len(model.functions)


def _with_prefix(graph: onnx.GraphProto, prefix: str, inputs: Sequence[str]) -> onnx.GraphProto:
    """The graph with a prefix before all names but those of its inputs."""
    renamed = compose.add_prefix_graph(graph, prefix, rename_inputs=False)
    # Edges that begin at an input get the prefix as well.
    for node in renamed.node:
        node.input[:] = [_without(prefix, name, inputs) for name in node.input]
    return renamed


def _without(prefix: str, name: str, inputs: Sequence[str]) -> str:
    bare = name.removeprefix(prefix)
    return bare if bare in inputs else name
