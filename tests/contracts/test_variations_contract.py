"""What every registered variation of recordings has to hold, and the physics of each."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from bfrb.train.vary_readings import blur_tof, lose_pixels, shake_acc, shake_quaternion, warm_skin
from bfrb.train.vary_sensors import lose_piece, lose_proximity, lose_quaternion, lose_site, lose_thm, lose_tof
from bfrb.train.vary_time import crop, shift, stretch_time
from bfrb.train.vary_wearing import change_wrist, tilt_device, turn_heading

from bfrb.features.pipeline import FEATURES
from bfrb.features.rotations import rotate
from bfrb.study.device import DEVICES, GALAXY_WATCH, HELIOS, Device
from bfrb.study.recordings import Recordings
from bfrb.train.spec import VariationSpec
from bfrb.train.variation import VARIATIONS, Variation, vary
from bundles import make_recordings
from made_up import random_recordings

STRENGTHS = {
    "stretch_time": 0.3,
    "crop": 0.4,
    "shift": 1.0,
    "tilt_device": 15.0,
    "change_wrist": 0.5,
    "turn_heading": 180.0,
    "shake_acc": 0.5,
    "shake_gyr": 5.0,
    "shake_quaternion": 3.0,
    "warm_skin": 1.0,
    "blur_thm": 0.3,
    "blur_tof": 5.0,
    "lose_pixels": 0.2,
    "lose_piece": 0.5,
    "lose_site": 0.5,
    "lose_thm": 0.5,
    "lose_tof": 0.5,
    "lose_proximity": 0.5,
    "lose_quaternion": 0.5,
}
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
    assert not varied.measured("thm").any()
    assert not varied.measured("tof").any()
    assert not varied.measured("quaternion").any()


def test_a_spec_names_every_variation() -> None:
    assert list(VariationSpec.model_fields) == list(VARIATIONS)
    assert set(STRENGTHS) == set(VARIATIONS)
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


def test_on_the_other_wrist_the_arm_turns_the_other_way() -> None:
    recordings = make_recordings(4, device=GALAXY_WATCH)
    other = change_wrist(recordings, 1.0, np.random.default_rng(1)).sensors
    mirror = np.float32([-1, 1, 1])
    np.testing.assert_array_equal(other["acc"], recordings.sensors["acc"] * mirror)
    np.testing.assert_array_equal(other["gyr"], recordings.sensors["gyr"] * -mirror)


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


def mostly_measured(recordings: int = 300) -> Recordings:
    return random_recordings(HELIOS, [6] * recordings, np.random.default_rng(0), 0.0)


def test_a_cropped_recording_is_a_stretch_of_the_whole_one() -> None:
    recordings = some_recordings(missing=0.0)
    cropped = crop(recordings, 0.5, np.random.default_rng(2))
    assert (cropped.lengths <= recordings.lengths).all()
    assert (cropped.lengths >= np.minimum(recordings.lengths, recordings.lengths / 2)).all()
    assert cropped.n_rows < recordings.n_rows
    for whole, part in zip(recordings, cropped, strict=True):
        starts = [
            row
            for row in range(len(whole.sensors["acc"]))
            if (whole.sensors["acc"][row] == part.sensors["acc"][0]).all()
        ]
        first = starts[0]
        np.testing.assert_array_equal(whole.sensors["tof"][first : first + part.n_rows], part.sensors["tof"])


def test_a_shifted_recording_starts_later_or_holds_still_before() -> None:
    recordings = some_recordings(missing=0.0)
    shifted = shift(recordings, 1.0, np.random.default_rng(5))
    moved = recordings.lengths - shifted.lengths
    assert np.abs(moved).max() <= 10
    assert moved.min() < 0 < moved.max()
    for whole, part, rows in zip(recordings, shifted, moved.tolist(), strict=True):
        np.testing.assert_array_equal(part.sensors["acc"][-5:], whole.sensors["acc"][-5:][-part.n_rows :])
        if rows < 0:
            np.testing.assert_array_equal(part.sensors["acc"][:-rows], np.tile(whole.sensors["acc"][0], (-rows, 1)))


def test_noise_has_the_strength_that_was_asked_for() -> None:
    recordings = make_recordings(40)
    noise = shake_acc(recordings, 0.5, np.random.default_rng(0)).sensors["acc"] - recordings.sensors["acc"]
    assert noise.std() == pytest.approx(0.5, rel=0.03)
    assert abs(noise.mean()) < 0.02


def test_a_shaken_orientation_is_off_by_the_angle_that_was_asked_for() -> None:
    recordings = make_recordings(40)
    shaken = shake_quaternion(recordings, 2.0, np.random.default_rng(0))
    cosines = np.abs((shaken.sensors["quaternion"] * recordings.sensors["quaternion"]).sum(axis=1))
    angles = 2 * np.arccos(cosines.clip(0, 1).astype(float))
    assert np.rad2deg(np.sqrt((angles**2).mean())) == pytest.approx(2.0 * np.sqrt(3), rel=0.05)


def test_warmer_skin_warms_all_thermopiles_of_a_recording_alike() -> None:
    recordings = mostly_measured()
    change = warm_skin(recordings, 0.8, np.random.default_rng(0)).sensors["thm"] - recordings.sensors["thm"]
    by_recording = change.reshape(len(recordings), -1)
    inside = (recordings.sensors["thm"] < 120).reshape(len(recordings), -1).all(axis=1)
    inside &= (recordings.sensors["thm"] > -35).reshape(len(recordings), -1).all(axis=1)
    np.testing.assert_allclose(np.ptp(by_recording[inside], axis=1), 0.0, atol=1e-4)
    assert by_recording[:, 0].std() == pytest.approx(0.8, rel=0.2)


def test_pixels_that_see_nothing_are_not_blurred_and_lost_ones_see_nothing() -> None:
    recordings = mostly_measured(50)
    before = recordings.sensors["tof"]
    blurred = blur_tof(recordings, 5.0, np.random.default_rng(0)).sensors["tof"]
    assert (blurred[before < 0] == before[before < 0]).all()
    assert (blurred[before >= 0] >= 0).all()
    seeing = (before > 30) & (before < 220)
    assert (blurred[seeing] - before[seeing]).std() == pytest.approx(5.0, rel=0.05)
    lost = lose_pixels(recordings, 0.2, np.random.default_rng(0)).sensors["tof"]
    assert (lost[before >= 0] == -1).mean() == pytest.approx(0.2, abs=0.01)
    assert (lost[before < 0] == before[before < 0]).all()


def test_one_piece_at_most_is_lost() -> None:
    recordings = mostly_measured(400)
    lost = lose_piece(recordings, 0.5, np.random.default_rng(1))
    pieces = np.concatenate(
        [
            np.isnan(lost.sensors["thm"][::6]),
            (lost.sensors["tof"][::6] == HELIOS.sensor("tof").absent).all(axis=(2, 3)),
        ],
        axis=1,
    )
    before = (recordings.sensors["tof"][::6] == HELIOS.sensor("tof").absent).all(axis=(2, 3))
    assert not before.any()
    assert set(pieces.sum(axis=1).tolist()) == {0, 1}
    assert pieces.any(axis=1).mean() == pytest.approx(0.5, abs=0.08)
    assert pieces.any(axis=0).all()


@pytest.mark.parametrize(
    ("lose", "names"),
    [(lose_thm, {"thm"}), (lose_tof, {"tof"}), (lose_proximity, {"thm", "tof"}), (lose_quaternion, {"quaternion"})],
)
def test_a_kind_of_sensor_is_lost_as_often_as_asked(lose: Variation, names: set[str]) -> None:
    lost = lose(mostly_measured(400), 0.3, np.random.default_rng(1))
    for sensor in HELIOS.sensor_names:
        share = 1 - lost.measured(sensor).mean()
        assert share == (pytest.approx(0.3, abs=0.08) if sensor in names else 0)
    if len(names) == 2:
        assert (lost.measured("thm") == lost.measured("tof")).all()
