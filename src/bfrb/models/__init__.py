"""Networks, one a file, and the one table of them."""

from __future__ import annotations

from torch import nn

from bfrb.config import NetworkSpec
from bfrb.errors import ConfigError
from bfrb.models.context import Context
from bfrb.models.gated import GatedTwoBranch
from bfrb.models.network import Inputs, Network, Output, Shape, Standardise
from bfrb.models.stems import Stems
from bfrb.models.transformer import Transformer
from bfrb.models.two_branch import TwoBranch

NETWORKS: dict[str, type[nn.Module]] = {
    "two_branch": TwoBranch,
    "gated_two_branch": GatedTwoBranch,
    "stems": Stems,
    "transformer": Transformer,
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
