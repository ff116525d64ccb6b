"""Sizes of the networks, one spec per network."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from bfrb.config.spec import Count, Share, Spec


class NetworkSpec(Spec):
    """What every network's spec has: the branches it takes in, and how it is trained to do without proximity."""

    BRANCHES: ClassVar[tuple[str, ...]] = ("imu", "proximity")
    """Branches the network takes in."""

    lose_proximity: Share = 0.0
    """Chance that a training sequence loses all its thermopile and time-of-flight readings."""
    presence_loss: Annotated[float, Field(ge=0.0)] = 0.0
    """Weight of the loss for judging whether proximity readings are there."""

    @property
    def dispensable(self) -> tuple[str, ...]:
        """Branches without which the network has learnt to answer."""
        return tuple(name for name in self.BRANCHES if name == "proximity" and self.lose_proximity)


class TwoBranchSpec(NetworkSpec):
    """Sizes of `two_branch`; the defaults are the published network's."""

    widths: tuple[Count, Count] = (64, 128)
    imu_kernels: tuple[Count, Count] = (3, 5)
    imu_dropout: Share = 0.1
    proximity_kernel: Count = 3
    proximity_dropout: Share = 0.2
    recurrent_units: Count = 128
    noise_sd: Annotated[float, Field(ge=0.0)] = 0.09
    noise_units: Count = 16
    recurrent_dropout: Share = 0.4
    head_units: tuple[Count, ...] = (256, 128)
    head_dropouts: tuple[Share, ...] = (0.5, 0.3)

    @model_validator(mode="after")
    def _check_head(self) -> Self:
        if len(self.head_units) != len(self.head_dropouts):
            raise ValueError(f"expected one dropout per dense layer, got {self.head_units} and {self.head_dropouts}")
        return self


class GatedTwoBranchSpec(TwoBranchSpec):
    """Sizes of `gated_two_branch`: `two_branch` with a learned gate on the proximity branch."""

    gate_units: Count = 16
    lose_proximity: Share = 0.35
    presence_loss: Annotated[float, Field(ge=0.0)] = 0.2
