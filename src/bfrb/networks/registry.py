"""Networks, one a file: found by a short name in the one table of them, or by an import path."""

from torch import nn

from bfrb.networks.context import Context
from bfrb.networks.micro import Micro
from bfrb.networks.network import Inputs, Network, Output, Shape, Standardise
from bfrb.networks.rocket import Rocket
from bfrb.networks.specs import NetworkSpec, check_name
from bfrb.networks.two_branch import GatedTwoBranch, TwoBranch
from bfrb.parts import import_part

NETWORKS: dict[str, type[nn.Module]] = {
    "two_branch": TwoBranch,
    "gated_two_branch": GatedTwoBranch,
    "context": Context,
    "rocket": Rocket,
    "micro": Micro,
}
"""Every network of the package by the short name under which a spec asks for it."""


def build_network(name: str, shape: Shape, spec: NetworkSpec) -> nn.Module:
    """A new network with random weights, drawn from torch's generator.

    Its name is a short one, or an import path `package.module:Class` of a class with a `Spec`. ConfigError if there is
    no such network.
    """
    check_name(name)
    network: nn.Module = (NETWORKS.get(name) or import_part(name, "network"))(shape, spec)
    return network


__all__ = ["NETWORKS", "Inputs", "Network", "Output", "Shape", "Standardise", "build_network"]
