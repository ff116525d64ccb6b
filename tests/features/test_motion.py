"""Motion features against the published formulas row by row, and against what a wrist must feel."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from bfrb.features.pipeline import FEATURES, available
from bfrb.features.rows import RaggedRows
from bfrb.study.device import GALAXY_WATCH, HELIOS, STANDARD_GRAVITY_M_S2, Device
from bfrb.study.recordings import Recordings
from made_up import BASELINE_FEATURES, plain_table, random_recordings
from published import published_imu

Float = npt.NDArray[np.float64]

IMU = available(BASELINE_FEATURES["imu"], HELIOS)
HEADING_FREE = ("gravity_direction", "linear_acc", "linear_acc_magnitude_jerk", "angular_velocity", "angular_distance")
SIGN_FREE = (*HEADING_FREE, "quaternion_continuous", "heading_direction", "linear_acc_world")


def one_recording(acc: Float, orientation: Rotation, device: Device = HELIOS) -> Recordings:
    quaternion = orientation.as_quat()[:, [3, 0, 1, 2]]
    return Recordings(device, {"acc": acc, "quaternion": quaternion}, np.array([0, len(acc)]), plain_table(1))


def any_orientations(number: int, seed: int) -> Rotation:
    return Rotation.from_quat(np.random.default_rng(seed).normal(size=(number, 4)))


def reading_at_rest(orientation: Rotation) -> Float:
    """(n, 3) What a still accelerometer reads: g upwards."""
    return orientation.apply([0.0, 0.0, STANDARD_GRAVITY_M_S2], inverse=True)


def published_by_recording(recordings: Recordings, name: str) -> Float:
    each = [recordings[number].sensors for number in range(len(recordings))]
    rate = recordings.device.row_rate_hz
    doubles = [(sensors["acc"].astype(np.float64), sensors["quaternion"].astype(np.float64)) for sensors in each]
    return np.concatenate([published_imu(acc, quaternion, rate)[name] for acc, quaternion in doubles])


@pytest.mark.parametrize("name", IMU)
def test_real_recordings_give_the_published_values(
    sample: pd.DataFrame, real_recordings: Recordings, name: str
) -> None:
    parts = []
    for _, rows in sample.groupby("sequence_id", sort=False):
        acc = rows[[f"acc_{axis}" for axis in "xyz"]].to_numpy()
        parts.append(published_imu(acc, rows[[f"rot_{axis}" for axis in "wxyz"]].to_numpy(), HELIOS.row_rate_hz)[name])
    np.testing.assert_allclose(
        FEATURES[name].compute(RaggedRows(real_recordings)), np.concatenate(parts), rtol=1e-9, atol=1e-9, equal_nan=True
    )


@pytest.mark.parametrize("name", IMU)
def test_gaps_are_where_the_published_formulas_have_them(name: str) -> None:
    recordings = random_recordings(HELIOS, [1, 30, 2, 50], np.random.default_rng(1), missing=0.2)
    expected = published_by_recording(recordings, name)
    assert np.isnan(expected).any()
    np.testing.assert_allclose(
        FEATURES[name].compute(RaggedRows(recordings)), expected, rtol=1e-9, atol=1e-9, equal_nan=True
    )


def test_gravity_vanishes_when_the_wrist_is_still() -> None:
    anyhow = any_orientations(200, seed=2)
    linear = FEATURES["linear_acc"].compute(RaggedRows(one_recording(reading_at_rest(anyhow), anyhow)))
    np.testing.assert_allclose(linear, 0.0, atol=1e-5)


def test_a_falling_wrist_accelerates_downwards() -> None:
    palm_down = Rotation.from_rotvec(np.tile([np.pi, 0.0, 0.0], (3, 1)))
    linear = FEATURES["linear_acc"].compute(RaggedRows(one_recording(np.zeros((3, 3)), palm_down)))
    np.testing.assert_allclose(linear, np.tile([0.0, 0.0, STANDARD_GRAVITY_M_S2], (3, 1)), atol=1e-5)


def test_the_up_direction_is_what_a_still_accelerometer_reads() -> None:
    anyhow = any_orientations(50, seed=3)
    up = FEATURES["gravity_direction"].compute(RaggedRows(one_recording(reading_at_rest(anyhow), anyhow)))
    np.testing.assert_allclose(up * STANDARD_GRAVITY_M_S2, reading_at_rest(anyhow), atol=1e-5)


@pytest.mark.parametrize("row_rate_hz", [10.0, 50.0])
def test_a_constant_turn_rate_is_felt_as_that_rate(row_rate_hz: float) -> None:
    rate_rad_s = np.array([0.4, -2.0, 1.1])
    start = any_orientations(1, seed=4)
    turned = start * Rotation.from_rotvec(np.arange(60)[:, None] / row_rate_hz * rate_rad_s)
    recordings = one_recording(np.zeros((60, 3)), turned, HELIOS.model_copy(update={"row_rate_hz": row_rate_hz}))
    velocity = FEATURES["angular_velocity"].compute(RaggedRows(recordings))
    np.testing.assert_allclose(velocity[:-1], np.tile(rate_rad_s, (59, 1)), atol=1e-4)
    np.testing.assert_array_equal(velocity[-1], 0.0)
    distance = FEATURES["angular_distance"].compute(RaggedRows(recordings))
    np.testing.assert_allclose(distance[:-1], np.linalg.norm(rate_rad_s) / row_rate_hz, atol=1e-5)
    assert distance[-1] == 0.0


@pytest.mark.parametrize("row_rate_hz", [10.0, 20.0])
def test_jerk_is_per_second(row_rate_hz: float) -> None:
    acc = np.zeros((4, 3))
    acc[:, 0] = [1.0, 2.0, 4.0, 4.0]
    recordings = one_recording(acc, Rotation.identity(4), HELIOS.model_copy(update={"row_rate_hz": row_rate_hz}))
    jerk = FEATURES["acc_magnitude_jerk"].compute(RaggedRows(recordings))
    assert jerk.ravel().tolist() == [0.0, row_rate_hz, 2 * row_rate_hz, 0.0]


@settings(max_examples=25)
@given(st.lists(st.booleans(), min_size=60, max_size=60), st.integers(0, 1000))
def test_sign_flips_of_the_quaternion_change_nothing(flipped: list[bool], seed: int) -> None:
    recordings = random_recordings(HELIOS, [20, 40], np.random.default_rng(seed))
    signs = np.where(flipped, -1, 1).astype(np.float32)[:, None]
    sensors = {**recordings.sensors, "quaternion": recordings.sensors["quaternion"] * signs}
    other = Recordings(HELIOS, sensors, recordings.offsets, recordings.table)
    for name in SIGN_FREE:
        np.testing.assert_array_equal(
            FEATURES[name].compute(RaggedRows(other)), FEATURES[name].compute(RaggedRows(recordings))
        )


@pytest.mark.parametrize("name", HEADING_FREE)
def test_the_direction_the_wearer_faces_changes_nothing(name: str) -> None:
    moves, acc = any_orientations(40, seed=5), np.random.default_rng(6).normal(0, 5, (40, 3))
    elsewhere = Rotation.from_euler("z", 77.0, degrees=True) * moves
    here, there = (FEATURES[name].compute(RaggedRows(one_recording(acc, faced))) for faced in (moves, elsewhere))
    np.testing.assert_allclose(there, here, atol=1e-4)


def test_a_gyroscope_is_read_in_radians() -> None:
    gyr = np.array([[180.0, 0.0, 0.0], [0.0, -90.0, 0.0]])
    recordings = Recordings(GALAXY_WATCH, {"gyr": gyr}, np.array([0, 2]), plain_table(1))
    np.testing.assert_allclose(FEATURES["gyr"].compute(RaggedRows(recordings)), [[np.pi, 0, 0], [0, -np.pi / 2, 0]])
    np.testing.assert_allclose(FEATURES["gyr_magnitude"].compute(RaggedRows(recordings)).ravel(), [np.pi, np.pi / 2])


def test_the_heading_is_the_worlds_x_axis_seen_from_the_device() -> None:
    orientation = any_orientations(20, 6)
    recordings = one_recording(reading_at_rest(orientation), orientation)
    found = FEATURES["heading_direction"].compute(RaggedRows(recordings))
    np.testing.assert_allclose(found, orientation.apply([1.0, 0.0, 0.0], inverse=True), atol=1e-6)
    np.testing.assert_allclose(
        (found * FEATURES["gravity_direction"].compute(RaggedRows(recordings))).sum(axis=1), 0, atol=1e-6
    )


def test_a_push_to_the_east_is_felt_there_however_the_device_is_held() -> None:
    orientation = any_orientations(20, 7)
    east = orientation.apply([2.0, 0.0, 0.0], inverse=True)
    recordings = one_recording(reading_at_rest(orientation) + east, orientation)
    np.testing.assert_allclose(
        FEATURES["linear_acc_world"].compute(RaggedRows(recordings)), np.tile([2.0, 0.0, 0.0], (20, 1)), atol=1e-5
    )


@pytest.mark.parametrize("rows", [50, 5000])
def test_what_features_have_in_common_is_that_of_the_recordings_at_hand(rows: int) -> None:
    """Small recordings keep it as long as they live; large ones compute it anew."""
    first, second = (random_recordings(HELIOS, [rows], np.random.default_rng(seed)) for seed in (1, 2))
    names = ("angular_velocity", "angular_distance", "linear_acc", "linear_acc_magnitude_jerk")
    alone = [{name: FEATURES[name].compute(RaggedRows(one[0])) for name in names} for one in (first, second)]
    for found in (first, second, first):
        for name in names:
            expected = alone[found is second][name]
            np.testing.assert_array_equal(FEATURES[name].compute(RaggedRows(found)), expected)
    assert not np.array_equal(alone[0]["angular_velocity"], alone[1]["angular_velocity"])
