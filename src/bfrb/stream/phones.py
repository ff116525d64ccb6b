"""Batches as the phone app Sensor Logger pushes them, made into samples in the units used here.

A batch is `{"deviceId": ..., "payload": [{"name": ..., "time": nanoseconds, "values": {...}}, ...]}`. Read of it are
total acceleration, gyroscope and orientation as Android has them, and an Apple Watch's wrist motion, in Apple's own
units or in the app's standard ones. Axes stay as they are: those of the device that was worn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bfrb.errors import DataError
from bfrb.study.device import STANDARD_GRAVITY_M_S2, Device

PAYLOAD = "payload"
"""The key by which a batch is known."""

_DEGREES = 180 / math.pi
_IN_M_S2 = 5.0
"""Gravity is 1 in Apple's unit, and 9.8 in the standard one."""


def samples_of(batch: Mapping[str, Any], device: Device) -> list[dict[str, Any]]:
    """The samples of a batch in the order of their times, one for every entry that the device has a sensor for.

    Raises
    ------
    DataError
        If it is no such batch, or has nothing for the device.

    Examples
    --------
    >>> from bfrb.study.device import GALAXY_WATCH
    >>> turning = {"name": "gyroscope", "time": 2_000_000, "values": {"x": 0, "y": 0, "z": 1}}
    >>> samples_of({"deviceId": "a", "payload": [turning]}, GALAXY_WATCH)
    [{'wearer': 'a', 'time_ns': 2000000, 'gyr': [0.0, 0.0, 57.29577951308232]}]
    """
    try:
        found = [
            {"wearer": batch.get("deviceId"), "time_ns": int(entry["time"]), **readings}
            for entry in batch[PAYLOAD]
            if (readings := {name: values for name, values in _readings(entry).items() if device.has(name)})
        ]
    except (TypeError, KeyError, ValueError, AttributeError, OverflowError):
        found = []
    if not found:
        raise DataError(
            f"expected a batch with wrist motion, or total acceleration, gyroscope ..., got {str(batch[PAYLOAD])[:80]}",
            remedy="push these sensors, or one JSON object a sample",
        )
    return sorted(found, key=lambda sample: sample["time_ns"])


def _readings(entry: Mapping[str, Any]) -> dict[str, list[float]]:
    """The readings of an entry by sensor; nothing for entries of another kind."""
    name, values = entry["name"].replace(" ", "").lower(), entry.get("values", entry)
    if name == "totalacceleration":
        return {"acc": _take(values, "x", "y", "z")}
    if name == "gyroscope":
        return {"gyr": _take(values, "x", "y", "z", factor=_DEGREES)}
    if name == "orientation":
        return {"quaternion": _take(values, "qw", "qx", "qy", "qz")}
    if name == "wristmotion":
        gravity = _take(values, "gravityX", "gravityY", "gravityZ")
        moved = _take(values, "accelerationX", "accelerationY", "accelerationZ")
        # Apple's gravity points down, where an accelerometer at rest reads up.
        factor = 1.0 if math.hypot(*gravity) > _IN_M_S2 else -STANDARD_GRAVITY_M_S2
        return {
            "acc": [factor * (still + change) for still, change in zip(gravity, moved, strict=True)],
            "gyr": _take(values, "rotationRateX", "rotationRateY", "rotationRateZ", factor=_DEGREES),
            "quaternion": _take(values, "quaternionW", "quaternionX", "quaternionY", "quaternionZ"),
        }
    return {}


def _take(values: Mapping[str, Any], *names: str, factor: float = 1.0) -> list[float]:
    return [factor * float(values[name]) for name in names]
