"""Sizes of the networks, one spec per network; reading them loads no framework.

Lengths are in seconds, so that they mean the same at any rate of rows.
"""

import difflib
from collections.abc import Mapping
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from bfrb.errors import ConfigError
from bfrb.parts import import_part, is_import_path
from bfrb.spec import Count, Positive, Share, Spec


class NetworkSpec(Spec):
    """What every network's spec has: the branches it takes in, and what it learns to do without."""

    BRANCHES: ClassVar[tuple[str, ...]] = ("imu", "proximity")
    """Branches the network takes in."""
    MOTION: ClassVar[tuple[str, ...]] = ("imu",)
    """Branches of the motion sensors: without a channel in any of them there is nothing to answer from."""
    DISPENSABLE: ClassVar[tuple[str, ...]] = ()
    """Sensors that it can do without by its making, whatever it is trained with."""
    TOGETHER: ClassVar[int] = 64
    """Recordings that it is asked about at once: what is computed of more has no room in the processor's caches."""

    variation: Mapping[str, float] = {}
    """How this network's training recordings are varied besides, or instead: strengths of `training.variation`."""
    presence_loss: Annotated[float, Field(ge=0.0)] = 0.0
    """Weight of the loss for judging whether proximity readings are there."""
    copies: Annotated[int, Field(ge=0)] = 0
    """Networks that are solved for: so many varied copies of every recording are learnt from beside itself."""
    most_examples: Annotated[int, Field(ge=2)] = 6000
    """Networks that are solved for: of more recordings or windows so many are drawn; time grows with their cube."""


class TwoBranchSpec(NetworkSpec):
    """Sizes of `two_branch`; the defaults are the published network's."""

    widths: tuple[Count, Count] = (64, 128)
    imu_kernels_s: tuple[Positive, Positive] = (0.3, 1.0)
    """Seconds that the convolutions of the two blocks see; 3 and 5 rows at 10 Hz, as the second block's rows are twice
    as far apart."""
    imu_dropout: Share = 0.1
    proximity_kernels_s: tuple[Positive, Positive] = (0.3, 0.6)
    pooled_s: tuple[Positive, Positive] = (0.2, 0.4)
    """Seconds from row to row after the first and after the second block, of motion as of proximity."""
    proximity_dropout: Share = 0.2
    recurrent_units: Count = 128
    noise_sd: Annotated[float, Field(ge=0.0)] = 0.09
    noise_units: Count = 16
    recurrent_dropout: Share = 0.4
    head_units: tuple[Count, ...] = (256, 128)
    head_dropouts: tuple[Share, ...] = (0.5, 0.3)
    padded_rows: Annotated[int, Field(ge=0)] = 0
    """As in the published notebook, every recording is cut or padded at its end to so many rows, the padding takes part
    in everything, and pooling drops a single last row. 0: padding never changes the answer."""

    @model_validator(mode="after")
    def _check_head(self) -> Self:
        if len(self.head_units) != len(self.head_dropouts):
            raise ValueError(f"expected one dropout per dense layer, got {self.head_units} and {self.head_dropouts}")
        return self


class ContextSpec(NetworkSpec):
    """Sizes of `context`."""

    BRANCHES: ClassVar[tuple[str, ...]] = ("acc", "rotation")
    MOTION: ClassVar[tuple[str, ...]] = ("acc", "rotation")

    near_s: Positive = 5.0
    """So many of the last seconds are the present; all rows are the context."""
    dropout: Share = 0.2
    """Share of the numbers describing a recording that are left out at random in training."""
    head_units: Annotated[int, Field(ge=0)] = 0
    """Units of a hidden layer between description and answer; 0 is no such layer."""
    head_dropout: Share = 0.5


class RocketSpec(NetworkSpec):
    """Sizes of `rocket`."""

    BRANCHES: ClassVar[tuple[str, ...]] = ("acc", "rotation", "thm", "tof")
    MOTION: ClassVar[tuple[str, ...]] = ("acc", "rotation")
    DISPENSABLE: ClassVar[tuple[str, ...]] = ("gyr", "quaternion", "thm", "tof")  # acceleration alone has its answer
    TOGETHER: ClassVar[int] = 8

    rows: Annotated[int, Field(ge=2, multiple_of=2)] = 96
    """Every recording is stretched to so many rows, an even number, whatever its rate and however long it lasts."""
    biases: Count = 4
    """Thresholds above which the answers of each kernel are counted."""
    contrast: Annotated[float, Field(ge=0.0)] = 0.5
    """Weight of how these counts differ between the halves of a recording; 0 leaves that out."""
    edge: Annotated[float, Field(ge=0.0)] = 0.2
    """Around a threshold an answer counts by a part, over so many standard deviations; 0 counts wholly or not at all,
    as published, and then the last digits of a sum may change the answer."""


class MicroSpec(NetworkSpec):
    """Sizes of `micro`."""

    BRANCHES: ClassVar[tuple[str, ...]] = ("samples",)
    MOTION: ClassVar[tuple[str, ...]] = ("samples",)

    widths: Annotated[tuple[Count, ...], Field(min_length=1)] = (32, 64, 96, 128, 128)
    """Channels after each layer; the first layer is an ordinary convolution."""
    kernel_s: Positive = 0.7
    """Seconds that the first layer sees; a layer after pooling twice as many as the one before."""
    pooled: Annotated[int, Field(ge=0)] = 3
    """After so many of the first layers rows are pooled."""
    pooled_s: Positive = 0.2
    """Seconds from row to row after the first of these, and twice as many after each further one."""
    dropout: Share = 0.3


class GatedTwoBranchSpec(TwoBranchSpec):
    """Sizes of `gated_two_branch`: `two_branch` with a learned gate on the proximity branch."""

    variation: Mapping[str, float] = {"lose_proximity": 0.35}
    gate_units: Count = 16
    presence_loss: Annotated[float, Field(ge=0.0)] = 0.2


SPECS: dict[str, type[NetworkSpec]] = {
    "two_branch": TwoBranchSpec,
    "gated_two_branch": GatedTwoBranchSpec,
    "context": ContextSpec,
    "rocket": RocketSpec,
    "micro": MicroSpec,
}
"""The spec of every network of the package, by its short name."""


def short_name(network: str) -> str:
    """The name of a network in files: its own, or the class of `package.module:Class`."""
    return network.rpartition(":")[2]


def check_name(network: str) -> None:
    """Refuse what is neither a short name nor an import path; nothing is imported. ConfigError if it is neither."""
    if is_import_path(network) or network in SPECS:
        return
    near = difflib.get_close_matches(network, SPECS, n=1, cutoff=0.4)
    names = f"{', '.join(SPECS)}, or name your own as package.module:Class"
    problem = f"no network {network!r}"
    raise ConfigError(problem, remedy=f"did you mean {near[0]!r}?" if near else f"choose among {names}")


def find_spec(network: str) -> type[NetworkSpec]:
    """The spec of a network, by its short name or by its import path.

    ConfigError if there is no such network, or it has no spec.
    """
    check_name(network)
    found = SPECS[network] if network in SPECS else getattr(import_part(network, "network"), "Spec", None)
    if not (isinstance(found, type) and issubclass(found, NetworkSpec)):
        problem = f"{network} has no attribute Spec that is a bfrb.networks.specs.NetworkSpec"
        raise ConfigError(problem, remedy="give the class its spec, such as: class Spec(NetworkSpec): width: int = 8")
    return found
