"""Devices and label sets: codes that fit, and changes of wearing by thought experiment."""

from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy.spatial.transform import Rotation

from bfrb.errors import ConfigError, DataError
from bfrb.study.device import DEVICES, GALAXY_WATCH, HELIOS, Device
from bfrb.study.labels import BEHAVIORS, CMI_GESTURES, LABEL_SETS, ORIENTATIONS, PHASES, LabelSet
from made_up import random_recordings


@pytest.mark.parametrize("device", DEVICES.values(), ids=list(DEVICES))
def test_codes_fit_and_a_change_of_wearing_twice_is_none(device: Device) -> None:
    made = random_recordings(device, [40], np.random.default_rng(3)).sensors
    for sensor, symmetry in product(device.sensors, ("left_hand", "upside_down")):
        assert not sensor.low <= sensor.absent <= sensor.high
        assert sensor.is_absent(sensor.empty(2)).all()
        values = np.array(made[sensor.name])
        once = getattr(sensor, symmetry).apply(values)
        # A rotation by 180 degrees, done twice, is one by 360: the quaternion -q, the same rotation as q.
        expected = -values if sensor.unit_norm and symmetry == "upside_down" else values
        np.testing.assert_array_equal(getattr(sensor, symmetry).apply(once), expected)
        assert once.dtype == values.dtype
        assert not np.array_equal(once, values, equal_nan=True)
        assert sensor.is_absent(once).sum() == sensor.is_absent(values).sum()


def test_sensors_of_a_device_worn_in_another_way_agree() -> None:
    acc, rotations = np.random.default_rng(0).normal(size=(20, 3)), Rotation.random(20, random_state=0)
    turned = HELIOS.sensor("quaternion").upside_down.apply(rotations.as_quat(scalar_first=True))
    found = Rotation.from_quat(turned, scalar_first=True).apply(HELIOS.sensor("acc").upside_down.apply(acc))
    np.testing.assert_allclose(found, rotations.apply(acc), atol=1e-12)
    acc, gyr = GALAXY_WATCH.sensors
    # A half turn about z is a proper rotation, so both vectors turn alike; a mirror turns spin the other way.
    ones = np.ones((1, 3))
    assert acc.left_hand.apply(ones).tolist() == [[-1, 1, 1]]
    np.testing.assert_array_equal(gyr.upside_down.apply(ones), acc.upside_down.apply(ones))
    np.testing.assert_array_equal(gyr.left_hand.apply(ones), -acc.left_hand.apply(ones))


def test_a_device_knows_its_sensors() -> None:
    with pytest.raises(ConfigError, match="acc, gyr"):
        GALAXY_WATCH.sensor("tof")
    assert (HELIOS.names_of("motion"), HELIOS.names_of("proximity")) == (("acc", "quaternion"), ("thm", "tof"))


@pytest.mark.parametrize("label_set", LABEL_SETS.values(), ids=list(LABEL_SETS))
def test_decoding_undoes_encoding_and_targets_are_marked(label_set: LabelSet) -> None:
    names = label_set.decode(label_set.encode(label_set.classes))
    assert tuple(names) == label_set.classes
    assert {type(name) for name in names} == {str}
    assert set(names[label_set.is_target]) == label_set.targets
    for label in (None, "Text on Phone", ""):
        with pytest.raises(DataError, match=repr(label)):
            label_set.encode([label_set.classes[0], label])


def test_the_words_of_the_study_are_those_of_the_real_files(real_data: Path) -> None:
    real = pl.read_csv(real_data / "cmi" / "train_sequences_meta.csv")
    assert (len(CMI_GESTURES), CMI_GESTURES.is_target.sum()) == (18, 8)
    assert set(real["gesture"]) == set(CMI_GESTURES.classes)
    assert set(real.filter(pl.col("sequence_type") == "Target")["gesture"]) == CMI_GESTURES.targets
    rows = pl.read_csv(real_data / "cmi" / "train_sample.csv")
    for column, words in (("behavior", BEHAVIORS), ("phase", PHASES), ("orientation", ORIENTATIONS)):
        assert set(rows[column]) == set(words)


@pytest.mark.parametrize(("classes", "targets", "told"), [(("a", "a"), (), "twice"), (("a",), ("b",), "no classes")])
def test_a_class_twice_and_a_target_that_is_none_are_refused(
    classes: tuple[str, ...], targets: tuple[str, ...], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        LabelSet("mine", classes, frozenset(targets))
