"""Networks, one a file, and the one table of them."""

from __future__ import annotations

from torch import nn

from bfrb.errors import ConfigError
from bfrb.networks.context import Context
from bfrb.networks.gated_two_branch import GatedTwoBranch
from bfrb.networks.network import Inputs, Network, Output, Shape, Standardise
from bfrb.networks.specs import NetworkSpec
from bfrb.networks.stems import Stems
from bfrb.networks.two_branch import TwoBranch

NETWORKS: dict[str, type[nn.Module]] = {
    "two_branch": TwoBranch,
    "gated_two_branch": GatedTwoBranch,
    "stems": Stems,
    "context": Context,
}
"""Every network by the name under which a spec asks for it."""


def build_network(name: str, shape: Shape, spec: NetworkSpec) -> nn.Module:
    """A new network with random weights, drawn from torch's generator.

    Raises
    ------
    ConfigError
        If there is no network of that name.
    """
    if name not in NETWORKS:
        raise ConfigError(f"no network {name!r}", remedy=f"choose among {', '.join(NETWORKS)}")
    return NETWORKS[name](shape, spec)


__all__ = ["NETWORKS", "Inputs", "Network", "Output", "Shape", "Standardise", "build_network"]
