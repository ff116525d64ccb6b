"""What every registered variation of recordings has to hold, and the physics of each."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from bfrb.config import VariationSpec
from bfrb.data.device import DEVICES, GALAXY_WATCH, HELIOS, Device
from bfrb.data.recordings import Recordings
from bfrb.features.pipeline import FEATURES
from bfrb.features.rotations import rotate
from bfrb.training.variation import VARIATIONS, lose_site, stretch_time, tilt_device, turn_heading, vary
from bundles import make_recordings
from made_up import random_recordings

STRENGTHS = {"stretch_time": 0.3, "tilt_device": 15.0, "turn_heading": 180.0, "lose_site": 0.5}
every_variation = pytest.mark.parametrize("name", VARIATIONS)
every_device = pytest.mark.parametrize("device", DEVICES.values(), ids=list(DEVICES))


def some_recordings(device: Device = HELIOS, missing: float = 0.1) -> Recordings:
    return random_recordings(device, [2, 30, 7, 45, 12], np.random.default_rng(0), missing)


def feature(recordings: Recordings, name: str) -> np.ndarray:
    return FEATURES[name].compute(recordings)


@every_variation
@every_device
def test_recordings_stay_valid_and_keep_their_table(name: str, device: Device) -> None:
    recordings = some_recordings(device)
    varied = VARIATIONS[name](recordings, STRENGTHS[name], np.random.default_rng(1))
    assert varied.table.equals(recordings.table)
    assert len(varied) == len(recordings)
    assert set(varied.annotations) == set(recordings.annotations)


@every_variation
def test_strength_zero_changes_nothing(name: str) -> None:
    recordings = some_recordings()
    assert VARIATIONS[name](recordings, 0.0, np.random.default_rng(1)) is recordings


@every_variation
def test_the_same_generator_gives_the_same_recordings(name: str) -> None:
    first, second = (
        VARIATIONS[name](some_recordings(), STRENGTHS[name], np.random.default_rng(4)).sensors for _ in range(2)
    )
    assert all(np.array_equal(first[key], second[key], equal_nan=key != "tof") for key in first)


@every_variation
def test_what_was_never_measured_is_not_made_up(name: str) -> None:
    bare = some_recordings().without("thm", "tof", "quaternion")
    varied = VARIATIONS[name](bare, STRENGTHS[name], np.random.default_rng(1))
    assert not varied.has("thm").any()
    assert not varied.has("tof").any()
    assert not varied.has("quaternion").any()


def test_a_spec_names_every_variation() -> None:
    assert set(VariationSpec.model_fields) == set(VARIATIONS)
    assert not VariationSpec().changes_something
    recordings = some_recordings()
    assert vary(recordings, VariationSpec(), np.random.default_rng(0)) is recordings
    assert vary(recordings, VariationSpec(tilt_device=5.0), np.random.default_rng(0)) is not recordings


def test_a_tilted_device_sees_the_same_world() -> None:
    recordings = make_recordings(4)
    tilted = tilt_device(recordings, 20.0, np.random.default_rng(1))
    assert np.abs(tilted.sensors["acc"] - recordings.sensors["acc"]).max() > 0.5
    before, after = (
        rotate(found.sensors["quaternion"].astype(float), feature(found, "linear_acc"))
        for found in (recordings, tilted)
    )
    np.testing.assert_allclose(after, before, atol=1e-4)
    for name in ("acc_magnitude", "angular_distance", "linear_acc_magnitude"):
        np.testing.assert_allclose(feature(tilted, name), feature(recordings, name), atol=2e-3)


def test_a_tilted_gyroscope_turns_like_the_accelerometer() -> None:
    recordings = make_recordings(4, device=GALAXY_WATCH)
    tilted = tilt_device(recordings, 20.0, np.random.default_rng(1))
    before, after = ((found.sensors["acc"] * found.sensors["gyr"]).sum(axis=1) for found in (recordings, tilted))
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=0.05)


def test_another_heading_changes_nothing_in_the_device_frame() -> None:
    recordings = make_recordings(4)
    turned = turn_heading(recordings, 180.0, np.random.default_rng(1))
    assert np.abs(turned.sensors["quaternion"] - recordings.sensors["quaternion"]).max() > 0.1
    for name in ("linear_acc", "gravity_direction", "angular_velocity"):
        np.testing.assert_allclose(feature(turned, name), feature(recordings, name), atol=5e-3)


def turning_wrist(rate_rad_s: float, rows: int = 60) -> Recordings:
    """A wrist that turns about the vertical at a constant rate while it swings to and fro."""
    time_s = np.arange(rows) / HELIOS.row_rate_hz
    half = rate_rad_s * time_s / 2
    quaternion = np.column_stack([np.cos(half), 0 * half, 0 * half, np.sin(half)])
    acc = np.tile([0.0, 0.0, 9.80665], (rows, 1))
    acc[:, 2] += 2.0
    table = pl.DataFrame({"id": ["a"], "subject": ["s"]})
    return Recordings(HELIOS, {"acc": acc, "quaternion": quaternion}, np.array([0, rows]), table)


@pytest.mark.parametrize("seed", range(4))
def test_a_movement_stretched_in_time_turns_slower_and_accelerates_less(seed: int) -> None:
    recordings = turning_wrist(0.5)
    stretched = stretch_time(recordings, 0.5, np.random.default_rng(seed))
    slowness = (stretched.n_rows - 1) / (recordings.n_rows - 1)
    assert slowness != 1
    turning = feature(stretched, "angular_velocity")[:-1, 2]
    np.testing.assert_allclose(turning, 0.5 / slowness, rtol=1e-3)
    np.testing.assert_allclose(feature(stretched, "linear_acc")[:, 2], 2.0 / slowness**2, rtol=1e-3)


def test_gravity_is_not_stretched() -> None:
    recordings = turning_wrist(0.0)
    still = Recordings(
        HELIOS,
        {"acc": np.tile([0.0, 0.0, 9.80665], (60, 1)), "quaternion": recordings.sensors["quaternion"]},
        recordings.offsets,
        recordings.table,
    )
    stretched = stretch_time(still, 0.5, np.random.default_rng(0))
    np.testing.assert_allclose(stretched.sensors["acc"], np.tile([0.0, 0.0, 9.80665], (stretched.n_rows, 1)), rtol=1e-6)


def test_a_lost_site_measures_neither_warmth_nor_distance() -> None:
    recordings = random_recordings(HELIOS, [5] * 400, np.random.default_rng(0), 0.0)
    lost = lose_site(recordings, 0.4, np.random.default_rng(1))
    no_warmth = np.isnan(lost.sensors["thm"])
    no_image = (lost.sensors["tof"] == HELIOS.sensor("tof").absent).all(axis=(2, 3))
    assert (no_warmth == no_image).all()
    per_recording = no_warmth[::5].sum(axis=1)
    assert set(per_recording.tolist()) == {0, 1}
    assert per_recording.mean() == pytest.approx(0.4, abs=0.08)
