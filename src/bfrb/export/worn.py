"""What a described device reads, as a graph's input: its units, axes and sign, brought to the wrist frame inside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bfrb.arrays import Floats32
from bfrb.errors import ConfigError
from bfrb.read.orientation import makes_orientation
from bfrb.read.series import bring_to_wrist
from bfrb.study.description import Description
from bfrb.study.device import Device
from bfrb.study.frame import Wrist


@dataclass(frozen=True)
class Worn:
    """A device that is not kept as a bundle's is, and how what it reads becomes that."""

    description: Description  # what it reads
    matrices: dict[str, Floats32]  # by sensor (C, C): a reading times this is in the wrist frame and in its units
    inputs: tuple[str, ...]
    """The sensors that a graph takes in, an orientation that is made of others, in the wrist frame, among them."""

    @classmethod
    def of(cls, device: Device, description: Description, wrist: Wrist | None = None) -> Worn:
        """A described device, worn on a wrist, for a bundle of another device.

        ConfigError if they have no sensor in common, or nothing says where the axes point; DataError if nothing says on
        which wrist it is worn.
        """
        known = [name for name in description.sensors if device.has(name)]
        if not known or description.axes is None:
            lacks = "no [axes]" if known else f"none of the sensors {', '.join(device.sensor_names)}"
            raise ConfigError(f"the description {description.name} has {lacks}", remedy="describe the device as worn")
        units = {name: np.eye(len(device.sensor(name).columns)) for name in known}
        told = bring_to_wrist(units, description, wrist)
        matrices = {name: told[name] for name in known if device.sensor(name).modality == "motion"}
        makes = device.has("quaternion") and "quaternion" not in known and makes_orientation(description.sensors)
        return cls(description, matrices, (*known, *["quaternion"] * makes))

    def to_wrist(self, name: str, values: Tensor) -> Tensor:
        """(B, T, C) readings in the wrist frame and in its units; a channel without a reading spoils no other."""
        matrix = self.matrices.get(name)
        if matrix is None:
            return values
        if (np.count_nonzero(matrix, axis=0) == 1).all():
            order = np.abs(matrix).argmax(axis=0)
            return values[..., torch.from_numpy(order)] * torch.from_numpy(matrix[order, np.arange(len(order))])
        return values @ torch.from_numpy(matrix)

    def from_wrist(self, name: str, values: Floats32) -> Floats32:
        """(..., C) what the device would have read, of readings in the wrist frame."""
        if name not in self.matrices:
            return values
        inverse = np.linalg.inv(self.matrices[name].astype(np.float64))
        read: Floats32 = (values.astype(np.float64) @ inverse).astype(np.float32)
        return read

    def describe(self, name: str) -> dict[str, Any]:
        """Unit and channels of an input, where the device has them of its own."""
        if name not in self.matrices:
            return {}
        sensor = self.description.sensor(name)
        return {"unit": sensor.unit or "1", "channels": list(sensor.columns)}
