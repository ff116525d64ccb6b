"""What a feature is: named channels with units, from one formula for all rows at once."""

from collections.abc import Callable
from dataclasses import dataclass

from bfrb.features.rows import Quantity, Rows, Values
from bfrb.study.device import Device


@dataclass(frozen=True)
class Channel:
    """One number per row: its name and its unit."""

    name: str
    unit: str


@dataclass(frozen=True)
class Feature:
    """A formula with a name."""

    name: str
    """Name under which a spec asks for it."""
    needs: tuple[str, ...]
    """The sensors it is computed from; a device without one of them does not have the feature."""
    channels: Callable[[Device], tuple[Channel, ...]]
    """Its channels on a device that has the sensors, at least one."""
    compute: Quantity
    """(..., C) values of rows of such a device; NaN where a sample that enters the formula is missing. A recording's
    values never depend on the other recordings."""
    fills_gaps: bool = False
    """Whether it puts values of its own where a sample is missing, as published code did, so that less is missing."""
    uses_heading: bool = False
    """Whether its values depend on the compass direction of the orientation, which one that is made does not know."""

    def is_available(self, device: Device) -> bool:
        """Whether the device carries every sensor the feature needs, and knows the heading if it does."""
        return all(device.has(sensor) for sensor in self.needs) and (device.knows_heading or not self.uses_heading)


def vector_feature(
    name: str, unit: str, axes: str, needs: tuple[str, ...], compute: Quantity, *, uses_heading: bool = False
) -> Feature:
    """A feature with one channel per letter of `axes`, or a single one of its own name."""
    channels = tuple(Channel(f"{name}_{axis}", unit) for axis in axes) or (Channel(name, unit),)
    return Feature(name, needs, lambda _: channels, compute, uses_heading=uses_heading)


def change(quantity: Quantity) -> Quantity:
    """Change of a formula's values from the row before; 0 in a recording's first row."""

    def from_before(rows: Rows) -> Values:
        values = rows.shared(quantity)
        return values - rows.before(values)

    return from_before


def read_sensor(name: str, formula: Callable[[Values], Values] = lambda readings: readings) -> Quantity:
    """A formula of one sensor's readings, (..., C) in C order of the sensor's shape; by default the readings."""
    return lambda rows: formula(rows.sensor(name))
