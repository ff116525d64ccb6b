"""One graph from samples to probabilities: features, filling of gaps, mirroring, routing and all members inside.

The features are the package's own formulas (`bfrb.features`), traced in torch over padded rows; behind them stand the
members' graphs as the bundle holds them. What goes in are rows of the wrist frame at the bundle's rate, float32, NaN
where nothing was measured; pixels of time-of-flight images that got no answer are negative.
"""

from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any

import numpy as np
import onnx
import torch
from onnx import compose, helper, parser
from onnxscript import opset18
from torch import Tensor, nn

from bfrb.errors import BundleError, ConfigError
from bfrb.export.graphs import PROBABILITIES, trace
from bfrb.export.padded import PaddedRows
from bfrb.export.worn import Worn
from bfrb.features.pipeline import available, find_feature
from bfrb.features.rotations import canonical
from bfrb.predict.bundle import Bundle
from bfrb.predict.member import LENGTHS, unpadded_name
from bfrb.study.device import Sensor, Symmetry

LEFT = "left_handed"
"""The input that says whose recordings are mirrored, (B,) bool; only of bundles that mirror."""

_ASKED = "asked"
_op: Any = opset18


class Front(nn.Module):
    """Samples, of the bundle's device or what is worn instead, to what its members take in, and who is asked."""

    def __init__(self, bundle: Bundle, worn: Worn | None = None, kind: type[PaddedRows] = PaddedRows) -> None:
        super().__init__()
        self.worn, self.kind = worn, kind
        manifest = bundle.manifest
        self.device = bundle.device
        branches = {name: available(features, self.device) for name, features in manifest.branches.items()}
        self.branches = {name: features for name, features in branches.items() if features}
        self.max_length, self.keep = manifest.max_length, manifest.keep
        self.requires = [member.requires for member in manifest.members]
        self.inputs = self.device.sensor_names if worn is None else worn.inputs

    def forward(
        self, sensors: dict[str, Tensor], lengths: Tensor | None = None, left: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """(B, L, C) features by branch; with lengths (B,) rows of them that count; (B, M) who is asked.

        With lengths L is the largest number of rows that the members take in, and features are 0 after a recording's
        end. Without, all rows of all recordings count, and the features are of as many rows.
        """
        first = next(iter(sensors.values()))
        if self.worn is not None:
            sensors = {name: self.worn.to_wrist(name, values) for name, values in sensors.items()}
        sensors |= {
            sensor.name: first.new_full((*first.shape[:2], len(sensor.columns)), torch.nan)
            for sensor in self.device.sensors
            if sensor.name not in sensors
        }
        ends = torch.full((first.shape[0],), first.shape[1], device=first.device) if lengths is None else lengths
        measured = {name: _any_measured(values, ends) for name, values in sensors.items()}
        if left is not None:
            sensors = {name: _mirrored(self.device.sensor(name), values, left) for name, values in sensors.items()}
        exact = {name: _exact(self.device.sensor(name), values, self.kind.dtype) for name, values in sensors.items()}
        rows = self.kind(exact, ends, self.device)
        branches = [
            rows.fill(torch.cat([rows.shared(find_feature(name).compute).to(torch.float32) for name in names], dim=-1))
            for names in self.branches.values()
        ]
        asked = self._ask(measured, ends)
        return (*branches, asked) if lengths is None else (*self._cut(branches, lengths), asked)

    def _cut(self, branches: Sequence[Tensor], lengths: Tensor) -> list[Tensor]:
        """The rows of each branch that the members take in, 0 after a recording's end; and how many count."""
        used = torch.minimum(lengths, torch.full_like(lengths, self.max_length))
        start = torch.zeros_like(lengths) if self.keep == "first" else lengths - used
        steps = torch.arange(self.max_length, device=lengths.device)
        source = torch.minimum(start[:, None] + steps, lengths[:, None] - 1)[:, :, None]
        padding = (steps >= used[:, None])[:, :, None]
        taken = [values.gather(1, source.expand(-1, -1, values.shape[-1])) for values in branches]
        return [*(torch.where(padding, 0.0, values) for values in taken), used]

    def _ask(self, measured: Mapping[str, Tensor], lengths: Tensor) -> Tensor:
        """(B, M) Which members are asked, by the rule of `predict.member`."""
        everyone = torch.ones_like(lengths, dtype=torch.bool)
        asked = [torch.stack([everyone, *(measured[name] for name in needs)]).all(dim=0) for needs in self.requires]
        able = torch.stack(asked, dim=1)
        return able | ~able.any(dim=1, keepdim=True)


def build_graph(bundle: Bundle, *, rows: int | None = None, worn: Worn | None = None) -> onnx.ModelProto:
    """One graph: for every sensor (B, T, C) float32 samples, and `lengths` (B,) int64, in; `probabilities` (B, K) out.

    With rows it is for recordings of exactly so many, and takes no `lengths`; with a worn device, for what that reads.
    BundleError if the members' graphs cannot be merged; ConfigError if the networks do not take in so many rows.
    """
    manifest = bundle.manifest
    check_rows(bundle, rows)
    graphs = [_member_graph(bundle, member.graph, padded=rows is None) for member in manifest.members]
    opsets = {(entry.domain, entry.version) for model in graphs for entry in model.opset_import}
    if len(opsets) > 1 or any(model.functions for model in graphs):
        raise BundleError("expected members in one version of ONNX", remedy="train them anew with this version")
    [(_, opset)] = opsets
    module = Front(bundle, worn)
    front = _trace(module, mirror=manifest.mirror_left_hand, rows=rows, opset=opset)
    return _assemble(front, graphs, list(module.branches), padded=rows is None)


def check_rows(bundle: Bundle, rows: int | None) -> None:
    """Refuse windows of more rows than networks take in."""
    manifest = bundle.manifest
    if rows is not None and rows > manifest.max_length:
        problem = f"the networks take in at most {manifest.max_length} rows, got a window of {rows}"
        raise ConfigError(problem, remedy=f"ask for at most {manifest.max_length / manifest.row_rate_hz:g} s")


def _any_measured(values: Tensor, lengths: Tensor) -> Tensor:
    inside = torch.arange(values.shape[1], device=values.device)[None, :, None] < lengths[:, None, None]
    return (~torch.isnan(values) & inside).any(dim=2).any(dim=1)


def _exact(sensor: Sensor, values: Tensor, dtype: torch.dtype) -> Tensor:
    """Samples in the precision that features are computed with, orientations with the sign that recordings keep."""
    if sensor.no_response_code is not None:
        return values  # whole numbers are exact in float32
    return canonical(values.to(dtype)) if sensor.unit_norm else values.to(dtype)


def _mirrored(sensor: Sensor, values: Tensor, left: Tensor) -> Tensor:
    """(B, T, C) Samples of left-handed people as if made on the other wrist."""
    order, sign = flat_symmetry(sensor, sensor.left_hand)
    return torch.where(left[:, None, None], values[..., torch.tensor(order)] * torch.tensor(sign), values)


def flat_symmetry(sensor: Sensor, symmetry: Symmetry) -> tuple[list[int], list[float]]:
    """For each flat channel under a symmetry the channel it is taken from, and its sign.

    >>> acc = Sensor(name="acc")
    >>> flat_symmetry(acc, acc.left_hand)
    ([0, 1, 2], [-1.0, 1.0, 1.0])
    """
    numbers = np.arange(1, len(sensor.columns) + 1).reshape(1, *sensor.shape)
    changed = symmetry.apply(numbers).ravel()
    return (np.abs(changed) - 1).tolist(), np.sign(changed).astype(float).tolist()


def _trace(front: Front, *, mirror: bool, rows: int | None, opset: int) -> onnx.ModelProto:
    batch, steps = 3, rows or 37
    free = torch.export.Dim.AUTO
    sensors = {name: torch.zeros(batch, steps, len(front.device.sensor(name).columns)) for name in front.inputs}
    named: dict[str, Any] = {"sensors": sensors}
    shapes: dict[str, Any] = {"sensors": {name: {0: free} if rows else {0: free, 1: free} for name in sensors}}
    if rows is None:
        named["lengths"], shapes["lengths"] = torch.full((batch,), steps), {0: free}
    if mirror:
        named["left"], shapes["left"] = torch.zeros(batch, dtype=torch.bool), {0: free}
    model = trace(
        front.eval(),
        named,
        opset_version=opset,
        dynamic_shapes=shapes,
        input_names=[*sensors, *([LENGTHS] if rows is None else []), *([LEFT] if mirror else [])],
        output_names=[*map(_features_of, front.branches), *(["used"] if rows is None else []), _ASKED],
        custom_translation_table={torch.ops.aten.atan2.default: _atan2, torch.ops.aten.acos.default: _acos},
    )
    for value in model.graph.input:  # the exporter makes up a name for each
        for axis, name in zip(value.type.tensor_type.shape.dim, ("batch", "time"), strict=False):
            if not axis.dim_value:
                axis.dim_param = name
    del model.graph.value_info[:]
    return model


def _features_of(branch: str) -> str:
    """What the front gives for a branch, which may be called like a sensor."""
    return f"{branch}_features"


def _atan2(y: Any, x: Any) -> Any:
    """(...) double. Runtimes know the arctangent of float32 only: that of a ratio loses nothing that matters."""
    zero = _op.Constant(value=helper.make_tensor("zero", onnx.TensorProto.DOUBLE, [], [0.0]))
    pi = _op.Constant(value=helper.make_tensor("pi", onnx.TensorProto.DOUBLE, [], [np.pi]))
    angle = _op.Cast(_op.Atan(_op.Cast(_op.Div(y, x), to=onnx.TensorProto.FLOAT)), to=onnx.TensorProto.DOUBLE)
    half_turn = _op.Where(_op.Less(y, zero), _op.Neg(pi), pi)
    angle = _op.Where(_op.Less(x, zero), _op.Add(angle, half_turn), angle)
    nowhere = _op.And(_op.Equal(x, zero), _op.Equal(y, zero))
    return _op.Where(nowhere, zero, angle)


def _acos(x: Any) -> Any:
    one = _op.Constant(value=helper.make_tensor("one", onnx.TensorProto.DOUBLE, [], [1.0]))
    return _atan2(_op.Sqrt(_op.Mul(_op.Sub(one, x), _op.Add(one, x))), x)


def _member_graph(bundle: Bundle, name: str, *, padded: bool) -> onnx.ModelProto:
    path = bundle.file(name)
    unpadded = bundle.file(unpadded_name(name))
    if not padded and not unpadded.is_file():
        problem = f"the bundle {bundle.path} has no graph without padding of {name}"
        raise BundleError(problem, remedy="export it without a window")
    return onnx.load(path if padded else unpadded)


def _assemble(
    front: onnx.ModelProto, members: Sequence[onnx.ModelProto], branches: Sequence[str], *, padded: bool
) -> onnx.ModelProto:
    """The front, then every member, then their mean over those that are asked."""
    begin = compose.add_prefix_graph(front.graph, "front_")
    nodes, constants = list(begin.node), list(begin.initializer)
    for value, original in zip(begin.input, front.graph.input, strict=True):
        nodes.insert(0, helper.make_node("Identity", [original.name], [value.name]))
    given = {name: f"front_{_features_of(name)}" for name in branches}
    if padded:
        cut = parser.parse_graph(_CUT)  # rows beyond the longest recording of a batch cost time and mean nothing
        nodes += cut.node
        constants += cut.initializer
        ends = ["cut_start", "cut_stop", "cut_axis"]
        nodes += [helper.make_node("Slice", [given[name], *ends], [f"cut_{name}"]) for name in branches]
        given = {name: f"cut_{name}" for name in branches} | {LENGTHS: "front_used"}
    answers = []
    for number, model in enumerate(members):
        part = compose.add_prefix_graph(model.graph, f"m{number:02d}_")
        constant = {value.name for value in model.graph.initializer}
        nodes += [
            helper.make_node("Identity", [given[value.name]], [f"m{number:02d}_{value.name}"])
            for value in model.graph.input
            if value.name not in constant
        ]
        nodes += part.node
        constants += part.initializer
        answers.append(f"m{number:02d}_{PROBABILITIES}")
    stacked = [f"{name}_wide" for name in answers]
    nodes += [helper.make_node("Unsqueeze", pair, [wide]) for *pair, wide in zip(answers, repeat("second"), stacked)]
    nodes.append(helper.make_node("Concat", stacked, ["all_answers"], axis=1))
    end = parser.parse_graph(_MEAN)
    nodes += end.node
    constants += end.initializer
    [answer] = [value for value in members[0].graph.output if value.name == PROBABILITIES]
    classes = answer.type.tensor_type.shape.dim[1].dim_value
    output = helper.make_tensor_value_info(PROBABILITIES, onnx.TensorProto.FLOAT, ["batch", classes])
    graph = helper.make_graph(nodes, "samples_to_probabilities", front.graph.input, [output], constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", front.opset_import[0].version)], ir_version=members[0].ir_version
    )
    onnx.checker.check_model(model)
    return model


_CUT = """
cut (int64[batch] front_used) => (int64[1] cut_stop)
<int64[1] cut_start = {0}, int64[1] cut_axis = {1}, int64[1] cut_shape = {1}>
{
    longest = ReduceMax<keepdims = 0>(front_used)
    cut_stop = Reshape(longest, cut_shape)
}"""

_MEAN = """
mean (float[batch, members, classes] all_answers, bool[batch, members] front_asked)
=> (float[batch, classes] probabilities) <int64[1] second = {1}, int64[1] third = {2}>
{
    counted = Cast<to = 1>(front_asked)
    counted_wide = Unsqueeze(counted, third)
    asked_answers = Mul(all_answers, counted_wide)
    summed = ReduceSum<keepdims = 0>(asked_answers, second)
    whole = ReduceSum<keepdims = 1>(summed, second)
    probabilities = Div(summed, whole)
}"""
"""The mean of the answers of those that are asked, scaled so that each row sums to 1."""
