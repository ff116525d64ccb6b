"""Torch networks to ONNX graphs that contain everything between features and probabilities.

Tracing a network takes many seconds, so it is done once per architecture, with the weights as inputs of the graph;
each trained member then fills its weights into that template, and is compared with torch on real sequences.

With torch 2.13 the second trace in a process gives a graph with wrong recurrences, so a process traces once at most.
"""

from __future__ import annotations

import contextlib
import functools
import io
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from bfrb.arrays import Array, Floats32, Ints
from bfrb.errors import BundleError
from bfrb.networks.registry import Shape, Standardise, build_network
from bfrb.networks.specs import NetworkSpec
from bfrb.predict.simplify import simplify

PARITY = 1e-4
"""Largest difference between a probability from torch and from the exported graph."""

OUTPUTS = ("probabilities", "attention", "phases")
"""What graphs can give (see `inference.bundle`), in this order."""

_PREFIX = "weights_"
_FOLDED_BYTES = 2**26
_PROBABILITIES, _ATTENTION, _PHASES = OUTPUTS


class Member(nn.Module):
    """Unscaled features to probabilities: standardisation, network and softmax in one module.

    Parameters
    ----------
    network
        A `models.Network`.
    standardisers
        One per branch, in the order in which `forward` takes the branches.
    """

    def __init__(self, network: nn.Module, standardisers: Mapping[str, Standardise]) -> None:
        super().__init__()
        self.network = network
        self.standardisers = nn.ModuleDict(dict(standardisers))

    def forward(self, features: dict[str, Tensor], lengths: Tensor | None) -> tuple[Tensor, ...]:
        """The answers without their names."""
        return tuple(self.answers(features, lengths).values())

    def answers(self, features: dict[str, Tensor], lengths: Tensor | None) -> dict[str, Tensor]:
        """Answers by name from (B, T, C) features per branch, NaN where nothing is known, and (B,) lengths.

        (B, K) probabilities; from networks that weigh rows (B, T') attention; from networks with a head for phases
        (B, T, P) probabilities of these, whether the head was trained or not.
        """
        inputs = {name: standardise(features[name], lengths) for name, standardise in self.standardisers.items()}
        output = self.network(inputs, lengths)
        answers = {_PROBABILITIES: torch.softmax(output.logits, dim=1)}
        if output.attention is not None:
            answers[_ATTENTION] = output.attention
        if "phase" in output.auxiliary:
            answers[_PHASES] = torch.softmax(output.auxiliary["phase"], dim=2)
        return answers


class _WeightsAsInputs(nn.Module):
    """A module as a function of its weights too."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        self._call = functools.partial(torch.func.functional_call, member)

    def forward(self, weights: dict[str, Tensor], features: dict[str, Tensor], lengths: Tensor | None) -> Any:
        return self._call(weights, (features, lengths))


def build_member(name: str, shape: Shape, spec: NetworkSpec) -> Member:
    """An untrained member; branches without channels are left out."""
    standardisers = {
        branch: Standardise(torch.zeros(shape.channels[branch]), torch.ones(shape.channels[branch]))
        for branch in spec.BRANCHES
        if shape.channels[branch]
    }
    return Member(build_network(name, shape, spec), standardisers).eval()


@functools.cache
def _use_up_this_process() -> list[str]:
    return []


def trace_template(name: str, shape: Shape, spec: NetworkSpec) -> onnx.ModelProto:
    """The graph of an architecture, with free batch size and length, its weights among the inputs.

    Raises
    ------
    RuntimeError
        If this process has traced before; start a new one.
    """
    if traced := _use_up_this_process():
        raise RuntimeError(
            f"this process has traced {traced[0]!r}; a second trace would be wrong, start another process"
        )
    _use_up_this_process().append(name)
    member = build_member(name, shape, spec)
    weights = {key: value.detach() for key, value in member.state_dict().items()}
    branches = {branch: shape.channels[branch] for branch in member.standardisers}
    batch, steps = 3, 37  # sizes that no kernel, pooling or channel count equals
    features = {branch: torch.zeros(batch, steps, channels) for branch, channels in branches.items()}
    lengths = torch.tensor([steps, 20, 9])
    free = torch.export.Dim.AUTO
    shapes = (dict.fromkeys(weights), {branch: {0: free, 1: free} for branch in branches}, {0: free})
    with _quiet(), torch.no_grad():
        outputs = member.answers(features, lengths)
        program = torch.onnx.export(
            _WeightsAsInputs(member),
            (weights, features, lengths),
            dynamo=True,
            optimize=False,
            verbose=False,
            dynamic_shapes=shapes,
            input_names=[*(_PREFIX + key for key in weights), *branches, "lengths"],
            output_names=list(outputs),
        )
    if program is None:
        raise RuntimeError(f"the exporter gave no graph for {name}")
    _free_time(program.model_proto)
    return program.model_proto


def _free_time(model: onnx.ModelProto) -> None:
    """Say that there may be any number of rows: exporter and optimizer claim those of the example, or a formula."""
    names = {_ATTENTION: "attended_rows", _PHASES: "rows"}
    for value in model.graph.output:
        if value.name in names:
            value.type.tensor_type.shape.dim[1].dim_param = names[value.name]


def fill_template(template: onnx.ModelProto, weights: Mapping[str, Array], *, phases: bool = False) -> onnx.ModelProto:
    """A self-contained, simplified graph: the template with a member's weights as constants.

    Parameters
    ----------
    template
        What `trace_template` gave.
    weights
        The member's weights by name.
    phases
        Whether the member was trained to tell phases; if not, its graph does not give them.
    """
    from onnxscript import optimizer

    model = onnx.ModelProto()
    model.CopyFrom(template)
    if not phases:
        _leave_out(model, _PHASES)
    used = {name for node in model.graph.node for name in node.input}
    kept = [value for value in model.graph.input if not value.name.startswith(_PREFIX)]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    for key, value in weights.items():
        if _PREFIX + key in used:
            model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name=_PREFIX + key))
    with _quiet():
        # Weights that are only cut and reordered are stored as they are used: sessions load faster and smaller.
        optimized = optimizer.optimize(model, input_size_limit=_FOLDED_BYTES, output_size_limit=_FOLDED_BYTES)
    _leave_out_notes(optimized)
    graph = simplify(optimized)
    _free_time(graph)
    return graph


def _leave_out(model: onnx.ModelProto, output: str) -> None:
    """Remove an output, if there is one of this name; what only it needs goes when the graph is optimized."""
    kept = [value for value in model.graph.output if value.name != output]
    del model.graph.output[:]
    model.graph.output.extend(kept)


def _leave_out_notes(model: onnx.ModelProto) -> None:
    """Remove the exporter's notes on where nodes come from: half a megabyte of memory in every session."""
    graph = model.graph
    del model.metadata_props[:], graph.metadata_props[:], graph.value_info[:]
    for part in (*graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


def check_parity(graph: bytes, member: Member, features: Mapping[str, Floats32], lengths: Ints) -> float:
    """Largest difference between a graph and the member it was made from, in all that the graph gives.

    Raises
    ------
    BundleError
        If it is larger than `PARITY`.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    given = [output.name for output in session.get_outputs()]
    exported = dict(zip(given, session.run(given, {**features, "lengths": lengths}), strict=True))
    with torch.inference_mode():
        inputs = {branch: torch.from_numpy(values) for branch, values in features.items()}
        expected = {name: own.numpy() for name, own in member.answers(inputs, torch.from_numpy(lengths)).items()}
    off = {name: np.abs(exported[name] - expected[name]) for name in given}
    if _PHASES in off:  # of rows after a recording's end they mean nothing
        off[_PHASES] = off[_PHASES][np.arange(off[_PHASES].shape[1]) < lengths[:, None]]
    difference = max(float(values.max()) for values in off.values())
    if not difference <= PARITY:
        raise BundleError(
            f"expected the exported graph to agree with torch to {PARITY:g}, but it is off by {difference:g}",
            remedy="report this with the versions of torch, onnx and onnxscript; the weights are not lost",
        )
    return difference


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's chatter about missing optional packages off the terminal."""
    import logging

    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
