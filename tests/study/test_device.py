"""Devices: shapes and codes that fit, and changes of wearing by thought experiment."""

from __future__ import annotations

import numpy as np
import pytest

from bfrb.errors import ConfigError
from bfrb.study.device import DEVICES, GALAXY_WATCH, HELIOS, Device, Sensor
from made_up import random_recordings

all_sensors = [(device, sensor) for device in DEVICES.values() for sensor in device.sensors]
each_sensor = pytest.mark.parametrize(
    ("device", "sensor"), all_sensors, ids=[f"{d.name}-{s.name}" for d, s in all_sensors]
)
each_symmetry = pytest.mark.parametrize("symmetry", ["left_hand", "upside_down"])


def readings(device: Device, sensor: Sensor) -> np.ndarray:
    return np.array(random_recordings(device, [40], np.random.default_rng(3)).sensors[sensor.name])


@each_sensor
def test_there_is_one_column_per_channel(device: Device, sensor: Sensor) -> None:
    assert len(set(sensor.columns)) == len(sensor.columns) == np.prod(sensor.shape)
    assert len(sensor.columns) % sensor.pieces == 0


@each_sensor
def test_nothing_measured_is_outside_of_what_can_be_measured(device: Device, sensor: Sensor) -> None:
    assert sensor.is_absent(sensor.empty(2)).all()
    assert not sensor.low <= sensor.absent <= sensor.high
    if sensor.no_response_code is not None:
        assert sensor.low <= sensor.no_response_code <= sensor.high
        assert not sensor.is_absent(np.array(sensor.no_response_code, sensor.dtype))


@each_sensor
@each_symmetry
def test_a_change_of_wearing_twice_is_none(device: Device, sensor: Sensor, symmetry: str) -> None:
    values = readings(device, sensor)
    once = getattr(sensor, symmetry).apply(values)
    twice = getattr(sensor, symmetry).apply(once)
    # A rotation by 180 degrees, done twice, is one by 360: the quaternion -q, the same rotation as q.
    expected = -values if sensor.unit_norm and symmetry == "upside_down" else values
    np.testing.assert_array_equal(twice, expected)
    assert once.dtype == values.dtype
    assert not np.array_equal(once, values, equal_nan=True)


@each_sensor
@each_symmetry
def test_a_change_of_wearing_keeps_missing_readings_and_possible_ones(
    device: Device, sensor: Sensor, symmetry: str
) -> None:
    values = readings(device, sensor)
    changed = getattr(sensor, symmetry).apply(values)
    np.testing.assert_array_equal(np.sort(sensor.is_absent(changed).ravel()), np.sort(sensor.is_absent(values).ravel()))
    measured = changed[~sensor.is_absent(changed)]
    assert measured.min() >= sensor.low
    assert measured.max() <= sensor.high


def test_on_the_left_hand_gravity_along_the_arm_changes_sign_and_the_rest_stays() -> None:
    acc = np.float32([[1, 2, 3]])
    assert HELIOS.sensor("acc").left_hand.apply(acc).tolist() == [[-1, 2, 3]]


def test_an_upside_down_quaternion_is_the_right_one_times_half_a_turn_about_z() -> None:
    w, x, y, z = 0.1, 0.2, 0.3, 0.4
    turned = HELIOS.sensor("quaternion").upside_down.apply(np.array([[w, x, y, z]]))
    np.testing.assert_allclose(turned, [[-z, y, -x, w]])


def test_the_world_acceleration_of_a_device_worn_upside_down_is_the_same() -> None:
    from scipy.spatial.transform import Rotation

    rng = np.random.default_rng(0)
    acc = rng.normal(size=(20, 3))
    rotations = Rotation.random(20, random_state=0)
    quaternion = rotations.as_quat(scalar_first=True)
    turned = Rotation.from_quat(HELIOS.sensor("quaternion").upside_down.apply(quaternion), scalar_first=True)
    np.testing.assert_allclose(
        turned.apply(HELIOS.sensor("acc").upside_down.apply(acc)), rotations.apply(acc), atol=1e-12
    )


def test_turning_the_gyroscope_agrees_with_turning_the_accelerometer() -> None:
    turn = GALAXY_WATCH.sensor("acc").upside_down.apply(np.ones((1, 3)))
    # A half turn about z is a proper rotation, so both vectors turn alike; a mirror turns spin the other way.
    np.testing.assert_array_equal(GALAXY_WATCH.sensor("gyr").upside_down.apply(np.ones((1, 3))), turn)
    mirror = GALAXY_WATCH.sensor("acc").left_hand.apply(np.ones((1, 3)))
    np.testing.assert_array_equal(GALAXY_WATCH.sensor("gyr").left_hand.apply(np.ones((1, 3))), -mirror)


def image_with_one_near_pixel(site: int, row: int, column: int) -> np.ndarray:
    images = np.full((1, 5, 8, 8), -1, np.int16)
    images[0, site - 1, row, column] = 10
    return images


@pytest.mark.parametrize(
    ("symmetry", "before", "after"),
    [
        ("left_hand", (1, 2, 0), (1, 2, 7)),
        ("left_hand", (3, 2, 0), (5, 5, 0)),
        ("left_hand", (4, 5, 6), (4, 5, 1)),
        ("upside_down", (1, 2, 0), (1, 5, 7)),
        ("upside_down", (2, 0, 0), (4, 7, 7)),
        ("upside_down", (5, 3, 1), (3, 4, 6)),
    ],
)
def test_a_near_pixel_moves_to_where_the_finger_is_then(
    symmetry: str, before: tuple[int, int, int], after: tuple[int, int, int]
) -> None:
    moved = getattr(HELIOS.sensor("tof"), symmetry).apply(image_with_one_near_pixel(*before))
    np.testing.assert_array_equal(moved, image_with_one_near_pixel(*after))


def test_thermopiles_change_places_as_their_time_of_flight_sensors_do() -> None:
    thm = np.float32([[1, 2, 3, 4, 5]])
    assert HELIOS.sensor("thm").left_hand.apply(thm).tolist() == [[1, 2, 5, 4, 3]]
    assert HELIOS.sensor("thm").upside_down.apply(thm).tolist() == [[1, 4, 5, 2, 3]]


def test_a_sensor_that_the_device_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(ConfigError, match="acc, gyr"):
        GALAXY_WATCH.sensor("tof")
    assert GALAXY_WATCH.has("gyr")
    assert not GALAXY_WATCH.has("tof")


def test_proximity_sensors_are_told_from_motion_sensors() -> None:
    assert HELIOS.names_of("motion") == ("acc", "quaternion")
    assert HELIOS.names_of("proximity") == ("thm", "tof")
