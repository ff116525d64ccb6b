"""The published notebook's features, row by row with pandas and scipy, independent of the package's."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.spatial.transform import Rotation


def notebook_features(rows: pd.DataFrame, columns: tuple[str, ...]) -> npt.NDArray[np.float32]:
    """(n, C) unscaled features of one sequence, gaps filled forwards, then backwards, then with 0."""
    frame = rows.reset_index(drop=True).copy()
    frame["acc_mag"] = np.sqrt(frame["acc_x"] ** 2 + frame["acc_y"] ** 2 + frame["acc_z"] ** 2)
    frame["rot_angle"] = 2 * np.arccos(frame["rot_w"].clip(-1, 1))
    frame["acc_mag_jerk"] = frame["acc_mag"].diff().fillna(0)
    frame["rot_angle_vel"] = frame["rot_angle"].diff().fillna(0)
    frame[["linear_acc_x", "linear_acc_y", "linear_acc_z"]] = linear_acceleration(frame)
    squares = frame["linear_acc_x"] ** 2 + frame["linear_acc_y"] ** 2 + frame["linear_acc_z"] ** 2
    frame["linear_acc_mag"] = np.sqrt(squares)
    frame["linear_acc_mag_jerk"] = frame["linear_acc_mag"].diff().fillna(0)
    turns = rotation_vectors(frame)
    frame[["angular_vel_x", "angular_vel_y", "angular_vel_z"]] = turns / (1 / 200)
    frame["angular_distance"] = np.linalg.norm(turns, axis=1)
    for site in range(1, 6):
        pixels = frame[[f"tof_{site}_v{pixel}" for pixel in range(64)]].replace(-1, np.nan)
        for kind in ("mean", "std", "min", "max"):
            frame[f"tof_{site}_{kind}"] = getattr(pixels, kind)(axis=1)
    return frame[list(columns)].ffill().bfill().fillna(0).to_numpy(dtype=np.float32)


def _quaternions(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    return frame[["rot_x", "rot_y", "rot_z", "rot_w"]].to_numpy(dtype=np.float64)


def linear_acceleration(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    linear = frame[["acc_x", "acc_y", "acc_z"]].to_numpy(dtype=np.float64, copy=True)
    for row, quaternion in enumerate(_quaternions(frame)):
        if not np.isnan(quaternion).any():
            linear[row] -= Rotation.from_quat(quaternion).apply([0, 0, 9.81], inverse=True)
    return linear


def rotation_vectors(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    """(n, 3) From each row to the next; 0 in the last row and where either is missing."""
    quaternions = _quaternions(frame)
    turns = np.zeros((len(frame), 3))
    for row in range(len(frame) - 1):
        if not np.isnan(quaternions[row : row + 2]).any():
            start, end = (Rotation.from_quat(quaternions[place]) for place in (row, row + 1))
            turns[row] = (start.inv() * end).as_rotvec()
    return turns


def pad_after(rows: npt.NDArray[np.float32], length: int) -> npt.NDArray[np.float32]:
    """(length, C) The first rows, and zeros after them."""
    padded = np.zeros((length, rows.shape[1]), dtype=np.float32)
    kept = rows[:length]
    padded[: len(kept)] = kept
    return padded
