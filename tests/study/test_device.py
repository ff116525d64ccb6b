"""Devices: shapes and codes that fit, and changes of wearing by thought experiment."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bfrb.errors import ConfigError
from bfrb.study.device import DEVICES, GALAXY_WATCH, HELIOS, Device, Sensor
from made_up import random_recordings

all_sensors = [(device, sensor) for device in DEVICES.values() for sensor in device.sensors]
each_sensor = pytest.mark.parametrize(
    ("device", "sensor"), all_sensors, ids=[f"{d.name}-{s.name}" for d, s in all_sensors]
)


@each_sensor
def test_columns_and_codes_fit(device: Device, sensor: Sensor) -> None:
    assert len(set(sensor.columns)) == len(sensor.columns) == np.prod(sensor.shape)
    assert len(sensor.columns) % sensor.pieces == 0
    assert sensor.is_absent(sensor.empty(2)).all()
    assert not sensor.low <= sensor.absent <= sensor.high
    if sensor.no_response_code is not None:
        assert sensor.low <= sensor.no_response_code <= sensor.high
        assert not sensor.is_absent(np.array(sensor.no_response_code, sensor.dtype))


@each_sensor
@pytest.mark.parametrize("symmetry", ["left_hand", "upside_down"])
def test_a_change_of_wearing_twice_is_none_and_keeps_what_is_possible(
    device: Device, sensor: Sensor, symmetry: str
) -> None:
    values = np.array(random_recordings(device, [40], np.random.default_rng(3)).sensors[sensor.name])
    once = getattr(sensor, symmetry).apply(values)
    # A rotation by 180 degrees, done twice, is one by 360: the quaternion -q, the same rotation as q.
    expected = -values if sensor.unit_norm and symmetry == "upside_down" else values
    np.testing.assert_array_equal(getattr(sensor, symmetry).apply(once), expected)
    assert once.dtype == values.dtype
    assert not np.array_equal(once, values, equal_nan=True)
    absent = sensor.is_absent(once)
    assert absent.sum() == sensor.is_absent(values).sum()
    assert sensor.low <= once[~absent].min() <= once[~absent].max() <= sensor.high


def test_the_world_acceleration_of_a_device_worn_upside_down_is_the_same() -> None:
    acc, rotations = np.random.default_rng(0).normal(size=(20, 3)), Rotation.random(20, random_state=0)
    turned = HELIOS.sensor("quaternion").upside_down.apply(rotations.as_quat(scalar_first=True))
    found = Rotation.from_quat(turned, scalar_first=True).apply(HELIOS.sensor("acc").upside_down.apply(acc))
    np.testing.assert_allclose(found, rotations.apply(acc), atol=1e-12)


def test_turning_the_gyroscope_agrees_with_turning_the_accelerometer() -> None:
    acc, gyr = GALAXY_WATCH.sensors
    # A half turn about z is a proper rotation, so both vectors turn alike; a mirror turns spin the other way.
    ones = np.ones((1, 3))
    assert acc.left_hand.apply(ones).tolist() == [[-1, 1, 1]]
    np.testing.assert_array_equal(gyr.upside_down.apply(ones), acc.upside_down.apply(ones))
    np.testing.assert_array_equal(gyr.left_hand.apply(ones), -acc.left_hand.apply(ones))


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
    warmest = np.float32([[site == before[0] for site in range(1, 6)]])
    assert getattr(HELIOS.sensor("thm"), symmetry).apply(warmest).argmax() == after[0] - 1


def test_a_device_knows_its_sensors() -> None:
    with pytest.raises(ConfigError, match="acc, gyr"):
        GALAXY_WATCH.sensor("tof")
    assert GALAXY_WATCH.has("gyr")
    assert not GALAXY_WATCH.has("tof")
    assert HELIOS.names_of("motion") == ("acc", "quaternion")
    assert HELIOS.names_of("proximity") == ("thm", "tof")
