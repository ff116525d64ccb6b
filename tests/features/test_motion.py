"""Motion features against the published formulas row by row, and against what a wrist must feel."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from hypothesis import given
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


def test_real_recordings_give_the_published_values(sample: pd.DataFrame, real_recordings: Recordings) -> None:
    parts = []
    for _, rows in sample.groupby("sequence_id", sort=False):
        acc = rows[[f"acc_{axis}" for axis in "xyz"]].to_numpy()
        parts.append(published_imu(acc, rows[[f"rot_{axis}" for axis in "wxyz"]].to_numpy(), HELIOS.row_rate_hz))
    for name in IMU:
        found, expected = FEATURES[name].compute(RaggedRows(real_recordings)), [part[name] for part in parts]
        np.testing.assert_allclose(found, np.concatenate(expected), rtol=1e-9, atol=1e-9, err_msg=name)


def test_gaps_are_where_the_published_formulas_have_them() -> None:
    recordings = random_recordings(HELIOS, [1, 30, 2, 50], np.random.default_rng(1), missing=0.2)
    each = [recordings[number].sensors for number in range(len(recordings))]
    parts = [published_imu(one["acc"].astype(float), one["quaternion"].astype(float), 10.0) for one in each]
    for name in IMU:
        found, expected = FEATURES[name].compute(RaggedRows(recordings)), np.concatenate([one[name] for one in parts])
        assert np.isnan(expected).any()
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9, err_msg=name)


def values_of(name: str, recordings: Recordings) -> Float:
    found: Float = FEATURES[name].compute(RaggedRows(recordings))
    return found


def test_gravity_and_the_world_are_where_the_orientation_says() -> None:
    anyhow = any_orientations(200, seed=2)
    still = one_recording(reading_at_rest(anyhow), anyhow)
    np.testing.assert_allclose(values_of("linear_acc", still), 0.0, atol=1e-5)
    up = values_of("gravity_direction", still)
    np.testing.assert_allclose(up * STANDARD_GRAVITY_M_S2, reading_at_rest(anyhow), atol=1e-5)
    east = anyhow.apply([1.0, 0.0, 0.0], inverse=True)
    np.testing.assert_allclose(values_of("heading_direction", still), east, atol=1e-6)
    pushed = one_recording(reading_at_rest(anyhow) + 2.0 * east, anyhow)
    np.testing.assert_allclose(values_of("linear_acc_world", pushed), np.tile([2.0, 0.0, 0.0], (200, 1)), atol=1e-5)
    palm_down = Rotation.from_rotvec(np.tile([np.pi, 0.0, 0.0], (3, 1)))
    falling = values_of("linear_acc", one_recording(np.zeros((3, 3)), palm_down))
    np.testing.assert_allclose(falling, np.tile([0.0, 0.0, STANDARD_GRAVITY_M_S2], (3, 1)), atol=1e-5)


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


@given(seed=st.integers(0, 2**32 - 1))
def test_sign_flips_of_the_quaternion_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    recordings = random_recordings(HELIOS, [20, 40], rng)
    signs = rng.choice([-1, 1], (60, 1)).astype(np.float32)
    other = recordings.with_sensors(quaternion=recordings.sensors["quaternion"] * signs)
    for name in SIGN_FREE:
        np.testing.assert_array_equal(values_of(name, other), values_of(name, recordings))


def test_a_gyroscope_is_read_in_radians() -> None:
    gyr = np.array([[180.0, 0.0, 0.0], [0.0, -90.0, 0.0]])
    recordings = Recordings(GALAXY_WATCH, {"gyr": gyr}, np.array([0, 2]), plain_table(1))
    np.testing.assert_allclose(FEATURES["gyr"].compute(RaggedRows(recordings)), [[np.pi, 0, 0], [0, -np.pi / 2, 0]])
    np.testing.assert_allclose(FEATURES["gyr_magnitude"].compute(RaggedRows(recordings)).ravel(), [np.pi, np.pi / 2])


@pytest.mark.parametrize("rows", [50, 5000])
def test_what_features_have_in_common_is_that_of_the_recordings_at_hand(rows: int) -> None:
    first, second = (random_recordings(HELIOS, [rows], np.random.default_rng(seed)) for seed in (1, 2))
    names = ("angular_velocity", "angular_distance", "linear_acc", "linear_acc_magnitude_jerk")
    alone = [{name: values_of(name, one[0]) for name in names} for one in (first, second)]
    for found in (first, second, first):
        for name in names:
            np.testing.assert_array_equal(values_of(name, found), alone[found is second][name])
    assert not np.array_equal(alone[0]["angular_velocity"], alone[1]["angular_velocity"])
