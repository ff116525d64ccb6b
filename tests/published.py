"""The published formulas, written as they were published: loops over rows, scipy rotations, pandas statistics.

Slow and plain. Tests hold the package's features against it, and the benchmark its speed. Two things differ from
the original notebook: the time step is a parameter, and a value derived from a missing sample is missing.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial.transform import Rotation

from bfrb.study.device import STANDARD_GRAVITY_M_S2

Array = npt.NDArray[Any]
ACC, ROT = ["acc_x", "acc_y", "acc_z"], ["rot_w", "rot_x", "rot_y", "rot_z"]
TOF_STATISTICS = ("mean", "std", "min", "max")


def published_imu(acc: Array, quaternion: Array, row_rate_hz: float) -> dict[str, Array]:
    """(n, C) arrays by feature, of one recording's (n, 3) acc and (n, 4) quaternions `(w, x, y, z)`."""
    time_step_s = 1.0 / row_rate_hz
    linear = acc - gravity_in_device(quaternion)
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
        "angular_distance": np.linalg.norm(angular_velocity(quaternion, 1.0), axis=1),
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


def gravity_in_device(quaternion: Array, gravity_m_s2: float = STANDARD_GRAVITY_M_S2) -> Array:
    gravity = np.full((len(quaternion), 3), np.nan)
    for row in range(len(quaternion)):
        if not np.isnan(quaternion[row]).any():
            gravity[row] = rotation(quaternion[row]).apply([0.0, 0.0, gravity_m_s2], inverse=True)
    return gravity


def angular_velocity(quaternion: Array, time_step_s: float) -> Array:
    velocity = np.full((len(quaternion), 3), np.nan)
    for row in range(len(quaternion)):
        following = min(row + 1, len(quaternion) - 1)
        if not np.isnan(quaternion[[row, following]]).any():
            turn = rotation(quaternion[row]).inv() * rotation(quaternion[following])
            velocity[row] = turn.as_rotvec() / time_step_s
    return velocity


def rotation(quaternion: Array) -> Rotation:
    return Rotation.from_quat(quaternion[[1, 2, 3, 0]])


def published_tof(frame: pd.DataFrame) -> Array:
    """(n, 20) Mean, std, min and max of each of five images, from the raw columns; -1 is no response."""
    columns = {}
    for sensor in range(1, 6):
        pixels = frame[[f"tof_{sensor}_v{pixel}" for pixel in range(64)]].replace(-1, np.nan)
        columns |= {f"tof_{sensor}_{kind}": getattr(pixels, kind)(axis=1) for kind in TOF_STATISTICS}
    return pd.DataFrame(columns).to_numpy(dtype=np.float64)


def published_fill(values: Array) -> Array:
    """(n, C) One recording's values, filled forwards and then backwards."""
    return pd.DataFrame(values).ffill().bfill().to_numpy()


def notebook_features(rows: pd.DataFrame, columns: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """(n, C) unscaled features of one sequence, gaps filled forwards, then backwards, then with 0."""
    frame = rows.reset_index(drop=True).copy()
    acc, quaternion = (frame[names].to_numpy(np.float64) for names in (ACC, ROT))
    frame["acc_mag"] = np.sqrt(frame["acc_x"] ** 2 + frame["acc_y"] ** 2 + frame["acc_z"] ** 2)
    frame["rot_angle"] = 2 * np.arccos(frame["rot_w"].clip(-1, 1))
    frame["acc_mag_jerk"] = frame["acc_mag"].diff().fillna(0)
    frame["rot_angle_vel"] = frame["rot_angle"].diff().fillna(0)
    linear = acc - np.nan_to_num(gravity_in_device(quaternion, 9.81))
    frame[["linear_acc_x", "linear_acc_y", "linear_acc_z"]] = linear
    frame["linear_acc_mag"] = np.sqrt((linear**2).sum(axis=1))
    frame["linear_acc_mag_jerk"] = frame["linear_acc_mag"].diff().fillna(0)
    turns = np.nan_to_num(angular_velocity(quaternion, 1.0))
    frame[["angular_vel_x", "angular_vel_y", "angular_vel_z"]] = turns / (1 / 200)
    frame["angular_distance"] = np.linalg.norm(turns, axis=1)
    frame[[f"tof_{site}_{kind}" for site in range(1, 6) for kind in TOF_STATISTICS]] = published_tof(rows)
    return frame[list(columns)].ffill().bfill().fillna(0).to_numpy(dtype=np.float32)


def pad_after(rows: npt.NDArray[np.float32], length: int) -> npt.NDArray[np.float32]:
    """(length, C) The first rows, and zeros after them."""
    return np.pad(rows[:length], ((0, max(0, length - len(rows))), (0, 0)))
