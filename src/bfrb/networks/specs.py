"""Sizes of the networks, one spec per network."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from bfrb.spec import Count, Share, Spec


class NetworkSpec(Spec):
    """What every network's spec has: the branches it takes in, and how it is trained to do without proximity."""

    BRANCHES: ClassVar[tuple[str, ...]] = ("imu", "proximity")
    """Branches the network takes in."""
    MOTION: ClassVar[tuple[str, ...]] = ("imu",)
    """Branches of the motion sensors: without a channel in any of them there is nothing to answer from."""

    lose_proximity: Share = 0.0
    """Chance that a training sequence loses all its thermopile and time-of-flight readings."""
    presence_loss: Annotated[float, Field(ge=0.0)] = 0.0
    """Weight of the loss for judging whether proximity readings are there."""

    @property
    def dispensable(self) -> tuple[str, ...]:
        """Sensors without which the network has learnt to answer."""
        return ("thm", "tof") if self.lose_proximity else ()


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
    padded_rows: Annotated[int, Field(ge=0)] = 0
    """As in the published notebook, every recording is cut or padded at its end to so many rows, the padding takes part
    in everything, and pooling drops a single last row. 0: padding never changes the answer."""

    @model_validator(mode="after")
    def _check_head(self) -> Self:
        if len(self.head_units) != len(self.head_dropouts):
            raise ValueError(f"expected one dropout per dense layer, got {self.head_units} and {self.head_dropouts}")
        return self


class StemsSpec(NetworkSpec):
    """Sizes of `stems`."""

    BRANCHES: ClassVar[tuple[str, ...]] = ("acc", "rotation", "thm", "tof")
    MOTION: ClassVar[tuple[str, ...]] = ("acc", "rotation")

    filters: Count = 6
    """Filters over time for every channel of a vector, before channels are mixed."""
    filter_rows: Count = 7
    motion_width: Count = 48
    thm_width: Count = 16
    image_widths: tuple[Count, Count] = (8, 32)
    site_width: Count = 16
    """Numbers that stand for one time-of-flight image."""
    tof_width: Count = 48
    trunk_widths: tuple[Count, Count] = (64, 128)
    trunk_kernels: tuple[Count, Count] = (5, 5)
    trunk_dropout: Share = 0.1
    head_units: Count = 128
    head_dropout: Share = 0.4
    pool_by_phase: bool = True
    """Whether the way to the gesture and the gesture are pooled apart, as the phase head tells them."""
    motion_share: Share = 0.25
    """Weight of the answer from motion alone, where proximity sensors measure too."""
    lose_group: Share = 0.1
    """Chance that a training sequence loses a group of sensors: rotation, all thermopiles, all images."""
    lose_piece: Share = 0.1
    """Chance that a training sequence loses a single channel of the thermopiles, or a single image."""

    @property
    def dispensable(self) -> tuple[str, ...]:
        """The proximity sensors, as an answer from motion alone is part of the network; others if some were lost."""
        return ("thm", "tof", *(("quaternion", "gyr") if self.lose_group else ()))


class ContextSpec(NetworkSpec):
    """Sizes of `context`."""

    BRANCHES: ClassVar[tuple[str, ...]] = ("acc", "rotation")
    MOTION: ClassVar[tuple[str, ...]] = ("acc", "rotation")

    near_rows: Count = 50
    """So many of the last rows are the present; all rows are the context."""
    dropout: Share = 0.2
    """Of the numbers that describe a recording."""
    head_units: Annotated[int, Field(ge=0)] = 0
    """Of a layer between description and answer; 0 answers from the description at once."""
    head_dropout: Share = 0.5

    @property
    def dispensable(self) -> tuple[str, ...]:
        """None: it has not learnt to do without a branch."""
        return ()


class GatedTwoBranchSpec(TwoBranchSpec):
    """Sizes of `gated_two_branch`: `two_branch` with a learned gate on the proximity branch."""

    gate_units: Count = 16
    lose_proximity: Share = 0.35
    presence_loss: Annotated[float, Field(ge=0.0)] = 0.2
