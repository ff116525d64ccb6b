"""Features of the sensors that look at the skin: thermopiles and time-of-flight images."""

from collections.abc import Callable

import numpy as np

from bfrb.arrays import namespace_of
from bfrb.features.feature import Channel, Feature, change, read_sensor
from bfrb.features.rows import Rows, Values
from bfrb.study.device import Device

TOF_STATISTICS = ("mean", "std", "min", "max")
"""What is kept of a time-of-flight image, in the order of the channels; `std` is the sample's (n - 1)."""

COLDEST_SKIN_C = 18.0
"""A thermopile that reads less sees no skin and no room either: it is a glitch."""

FAR = -0.25
"""Nearness of a pixel without an answer: less than that of any that has one, and not 0, which means unknown."""

_RANGE = 256


def tof_statistics(*sums: Values) -> Values:
    """(..., 4 S) Mean, standard deviation, minimum and maximum over the pixels of each image that got an answer.

    NaN for an image without any answer; NaN as standard deviation of a single one. `sums` are those of `Rows.images`.

    >>> two = [np.array([[value]]) for value in (2.0, 24.0, 296.0, 10.0, 14.0)]
    >>> tof_statistics(*two).round(3).tolist()
    [[12.0, 2.828, 10.0, 14.0]]
    """
    count, total, squares, low, high = sums
    xp = namespace_of(count)
    lost = xp.full_like(count, float("nan"))
    some, several = count > 0, count > 1
    of_some, of_several = xp.where(some, count, lost), xp.where(several, count, lost)
    variance = (of_several * squares - total * total) / (of_several * (of_several - 1.0))
    statistics = [total / of_some, xp.sqrt(variance), xp.where(some, low, lost), xp.where(some, high, lost)]
    return xp.reshape(xp.stack(statistics, axis=-1), (*count.shape[:-1], -1))


def tof_nearness(distance: Values) -> Values:
    """(..., 64 S) How near what each pixel sees is: 1 at distance 0, 1/256 at the largest one, `FAR` without an answer.

    NaN where a pixel measured nothing at all.
    """
    xp = namespace_of(distance)
    return xp.where(distance < 0, xp.full_like(distance, FAR), 1.0 - distance / _RANGE)


def without_glitches(thm: Values) -> Values:
    """(..., S) Thermopiles of which each sees skin or room, NaN for others."""
    xp = namespace_of(thm)
    return xp.where(thm >= COLDEST_SKIN_C, thm, xp.full_like(thm, float("nan")))


def _pixels(device: Device) -> tuple[Channel, ...]:
    sensor = device.sensor("tof")
    sites, *sides = sensor.shape
    pixels = range(int(np.prod(sides)))
    return tuple(
        Channel(f"{sensor.name}_{site}_nearness_{pixel}", "1") for site in range(1, sites + 1) for pixel in pixels
    )


def _per_site(sensor_name: str, *suffixes: str) -> Callable[[Device], tuple[Channel, ...]]:
    """Channels of every site of a sensor, named `<sensor>_<site><suffix>`; sites count from 1."""

    def channels(device: Device) -> tuple[Channel, ...]:
        sensor = device.sensor(sensor_name)
        sites = range(1, sensor.shape[0] + 1)
        return tuple(Channel(f"{sensor.name}_{site}{suffix}", sensor.unit) for site in sites for suffix in suffixes)

    return channels


def _tof_statistics(rows: Rows) -> Values:
    return tof_statistics(*rows.images("tof"))


_thm, _thm_clean = read_sensor("thm"), read_sensor("thm", without_glitches)

PROXIMITY_FEATURES = (
    Feature("thm", ("thm",), _per_site("thm", ""), _thm),
    Feature("thm_difference", ("thm",), _per_site("thm", "_difference"), change(_thm)),
    Feature("thm_clean", ("thm",), _per_site("thm", "_clean"), _thm_clean),
    Feature("thm_clean_difference", ("thm",), _per_site("thm", "_clean_difference"), change(_thm_clean)),
    Feature("tof_nearness", ("tof",), _pixels, read_sensor("tof", tof_nearness)),
    Feature("tof_statistics", ("tof",), _per_site("tof", *(f"_{name}" for name in TOF_STATISTICS)), _tof_statistics),
)
"""Every feature of the thermopiles and time-of-flight sensors."""
