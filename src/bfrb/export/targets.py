"""Graphs for other runtimes than ONNX Runtime: LiteRT, ExecuTorch and Core ML, converted from one torch module.

litert       model.tflite   phones; and microcontrollers, for the network `micro` in eight bits
executorch   model.pte      phones, by XNNPACK
coreml       model.mlpackage   Apple's; it is converted and read back, for it runs on macOS only

The members are built anew from a bundle's spec and weights. Features are computed in float32, by steps that every
runtime knows.
"""

import logging
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from bfrb.arrays import Array, Floats32
from bfrb.errors import BundleError
from bfrb.export.graphs import PROBABILITIES, Member, build_member, quiet_exporter
from bfrb.export.padded import WindowRows
from bfrb.export.samples import LEFT, Front
from bfrb.export.worn import Worn
from bfrb.features.pipeline import channels_of, find_feature
from bfrb.networks.registry import Shape
from bfrb.networks.specs import NetworkSpec, find_spec, short_name
from bfrb.parts import need
from bfrb.predict.bundle import SPEC, Bundle, MemberSpec


class Whole(nn.Module):
    """Samples of a window to probabilities: features, gaps filled, mirroring, the choice of members and all members.

    The samples are of the bundle's device, or of what is worn instead. BundleError if it does not hold its weights.
    """

    def __init__(self, bundle: Bundle, worn: Worn | None = None) -> None:
        super().__init__()
        self.front = Front(bundle, worn, WindowRows)
        members = [load_network(bundle, member) for member in bundle.manifest.members]
        self.members: Any = nn.ModuleList(members)
        features = {
            name for member in members for branch in member.standardisers for name in self.front.branches[branch]
        }
        needed = {sensor for name in features for sensor in find_feature(name).needs}
        if len(self.members) > 1:  # who is asked depends on what was measured
            needed |= {sensor for member in bundle.manifest.members for sensor in member.requires}
        self.inputs = [name for name in self.front.inputs if name in needed]
        self.mirrors = bundle.manifest.mirror_left_hand
        if self.mirrors:
            self.inputs.append(LEFT)

    def forward(self, *values: Tensor) -> Tensor:
        """(B, K) probabilities of (B, T, C) samples of the `inputs`, the last of which may be (B,) 1 for left hands."""
        given = dict(zip(self.inputs, values, strict=True))
        left = given.pop(LEFT) > 0.5 if self.mirrors else None
        *branches, asked = self.front(given, None, left)
        named = dict(zip(self.front.branches, branches, strict=True))
        answers: list[Tensor] = [member.answers(named)[PROBABILITIES] for member in self.members]
        if len(answers) == 1:
            return answers[0]
        weights = asked.to(answers[0].dtype)[:, :, None]
        summed: Tensor = (torch.stack(answers, dim=1) * weights).sum(dim=1)
        return summed / summed.sum(dim=1, keepdim=True)


def load_network(bundle: Bundle, member: MemberSpec) -> Member:
    """A member as the torch module that it was exported from, with its weights.

    BundleError if the bundle does not hold them.
    """
    from safetensors.torch import load_file

    weights = bundle.file(member.graph).with_suffix(".safetensors")
    if not weights.is_file():
        raise BundleError(f"the bundle {bundle.path} has no weights of {member.name}", remedy="train it anew")
    manifest, device = bundle.manifest, bundle.device
    branches = Front(bundle).branches
    channels = {name: len(channels_of(branches.get(name, ()), device)) for name in manifest.branches}
    shape = Shape(channels, len(bundle.label_set), manifest.row_rate_hz)
    network = build_member(member.network, shape, _spec(bundle, member.network))
    network.load_state_dict(load_file(weights))
    return network.eval()


def _spec(bundle: Bundle, network: str) -> NetworkSpec:
    """Sizes of a network, as they stand in the bundle; what later versions no longer know is left out."""
    values = tomllib.loads(bundle.file(SPEC).read_text(encoding="utf-8"))
    sizes = values.get(network) or values.get("sizes", {}).get(short_name(network), {})
    kind = find_spec(network)
    return kind.parse({key: value for key, value in sizes.items() if key in kind.model_fields})


Example = Sequence[Array]  # what a module takes in: an array for each of its inputs, of one recording

_IN_EIGHT_BITS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL", "MAX_POOL_2D", "MEAN")
"""Operators of LiteRT that are computed in eight bits; those that features are made of are not among them."""


class Target(NamedTuple):
    """A runtime: the name of its file, what has to be installed, how it is converted for and asked."""

    file: str
    packages: tuple[str, ...]
    convert: Callable[[Whole, Sequence[Example], Path, bool], None]
    ask: Callable[[Path, Sequence[str], Sequence[Example]], Floats32] | None


def convert(target: str, module: Whole, examples: Sequence[Example], folder: Path, *, int8: bool = False) -> Path:
    """Convert a module, from arrays of a recording to (1, K) probabilities, for one of `TARGETS`; the path of the file.

    The examples are recordings, which decide the sizes, and the ranges of numbers where weights, and what comes
    between layers, have eight bits. ConfigError if a package is not installed; BundleError if the network has
    something that the converter does not know.
    """
    found = TARGETS[target]
    need(f"exporting for {target}", found.packages, target)
    path = folder / found.file
    logging.getLogger("torchao").setLevel(logging.ERROR)
    with quiet_exporter(), _saying_why(target):
        found.convert(module.eval(), examples, path, int8)
    return path


def ask(target: str, path: Path, inputs: Sequence[str], examples: Sequence[Example]) -> Floats32 | None:
    """(R, K) what the runtime says of each example, an array for each input; None where it runs on no such machine.

    BundleError if the runtime cannot run it.
    """
    asked = TARGETS[target].ask
    with _saying_why(target):
        return None if asked is None else asked(path, inputs, examples)


@contextmanager
def _saying_why(target: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        why = str(error).strip().partition("\n")[0] or type(error).__name__
        problem = f"{target} cannot take this network: {why}"
        raise BundleError(problem, remedy="export it as onnx, or another member") from error


def _tensors(example: Example) -> tuple[torch.Tensor, ...]:
    return tuple(map(torch.from_numpy, example))


def _exported(module: nn.Module, example: Example) -> Any:
    with torch.no_grad():
        return torch.export.export(module, _tensors(example), strict=False)


def _to_litert(module: Whole, examples: Sequence[Example], path: Path, int8: bool) -> None:
    import litert_torch

    litert_torch.convert(module, _tensors(examples[0])).export(str(path))
    if int8:
        _quantize_litert(path, examples)
    path.write_bytes(_tidied(path.read_bytes(), module.inputs))


def _quantize_litert(path: Path, examples: Sequence[Example]) -> None:
    """Weights in eight bits, and what comes between layers in sixteen, by ranges found in examples."""
    from ai_edge_quantizer.qtyping import TFLOperationName
    from ai_edge_quantizer.quantizer import Quantizer

    quantizer = Quantizer(path.read_bytes())
    for name in _IN_EIGHT_BITS:
        quantizer.add_static_config(".*", TFLOperationName[name], activation_num_bits=16, weight_num_bits=8)
    named = [{f"args_{number}": value for number, value in enumerate(one)} for one in examples]
    ranges = quantizer.calibrate({"serving_default": named})
    # They are moving averages of each example's smallest and largest values, which some exceed; sixteen bits have room.
    wider = {name: {kind: 8.0 * value for kind, value in found.items()} for name, found in ranges.items()}
    path.write_bytes(quantizer.quantize(wider, enable_progress_bar=False).quantized_model)


def _tidied(model: bytes, inputs: Sequence[str]) -> bytes:
    """The same model, its inputs called by their names and other tensors by none, without an operator that is lacking
    on microcontrollers: SELECT is SELECT_V2 for equal shapes."""  # noqa: D205, D209
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    found = schema.ModelT.InitFromPackedBuf(model, 0)
    [graph], [signature] = found.subgraphs, found.signatureDefs
    for tensor in graph.tensors:
        tensor.name = b""
    for taken in signature.inputs:
        name = inputs[int(taken.name.decode().rpartition("_")[2])].encode()
        taken.name = graph.tensors[taken.tensorIndex].name = name
    for code in found.operatorCodes:
        if code.builtinCode == schema.BuiltinOperator.SELECT:
            code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.SELECT_V2
    for operator in graph.operators:
        if operator.builtinOptionsType == schema.BuiltinOptions.SelectOptions:
            operator.builtinOptionsType = schema.BuiltinOptions.SelectV2Options
            operator.builtinOptions = schema.SelectV2OptionsT()
    builder = flatbuffers.Builder(2 * len(model))
    builder.Finish(found.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _ask_litert(path: Path, inputs: Sequence[str], examples: Sequence[Example]) -> Floats32:
    from ai_edge_litert.interpreter import Interpreter

    runner = Interpreter(model_path=str(path)).get_signature_runner()
    answers = [runner(**dict(zip(inputs, one, strict=True))) for one in examples]
    return np.concatenate([next(iter(answer.values())) for answer in answers])


def _to_executorch(module: Whole, examples: Sequence[Example], path: Path, int8: bool) -> None:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    program = _exported(module, examples[0])
    if int8:
        program = _exported(_quantized(program.module(), examples), examples[0])
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    path.write_bytes(lowered.to_executorch().buffer)


def _quantized(module: Any, examples: Sequence[Example]) -> nn.Module:
    """The members in eight bits, by ranges found in examples; features as they were."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.constant_fold import constant_fold
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    config = get_symmetric_quantization_config(is_per_channel=True)
    known = set(dict(module.named_buffers()))
    constant_fold(module)  # the quantiser takes kernels for parameters, not for what is made of them
    for name in set(dict(module.named_buffers())) - known:
        folded = module.get_buffer(name)
        delattr(module, name)
        module.register_parameter(name, nn.Parameter(folded, requires_grad=False))
    prepared = prepare_pt2e(module, XNNPACKQuantizer().set_module_name("members", config))
    with torch.no_grad():
        for one in examples:
            prepared(*_tensors(one))
    converted: nn.Module = convert_pt2e(prepared)
    return converted


def _ask_executorch(path: Path, _: Sequence[str], examples: Sequence[Example]) -> Floats32:
    from executorch.runtime import Runtime

    method = Runtime.get().load_program(str(path)).load_method("forward")
    return np.concatenate([method.execute(list(_tensors(one)))[0].numpy().copy() for one in examples])


def _to_coreml(module: Whole, examples: Sequence[Example], path: Path, int8: bool) -> None:
    import coremltools

    program = _exported(module, examples[0]).run_decompositions({})
    shapes = [values.shape for values in examples[0]]
    inputs = [coremltools.TensorType(name, shape=shape) for name, shape in zip(module.inputs, shapes, strict=True)]
    model = coremltools.convert(
        program,
        inputs=inputs,
        outputs=[coremltools.TensorType("probabilities")],
        convert_to="mlprogram",
        compute_precision=coremltools.precision.FLOAT32,  # features of NaN and of small turns are lost in 16 bits
        minimum_deployment_target=coremltools.target.iOS17,
    )
    if int8:
        from coremltools.optimize import coreml

        config = coreml.OptimizationConfig(coreml.OpLinearQuantizerConfig(mode="linear_symmetric", dtype="int8"))
        model = coreml.linear_quantize_weights(model, config)
    model.save(str(path))
    read_back = [value.name for value in coremltools.utils.load_spec(str(path)).description.input]
    if read_back != module.inputs:
        raise ValueError(f"expected the inputs {module.inputs}, read {read_back} back")


TARGETS: dict[str, Target] = {
    "litert": Target("model.tflite", ("litert_torch", "ai_edge_litert"), _to_litert, _ask_litert),
    "executorch": Target("model.pte", ("executorch",), _to_executorch, _ask_executorch),
    "coreml": Target("model.mlpackage", ("coremltools",), _to_coreml, None),
}
"""The runtimes, by the names of their extras."""
