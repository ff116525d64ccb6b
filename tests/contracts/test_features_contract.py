"""What every registered feature promises, on every device that has its sensors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bfrb.features.feature import Feature
from bfrb.features.pipeline import FEATURES, available, compute_features
from bfrb.features.rows import RaggedRows
from bfrb.study.device import DEVICES, Device
from bfrb.study.recordings import Recordings
from made_up import BASELINE_FEATURES, random_recordings

UNITS = {"m/s^2", "m/s^3", "1", "rad", "rad/s", "degC", "sensor step"}

CASES = [
    pytest.param(feature, device, id=f"{name}-{device.name}")
    for name, feature in FEATURES.items()
    for device in DEVICES.values()
    if feature.is_available(device)
]
every_feature = pytest.mark.parametrize(("feature", "device"), CASES)


def recordings_of(device: Device, seed: int = 0, missing: float = 0.1) -> Recordings:
    return random_recordings(device, [1, 2, 40, 7, 1, 100], np.random.default_rng(seed), missing)


def test_every_feature_is_registered_under_its_name_and_checked_on_some_device() -> None:
    assert {case.values[0].name for case in CASES} == set(FEATURES)
    assert all(feature.name == name for name, feature in FEATURES.items())
    assert {name for names in BASELINE_FEATURES.values() for name in names} <= set(FEATURES)


@pytest.mark.parametrize("device", DEVICES.values(), ids=DEVICES)
def test_no_two_features_share_a_channel(device: Device) -> None:
    names = [channel.name for name in available(FEATURES, device) for channel in FEATURES[name].channels(device)]
    assert names
    assert len(set(names)) == len(names)


@every_feature
def test_values_are_finite_or_missing_in_channels_as_announced(feature: Feature, device: Device) -> None:
    recordings, channels = recordings_of(device), feature.channels(device)
    values = feature.compute(RaggedRows(recordings))
    assert values.shape == (recordings.n_rows, len(channels))
    assert values.dtype in (np.float64, np.float32)
    assert channels
    assert all(channel.name.isidentifier() for channel in channels)
    assert {channel.unit for channel in channels} <= UNITS
    assert not np.isinf(values).any()
    assert np.isfinite(values).any(axis=0).all()


@every_feature
def test_the_same_recordings_give_the_same_values_and_are_left_alone(feature: Feature, device: Device) -> None:
    recordings, untouched = recordings_of(device), recordings_of(device)
    first, second = (feature.compute(RaggedRows(found)) for found in (recordings, untouched))
    np.testing.assert_array_equal(first, second)
    compute_features(recordings, [feature.name])
    for name, values in recordings.sensors.items():
        np.testing.assert_array_equal(values, untouched.sensors[name])


@every_feature
def test_a_missing_sample_makes_its_row_invalid_unless_gaps_are_filled(feature: Feature, device: Device) -> None:
    complete = recordings_of(device, missing=0.0)
    row = int(complete.offsets[3]) + 4
    for sensor in feature.needs[-1:] if feature.fills_gaps else feature.needs:
        values = complete.sensors[sensor].copy()
        values[row] = device.sensor(sensor).absent
        holed = Recordings(device, {**complete.sensors, sensor: values}, complete.offsets, complete.table)
        features = compute_features(holed, [feature.name])
        if feature.fills_gaps:
            assert features.valid.all()
            continue
        assert not features.valid[row].any()
        assert np.isfinite(features.values[row]).all()
        nothing = compute_features(complete.without(sensor), [feature.name])
        assert not nothing.valid.any()
        assert np.isnan(nothing.values).all()


@every_feature
@settings(max_examples=20, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 30), min_size=1, max_size=6),
    seed=st.integers(0, 2**32 - 1),
    missing=st.sampled_from([0.0, 0.2, 0.9]),
)
def test_a_recording_is_the_same_in_any_company(
    feature: Feature, device: Device, lengths: list[int], seed: int, missing: float
) -> None:
    recordings = random_recordings(device, lengths, np.random.default_rng(seed), missing)
    together = compute_features(recordings, [feature.name])
    for number in range(len(recordings)):
        alone = compute_features(recordings[number], [feature.name])
        rows = slice(recordings.offsets[number], recordings.offsets[number + 1])
        np.testing.assert_array_equal(together.values[rows], alone.values)
        np.testing.assert_array_equal(together.valid[rows], alone.valid)
