"""The published formulas, written as they were published: loops over rows, scipy rotations, pandas statistics.

Slow and plain. Tests hold the package's features against it, and the benchmark its speed. Two things differ from
the original notebook: the time step is a parameter, and a value derived from a missing sample is missing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial.transform import Rotation

from bfrb.study.device import STANDARD_GRAVITY_M_S2

Array = npt.NDArray[Any]


def published_imu(acc: Array, quaternion: Array, row_rate_hz: float) -> dict[str, Array]:
    """(n, C) arrays by feature, of one recording's (n, 3) acc and (n, 4) quaternions `(w, x, y, z)`."""
    time_step_s = 1.0 / row_rate_hz
    linear = remove_gravity(acc, quaternion)
    acc_magnitude = np.sqrt(acc[:, 0] ** 2 + acc[:, 1] ** 2 + acc[:, 2] ** 2)
    linear_magnitude = np.sqrt(linear[:, 0] ** 2 + linear[:, 1] ** 2 + linear[:, 2] ** 2)
    angle = 2 * np.arccos(quaternion[:, 0].clip(-1, 1))
    single = {
        "acc_magnitude": acc_magnitude,
        "acc_magnitude_jerk": change(acc_magnitude) / time_step_s,
        "rotation_angle": angle,
        "rotation_angle_velocity": change(angle) / time_step_s,
        "linear_acc_magnitude": linear_magnitude,
        "linear_acc_magnitude_jerk": change(linear_magnitude) / time_step_s,
        "angular_distance": angular_distance(quaternion),
    }
    return {
        "acc": acc,
        "quaternion": quaternion,
        "linear_acc": linear,
        "angular_velocity": angular_velocity(quaternion, time_step_s),
    } | {name: values[:, None] for name, values in single.items()}


def change(values: Array) -> Array:
    """(n,) Difference to the row before, 0 in the first row if that is known."""
    difference = pd.Series(values).diff().to_numpy(copy=True)
    difference[0] = np.nan if np.isnan(values[0]) else 0.0
    return difference


def remove_gravity(acc: Array, quaternion: Array) -> Array:
    linear = np.full(acc.shape, np.nan)
    for row in range(len(acc)):
        if not np.isnan(quaternion[row]).any():
            gravity_in_device = rotation(quaternion[row]).apply([0.0, 0.0, STANDARD_GRAVITY_M_S2], inverse=True)
            linear[row] = acc[row] - gravity_in_device
    return linear


def angular_velocity(quaternion: Array, time_step_s: float) -> Array:
    velocity = np.full((len(quaternion), 3), np.nan)
    for row in range(len(quaternion)):
        following = min(row + 1, len(quaternion) - 1)
        if not np.isnan(quaternion[[row, following]]).any():
            turn = rotation(quaternion[row]).inv() * rotation(quaternion[following])
            velocity[row] = turn.as_rotvec() / time_step_s
    return velocity


def angular_distance(quaternion: Array) -> Array:
    distance = np.full(len(quaternion), np.nan)
    for row in range(len(quaternion)):
        following = min(row + 1, len(quaternion) - 1)
        if not np.isnan(quaternion[[row, following]]).any():
            turn = rotation(quaternion[row]).inv() * rotation(quaternion[following])
            distance[row] = np.linalg.norm(turn.as_rotvec())
    return distance


def rotation(quaternion: Array) -> Rotation:
    return Rotation.from_quat(quaternion[[1, 2, 3, 0]])


def published_tof(frame: pd.DataFrame) -> Array:
    """(n, 20) Mean, std, min and max of each of five images, from the raw columns; -1 is no response."""
    columns = {}
    for sensor in range(1, 6):
        pixels = frame[[f"tof_{sensor}_v{pixel}" for pixel in range(64)]].replace(-1, np.nan)
        columns[f"tof_{sensor}_mean"] = pixels.mean(axis=1)
        columns[f"tof_{sensor}_std"] = pixels.std(axis=1)
        columns[f"tof_{sensor}_min"] = pixels.min(axis=1)
        columns[f"tof_{sensor}_max"] = pixels.max(axis=1)
    return pd.DataFrame(columns).to_numpy(dtype=np.float64)


def published_fill(values: Array) -> Array:
    """(n, C) One recording's values, filled forwards and then backwards."""
    return pd.DataFrame(values).ffill().bfill().to_numpy()
