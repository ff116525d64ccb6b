"""Torch networks to ONNX graphs that contain everything between features and probabilities.

Every member of a bundle gets two graphs of the same answers (`bfrb.predict.bundle`): one for batches in which shorter
recordings are padded, and one for recordings of one length, which is the same network without masks and sooner done.

Tracing a network takes many seconds, so it is done once per architecture and form, with the weights as inputs of the
graph; each trained member then fills its weights into these templates, and is compared with torch on real sequences.
Templates are kept in the user's cache, and traced again when the networks of this package, torch or its exporter
change; deleting them, or not being able to write them, costs nothing but time.
"""

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from functools import cache, partial
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import numpy_helper
from torch import Tensor, nn

from bfrb.arrays import Array, Floats32, Ints
from bfrb.errors import BundleError
from bfrb.features.sequences import UNSCALED, Batch
from bfrb.files import cache_folder, writing_file, writing_files
from bfrb.networks.registry import Shape, Standardise, build_network
from bfrb.networks.specs import NetworkSpec
from bfrb.predict.member import LENGTHS, unpadded_name

PARITY = 1e-4  # largest difference between a probability from torch and from an exported graph

PROBABILITIES, _ATTENTION = "probabilities", "attention"
"""What graphs can give (see `bfrb.predict.bundle`), in this order."""

_PREFIX = "weights_"
_FOLDED_BYTES = 2**26
_SHARED_BYTES = 1024


class Member(nn.Module):
    """Unscaled features to probabilities: standardisation of every branch, network and softmax in one module."""

    def __init__(self, network: nn.Module, standardisers: Mapping[str, Standardise]) -> None:
        super().__init__()
        self.network = network
        self.standardisers = nn.ModuleDict(dict(standardisers))

    def forward(self, features: dict[str, Tensor], lengths: Tensor | None = None) -> tuple[Tensor, ...]:
        """The answers without their names."""
        return tuple(self.answers(features, lengths).values())

    def answers(self, features: dict[str, Tensor], lengths: Tensor | None = None) -> dict[str, Tensor]:
        """Answers by name from (B, T, C) features per branch, NaN where nothing is known, and (B,) lengths.

        (B, K) probabilities; from networks that weigh rows, and with lengths, (B, T') attention.
        """
        inputs = {name: standardise(features[name], lengths) for name, standardise in self.standardisers.items()}
        output = self.network(inputs, lengths)
        answers = {PROBABILITIES: torch.softmax(output.logits, dim=1)}
        if output.attention is not None and lengths is not None:
            answers[_ATTENTION] = output.attention
        return answers


class Templates(NamedTuple):
    """The graphs of an architecture, with weights among their inputs: with and without padding."""

    padded: onnx.ModelProto
    unpadded: onnx.ModelProto

    def save(self, path: Path) -> None:
        """Write both to files: the padded one to a path, and the other one beside it."""
        with writing_files([path.with_name(unpadded_name(path.name)), path]) as (unpadded, padded):
            unpadded.write_bytes(self.unpadded.SerializeToString())
            padded.write_bytes(self.padded.SerializeToString())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote."""
        return cls(onnx.load(path), onnx.load(path.with_name(unpadded_name(path.name))))


class _WeightsAsInputs(nn.Module):
    def __init__(self, member: Member) -> None:
        super().__init__()
        self._call = partial(torch.func.functional_call, member)

    def forward(self, weights: dict[str, Tensor], features: dict[str, Tensor], lengths: Tensor | None = None) -> Any:
        return self._call(weights, (features, lengths))


def build_member(name: str, shape: Shape, spec: NetworkSpec) -> Member:
    """An untrained member; branches without channels are left out."""
    standardisers = {
        branch: Standardise(torch.zeros(count), torch.ones(count), scaled=branch not in UNSCALED)
        for branch in spec.BRANCHES
        if (count := shape.channels[branch])
    }
    return Member(build_network(name, shape, spec), standardisers).eval()


def trace_templates(name: str, shape: Shape, spec: NetworkSpec) -> Templates:
    """The graphs of an architecture, with free batch size and length, its weights among the inputs."""
    return Templates(trace_template(name, shape, spec), trace_template(name, shape, spec, padding=False))


def trace_template(name: str, shape: Shape, spec: NetworkSpec, *, padding: bool = True) -> onnx.ModelProto:
    """One of the graphs of an architecture: with the input `lengths`, or without padding and so without it.

    Those of networks of one's own, whose code may change unseen, are always traced anew.
    """
    if ":" in name:
        return _trace(name, shape, spec, padding)
    channels = [(branch, shape.channels[branch]) for branch in spec.BRANCHES]
    sizes = spec.model_dump_json(exclude=set(NetworkSpec.model_fields))  # what all specs have is about training
    about = f"{name} {channels} {shape.classes} {shape.row_rate_hz} {sizes} {padding}"
    return keep(about, lambda: _trace(name, shape, spec, padding))


def _trace(name: str, shape: Shape, spec: NetworkSpec, padding: bool) -> onnx.ModelProto:
    member = build_member(name, shape, spec)
    batch, steps = 3, round(3.7 * shape.row_rate_hz)  # sizes that no kernel, pooling or channel count equals
    free = torch.export.Dim.AUTO
    features = {branch: torch.zeros(batch, steps, shape.channels[branch]) for branch in member.standardisers}
    inputs: dict[str, Any] = {"features": features}
    shapes: dict[str, Any] = {"features": {branch: {0: free, 1: free} for branch in features}}
    if padding:
        inputs[LENGTHS], shapes[LENGTHS] = torch.tensor([steps, 20, 9]), {0: free}
    weights = {key: value.detach() for key, value in member.state_dict().items()}
    graph = trace(
        _WeightsAsInputs(member),
        {"weights": weights} | inputs,
        optimize=False,
        dynamic_shapes={"weights": dict.fromkeys(weights)} | shapes,
        input_names=[*(_PREFIX + key for key in weights), *features, *([LENGTHS] if padding else [])],
        output_names=list(member.answers(**inputs)),
    )
    return _optimize(graph)


def trace(module: nn.Module, inputs: Mapping[str, Any], **options: Any) -> onnx.ModelProto:
    """The graph of a module, from examples of its inputs by name; the options are those of `torch.onnx.export`."""
    with quiet_exporter(), torch.no_grad():
        program = torch.onnx.export(module, kwargs=dict(inputs), dynamo=True, verbose=False, **options)
    if program is None:
        raise RuntimeError(f"the exporter gave no graph of {type(module).__name__}")
    return program.model_proto


def fill_template(template: onnx.ModelProto, weights: Mapping[str, Array]) -> onnx.ModelProto:
    """A self-contained, optimised graph: a template with a member's weights, by name, as constants."""
    model = onnx.ModelProto()
    model.CopyFrom(template)
    graph = model.graph
    inputs = [value for value in graph.input if not value.name.startswith(_PREFIX)]
    del graph.input[:]
    graph.input.extend(inputs)
    used = {name for node in graph.node for name in node.input}
    for key, value in weights.items():
        if _PREFIX + key in used:
            graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name=_PREFIX + key))
    return _optimize(model)


def _optimize(given: onnx.ModelProto) -> onnx.ModelProto:
    """A graph with less to compute: once as a template, which is most of it, and once more with its weights."""
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass, CommonSubexpressionEliminationPass
    from onnxscript import ir, optimizer

    model = ir.from_proto(given)
    with quiet_exporter():
        # Weights that are only cut and reordered are stored as they are used: sessions load faster and smaller.
        optimizer.optimize(model, input_size_limit=_FOLDED_BYTES, output_size_limit=_FOLDED_BYTES)
        CommonSubexpressionEliminationPass()(model)
        ClearMetadataAndDocStringPass()(model)  # half a megabyte of memory in every session
    optimized: onnx.ModelProto = ir.to_proto(model)
    del optimized.graph.value_info[:]
    for value in optimized.graph.output:
        if value.name == _ATTENTION:  # exporter and optimizer claim the rows of the example, or a formula
            value.type.tensor_type.shape.dim[1].dim_param = "attended_rows"
    return optimized


def write_graphs(path: Path, member: Member, templates: Templates, batch: Batch) -> float:
    """Write both graphs of a member; their largest difference from torch.

    The padded graph is written to `path`; the unpadded one comes beside it and reads large weights from it. Both are
    compared with torch on a batch: without padding on those of at least median length, cut.

    BundleError if a difference is larger than `PARITY`.
    """
    weights = {key: value.numpy() for key, value in member.state_dict().items()}
    padded, unpadded = (fill_template(template, weights) for template in templates)
    stored, beside = padded.SerializeToString(), path.with_name(unpadded_name(path.name))
    path.write_bytes(stored)
    _share_weights(unpadded, stored, path.name)
    beside.write_bytes(unpadded.SerializeToString())
    features = {branch: batch.inputs[branch] for branch in member.standardisers}
    rows = int(np.median(batch.lengths))
    cut = {branch: values[batch.lengths >= rows, :rows] for branch, values in features.items()}
    return max(check_parity(path, member, features, batch.lengths), check_parity(beside, member, cut))


def _share_weights(model: onnx.ModelProto, stored: bytes, location: str) -> None:
    """Have large constants read from another file in the same folder, wherever it holds them."""
    for value in model.graph.initializer:
        start = stored.find(value.raw_data) if len(value.raw_data) >= _SHARED_BYTES else -1
        if start >= 0:
            place = {"location": location, "offset": str(start), "length": str(len(value.raw_data))}
            value.ClearField("raw_data")
            value.data_location = onnx.TensorProto.EXTERNAL
            value.external_data.extend(onnx.StringStringEntryProto(key=key, value=at) for key, at in place.items())


def check_parity(
    graph: Path | bytes, member: Member, features: Mapping[str, Floats32], lengths: Ints | None = None
) -> float:
    """Largest difference between a graph, or its file, and the member it was made from, in all that the graph gives.

    It is asked with (B, T, C) features by branch and, if it takes them, (B,) rows of each recording.

    BundleError if it is larger than `PARITY`.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    given = [output.name for output in session.get_outputs()]
    feed = dict(features) if lengths is None else {**features, LENGTHS: lengths}
    exported = dict(zip(given, session.run(given, feed), strict=True))
    with torch.inference_mode():
        inputs = {branch: torch.from_numpy(values) for branch, values in features.items()}
        expected = member.answers(inputs, None if lengths is None else torch.from_numpy(lengths))
    difference = max(float(np.abs(exported[name] - expected[name].numpy()).max()) for name in given)
    if not difference <= PARITY:
        problem = f"expected the exported graph to agree with torch to {PARITY:g}, but it is off by {difference:g}"
        remedy = "report this with the versions of torch, onnx and onnxscript; the weights are not lost"
        raise BundleError(problem, remedy=remedy)
    return difference


@contextmanager
def quiet_exporter() -> Iterator[None]:
    """Keep the exporter's chatter about missing optional packages off the terminal."""
    log = logging.getLogger("torch.onnx")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


KEPT = 100  # so many graphs are kept, those that were used last


def keep(about: str, trace: Callable[[], onnx.ModelProto]) -> onnx.ModelProto:
    """The graph that is kept of what `about` says completely; else it is traced."""
    path = cache_folder() / "graphs" / f"{sha256(f'{_code()} {about}'.encode()).hexdigest()}.onnx"
    with suppress(OSError, DecodeError):
        found = onnx.load(path)
        if found.graph.node:
            path.touch()
            return found
    traced = trace()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing_file(path) as place:
            onnx.save(traced, place)
        # Where another process has just deleted one, the next trace does this again.
        for old in sorted(path.parent.glob("*.onnx"), key=lambda kept: kept.stat().st_mtime)[:-KEPT]:
            old.unlink(missing_ok=True)
    return traced


@cache
def _code() -> str:
    """Everything but the sizes that a graph depends on."""
    digest = sha256(" ".join(version(name) for name in ("onnx", "onnxscript", "torch")).encode())
    for package in ("bfrb.networks", "bfrb.export"):
        for module in sorted(files(package).iterdir(), key=lambda one: one.name):
            if module.name.endswith(".py"):
                digest.update(module.read_bytes())
    return digest.hexdigest()
