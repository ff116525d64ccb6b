"""Features of the sensors that look at the skin: thermopiles and time-of-flight images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bfrb.data.device import Array, Device
from bfrb.data.recordings import Recordings
from bfrb.features.feature import Channel, Feature, Float, read_sensor
from bfrb.features.ragged import differences

TOF_STATISTICS = ("mean", "std", "min", "max")
"""What is kept of a time-of-flight image, in the order of the channels; `std` is the sample's (n - 1)."""

_BLOCK_ROWS = 1024  # the images of a block and what is made of them stay in the processor's cache


def tof_statistics(tof: Array) -> Float:
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


def _image_statistics(images: Array) -> Float:
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


def _reduce(operation: np.ufunc, pixels: Array) -> Float:
    """(M,) The operation over all pixels of each image, from (P / 4, 4 M), computed in the pixels' own type."""
    fours = operation.reduce(pixels, axis=0, dtype=pixels.dtype)
    pairs = operation(fours[0::2], fours[1::2])
    whole: Float = operation(pairs[0::2], pairs[1::2]).astype(np.float64)
    return whole


def _tof_statistics(recordings: Recordings) -> Float:
    return tof_statistics(recordings.sensors["tof"])


def _per_site(sensor_name: str, *suffixes: str) -> Callable[[Device], tuple[Channel, ...]]:
    """Channels of every site of a sensor, named `<sensor>_<site><suffix>`; sites count from 1."""

    def channels(device: Device) -> tuple[Channel, ...]:
        sensor = device.sensor(sensor_name)
        sites = range(1, sensor.shape[0] + 1)
        return tuple(Channel(f"{sensor.name}_{site}{suffix}", sensor.unit) for site in sites for suffix in suffixes)

    return channels


def _thm_difference(recordings: Recordings) -> Float:
    return differences(read_sensor("thm")(recordings), recordings.offsets)


PROXIMITY_FEATURES = (
    Feature("thm", ("thm",), _per_site("thm", ""), read_sensor("thm")),
    Feature("thm_difference", ("thm",), _per_site("thm", "_difference"), _thm_difference),
    Feature("tof_statistics", ("tof",), _per_site("tof", *(f"_{name}" for name in TOF_STATISTICS)), _tof_statistics),
)
"""Every feature of the thermopiles and time-of-flight sensors."""
