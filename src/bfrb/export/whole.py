"""From samples to probabilities as one torch module of fixed length: what is converted for runtimes other than ONNX.

The members are built anew from a bundle's spec and weights. Features are computed in float32, by steps that every
runtime knows.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from bfrb.errors import BundleError
from bfrb.export.graphs import PROBABILITIES, Member, build_member
from bfrb.export.padded import WindowRows
from bfrb.export.samples import LEFT, Front
from bfrb.export.worn import Worn
from bfrb.features.pipeline import channels_of, find_feature
from bfrb.networks.registry import Shape
from bfrb.networks.specs import NetworkSpec, find_spec, short_name
from bfrb.predict.bundle import SPEC, Bundle, MemberSpec


class Whole(nn.Module):
    """Samples of a window to probabilities: features, gaps filled, mirroring, the choice of members and all members.

    Parameters
    ----------
    bundle
        The bundle.
    worn
        The device that is worn, if it is not the bundle's.

    Raises
    ------
    BundleError
        If it does not hold the weights of its members.
    """

    def __init__(self, bundle: Bundle, worn: Worn | None = None) -> None:
        super().__init__()
        self.front = Front(bundle, worn, WindowRows)
        self.members = nn.ModuleList([load_network(bundle, member) for member in bundle.manifest.members])
        features = {
            name
            for member in _members(self.members)
            for branch in member.standardisers
            for name in self.front.branches[branch]
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
        answers: list[Tensor] = [member.answers(named)[PROBABILITIES] for member in _members(self.members)]
        if len(answers) == 1:
            return answers[0]
        weights = asked.to(answers[0].dtype)[:, :, None]
        summed: Tensor = (torch.stack(answers, dim=1) * weights).sum(dim=1)
        return summed / summed.sum(dim=1, keepdim=True)


def _members(modules: Any) -> Sequence[Member]:
    return list(modules)


def load_network(bundle: Bundle, member: MemberSpec) -> Member:
    """A member as the torch module that it was exported from, with its weights.

    Raises
    ------
    BundleError
        If the bundle does not hold them.
    """
    weights = bundle.file(member.graph).with_suffix(".safetensors")
    if not weights.is_file():
        raise BundleError(f"the bundle {bundle.path} has no weights of {member.name}", remedy="train it anew")
    manifest, device = bundle.manifest, bundle.device
    branches = Front(bundle).branches
    channels = {name: len(channels_of(branches.get(name, ()), device)) for name in manifest.branches}
    network = build_member(
        member.network,
        Shape(channels, len(bundle.label_set), bundle.manifest.row_rate_hz),
        _spec(bundle, member.network),
    )
    network.load_state_dict(load_file(weights))
    return network.eval()


def _spec(bundle: Bundle, network: str) -> NetworkSpec:
    """Sizes of a network, as they stand in the bundle; what later versions no longer know is left out."""
    values = tomllib.loads(bundle.file(SPEC).read_text(encoding="utf-8"))
    sizes = values.get(network) or values.get("sizes", {}).get(short_name(network), {})
    kind = find_spec(network)
    return kind.parse({key: value for key, value in sizes.items() if key in kind.model_fields})
