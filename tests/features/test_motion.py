"""Motion features against the published formulas row by row, and against what a wrist must feel."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation

from bfrb.features.notebook import NOTEBOOK_FEATURES, find_columns
from bfrb.features.pipeline import FEATURES, available, compute_features
from bfrb.features.rows import RaggedRows
from bfrb.read.described_source import recordings_from_frame
from bfrb.study.device import GALAXY_WATCH, HELIOS, STANDARD_GRAVITY_M_S2, Device
from bfrb.study.recordings import Recordings
from made_up import BASELINE_FEATURES, plain_table, random_recordings
from published import notebook_features, published_imu

Float = npt.NDArray[np.float64]


def one_recording(acc: Float, orientation: Rotation, device: Device = HELIOS) -> Recordings:
    quaternion = orientation.as_quat()[:, [3, 0, 1, 2]]
    return Recordings(device, {"acc": acc, "quaternion": quaternion}, np.array([0, len(acc)]), plain_table(1))


def reading_at_rest(orientation: Rotation) -> Float:
    """(n, 3) What a still accelerometer reads: g upwards."""
    return orientation.apply([0.0, 0.0, STANDARD_GRAVITY_M_S2], inverse=True)


def values_of(name: str, recordings: Recordings) -> Float:
    return np.asarray(FEATURES[name].compute(RaggedRows(recordings)))


def check_published(recordings: Recordings) -> None:
    """Values, and gaps, are where the published formulas have them."""
    each = [recordings[number].sensors for number in range(len(recordings))]
    parts = [published_imu(one["acc"].astype(float), one["quaternion"].astype(float), 10.0) for one in each]
    for name in available(BASELINE_FEATURES["imu"], HELIOS):
        expected = np.concatenate([one[name] for one in parts])
        np.testing.assert_allclose(values_of(name, recordings), expected, rtol=1e-9, atol=1e-9, err_msg=name)


def test_real_recordings_give_the_published_values(real_recordings: Recordings) -> None:
    check_published(real_recordings)


def test_gaps_are_where_the_published_formulas_have_them() -> None:
    check_published(random_recordings(HELIOS, [1, 30, 2, 50], np.random.default_rng(1), missing=0.2))


def test_gravity_and_the_world_are_where_the_orientation_says() -> None:
    anyhow = Rotation.random(200, random_state=2)
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
def test_a_constant_turn_rate_is_felt_as_that_rate_and_jerk_is_per_second(row_rate_hz: float) -> None:
    rate_rad_s = np.array([0.4, -2.0, 1.1])
    start = Rotation.random(1, random_state=4)
    turned = start * Rotation.from_rotvec(np.arange(60)[:, None] / row_rate_hz * rate_rad_s)
    recordings = one_recording(np.zeros((60, 3)), turned, HELIOS.model_copy(update={"row_rate_hz": row_rate_hz}))
    velocity = values_of("angular_velocity", recordings)
    np.testing.assert_allclose(velocity[:-1], np.tile(rate_rad_s, (59, 1)), atol=1e-4)
    np.testing.assert_array_equal(velocity[-1], 0.0)
    distance = values_of("angular_distance", recordings)
    np.testing.assert_allclose(distance[:-1], np.linalg.norm(rate_rad_s) / row_rate_hz, atol=1e-5)
    assert distance[-1] == 0.0
    speeding = one_recording(np.array([[1.0, 0, 0], [2, 0, 0], [4, 0, 0]]), turned[:3], recordings.device)
    assert values_of("acc_magnitude_jerk", speeding).ravel().tolist() == [0.0, row_rate_hz, 2 * row_rate_hz]


def test_a_gyroscope_is_read_in_radians() -> None:
    gyr = np.array([[180.0, 0.0, 0.0], [0.0, -90.0, 0.0]])
    recordings = Recordings(GALAXY_WATCH, {"gyr": gyr}, np.array([0, 2]), plain_table(1))
    np.testing.assert_allclose(values_of("gyr", recordings), [[np.pi, 0, 0], [0, -np.pi / 2, 0]])
    np.testing.assert_allclose(values_of("gyr_magnitude", recordings).ravel(), [np.pi, np.pi / 2])


def test_the_notebooks_features_are_those_of_its_row_loops(sample: pd.DataFrame) -> None:
    frame, rng = sample.copy(), np.random.default_rng(0)
    for start in ("acc_", "rot_", "thm_", "tof_2"):
        names = [name for name in frame.columns if name.startswith(start)]
        frame.loc[rng.random(len(frame)) < 0.1, names] = np.nan
        frame.loc[frame["sequence_id"] == frame["sequence_id"].iloc[-1], names] = np.nan
    columns = tuple(find_columns(HELIOS))
    computed = compute_features(recordings_from_frame(frame), [feature.name for feature in NOTEBOOK_FEATURES])
    rows = [notebook_features(rows, columns) for _, rows in frame.groupby("sequence_id", sort=False)]
    np.testing.assert_allclose(computed.values, np.concatenate(rows), rtol=1e-5, atol=1e-4)
    assert len(columns) == 45
