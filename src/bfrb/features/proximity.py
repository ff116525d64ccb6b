"""Features of the sensors that look at the skin: thermopiles and time-of-flight images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bfrb.arrays import Array, Floats, Floats32
from bfrb.features.feature import Channel, Feature, read_sensor
from bfrb.features.ragged import differences
from bfrb.study.device import Device
from bfrb.study.recordings import Recordings

TOF_STATISTICS = ("mean", "std", "min", "max")
"""What is kept of a time-of-flight image, in the order of the channels; `std` is the sample's (n - 1)."""

_BLOCK_ROWS = 1024  # the images of a block and what is made of them stay in the processor's cache


def tof_statistics(tof: Array) -> Floats:
    """(N, 4 S) Mean, standard deviation, minimum and maximum over the pixels of each of S images that got an answer.

    Parameters
    ----------
    tof
        (N, S, 8, 8) `int16` images. Distances are 0 to 255, the codes of pixels without an answer are negative.

    Returns
    -------
    NaN for an image without any answer; NaN as standard deviation of a single one.

    Examples
    --------
    >>> image = np.full((1, 1, 8, 8), -1, dtype=np.int16)
    >>> image[0, 0, 0, :2] = 10, 14
    >>> tof_statistics(image).round(3).tolist()
    [[12.0, 2.828, 10.0, 14.0]]
    """
    rows, sites = tof.shape[:2]
    images = tof.reshape(rows, sites, -1)
    statistics = np.empty((rows, sites, len(TOF_STATISTICS)))
    for start in range(0, rows, _BLOCK_ROWS):
        block = slice(start, start + _BLOCK_ROWS)
        statistics[block] = _image_statistics(images[block])
    return statistics.reshape(rows, -1)


def _image_statistics(images: Array) -> Floats:
    """(n, S, 4) Statistics of (n, S, P) images."""
    pixels = _pixels_first(images)
    distance = np.maximum(pixels, 0)
    # Whole numbers that fit their types: up to 64 pixels, their sum below 2^15, that of their squares below 2^24.
    count = _reduce(np.add, (pixels >= 0).view(np.int8))
    total = _reduce(np.add, distance)
    squares = _reduce(np.add, np.square(distance, dtype=np.float32))
    with np.errstate(invalid="ignore"):
        mean = total / count
        variance = (count * squares - total * total) / (count * (count - 1.0))
    # Seen as unsigned, the negative codes are larger than any distance.
    low = np.where(count > 0, _reduce(np.minimum, pixels.view(np.uint16)), np.nan)
    high = np.where(count > 0, _reduce(np.maximum, pixels), np.nan)
    return np.stack([mean, np.sqrt(variance), low, high], axis=-1).reshape(*images.shape[:2], -1)


def _pixels_first(images: Array) -> Array:
    """(P / 4, 4 n S) The pixels of (n, S, P) images, four of each image side by side.

    NumPy reduces long rows many times faster than it reduces many short ones, and four pixels are moved as one word.
    """
    words = images.reshape(-1, images.shape[-1]).view(np.int64)
    return np.ascontiguousarray(words.T).view(images.dtype)


def _reduce(operation: np.ufunc, pixels: Array) -> Floats:
    """(M,) The operation over all pixels of each image, from (P / 4, 4 M), computed in the pixels' own type."""
    fours = operation.reduce(pixels, axis=0, dtype=pixels.dtype)
    pairs = operation(fours[0::2], fours[1::2])
    whole: Floats = operation(pairs[0::2], pairs[1::2]).astype(np.float64)
    return whole


def _tof_statistics(recordings: Recordings) -> Floats:
    return tof_statistics(recordings.sensors["tof"])


COLDEST_SKIN_C = 18.0
"""A thermopile that reads less sees no skin and no room either: it is a glitch."""

FAR = -0.25
"""Nearness of a pixel without an answer: less than that of any that has one, and not 0, which means unknown."""

_RANGE = 256


def tof_nearness(tof: Array, absent: float) -> Floats32:
    """(N, 64 S) How near what each pixel sees is: 1 at distance 0, 1/256 at the largest one, `FAR` without an answer.

    Parameters
    ----------
    tof
        (N, S, 8, 8) `int16` images, negative where a pixel has no answer.
    absent
        The code of pixels that measured nothing at all; they become NaN.

    Examples
    --------
    >>> image = np.full((1, 1, 8, 8), -1, dtype=np.int16)
    >>> image[0, 0, 0, :2] = 0, 192
    >>> tof_nearness(image, -32768)[0, :3].tolist()
    [1.0, 0.25, -0.25]
    """
    pixels = tof.reshape(len(tof), -1)
    # Every step of the table is a multiple of 1/256, so float32 holds it exactly.
    table = np.full(_RANGE + 2, FAR, dtype=np.float32)
    table[:_RANGE] = 1.0 - np.arange(_RANGE) / _RANGE
    table[-1] = np.nan
    codes = np.where(pixels >= 0, pixels, np.where(pixels == absent, _RANGE + 1, _RANGE))
    return table[codes]


def _tof_nearness(recordings: Recordings) -> Floats32:
    return tof_nearness(recordings.sensors["tof"], recordings.device.sensor("tof").absent)


def _thm_clean(recordings: Recordings) -> Floats:
    thm = read_sensor("thm")(recordings)
    return np.where(thm >= COLDEST_SKIN_C, thm, np.nan)


def _thm_clean_difference(recordings: Recordings) -> Floats:
    return differences(_thm_clean(recordings), recordings.offsets)


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


def _thm_difference(recordings: Recordings) -> Floats:
    return differences(read_sensor("thm")(recordings), recordings.offsets)


PROXIMITY_FEATURES = (
    Feature("thm", ("thm",), _per_site("thm", ""), read_sensor("thm")),
    Feature("thm_difference", ("thm",), _per_site("thm", "_difference"), _thm_difference),
    Feature("thm_clean", ("thm",), _per_site("thm", "_clean"), _thm_clean),
    Feature("thm_clean_difference", ("thm",), _per_site("thm", "_clean_difference"), _thm_clean_difference),
    Feature("tof_nearness", ("tof",), _pixels, _tof_nearness),
    Feature("tof_statistics", ("tof",), _per_site("tof", *(f"_{name}" for name in TOF_STATISTICS)), _tof_statistics),
)
"""Every feature of the thermopiles and time-of-flight sensors."""
