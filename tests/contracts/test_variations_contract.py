"""Every variation holds its contract, and the physics of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count, product

import numpy as np
import polars as pl
import pytest

import own_networks
from bfrb.features.pipeline import compute_features
from bfrb.features.rotations import rotate
from bfrb.study.device import DEVICES, GALAXY_WATCH, HELIOS
from bfrb.study.recordings import Recordings
from bfrb.testing import VariationContract
from bfrb.train.spec import VariationSpec
from bfrb.train.variation import (
    VARIATIONS,
    Variation,
    blur_tof,
    change_wrist,
    lose_piece,
    lose_pixels,
    lose_site,
    shake_acc,
    stretch_time,
    tilt_device,
    turn_heading,
    vary,
    warm_skin,
)
from bundles import make_recordings
from made_up import random_recordings

STRENGTHS = {
    "stretch_time": 0.3,
    "tilt_device": 15.0,
    "change_wrist": 0.5,
    "turn_heading": 180.0,
    "shake_acc": 0.5,
    "warm_skin": 1.0,
    "blur_tof": 5.0,
    "lose_pixels": 0.2,
    "lose_piece": 0.5,
    "lose_site": 0.5,
    "lose_thm": 0.5,
    "lose_tof": 0.5,
    "lose_proximity": 0.5,
    "lose_rotation": 0.5,
}
OWN = [("own_networks:weaken", HELIOS)]


def some_recordings(missing: float = 0.1, seed: int = 0) -> Recordings:
    """Recordings as a device gives them: of an orientation and its negative, that with w >= 0."""
    made = random_recordings(HELIOS, [2, 30, 7, 45, 12], np.random.default_rng(seed), missing)
    if "quaternion" not in made.sensors:
        return made
    quaternion = made.sensors["quaternion"]
    return replace(made, sensors={**made.sensors, "quaternion": np.where(quaternion[:, :1] < 0, -1, 1) * quaternion})


def feature(recordings: Recordings, name: str) -> np.ndarray:
    return compute_features(recordings, [name]).values


class TestVariations(VariationContract):
    @pytest.fixture(autouse=True, params=[*product(VARIATIONS, DEVICES.values()), *OWN], ids=lambda case: str(case[0]))
    def part(self, request: pytest.FixtureRequest) -> None:
        self.variation, self.device = request.param
        self.strength = STRENGTHS.get(self.variation, 0.5)


SEEDS = count()


def forgetful(recordings: Recordings, strength: float, rng: np.random.Generator) -> Recordings:
    return recordings.without("acc")[::-1]


def stubborn(recordings: Recordings, strength: float, rng: np.random.Generator) -> Recordings:
    return shake_acc(recordings, strength, np.random.default_rng(next(SEEDS)))


def inventive(recordings: Recordings, strength: float, rng: np.random.Generator) -> Recordings:
    return recordings.with_sensors(thm=np.full((recordings.n_rows, 5), 25.0))


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (forgetful, VariationContract.test_recordings_stay_valid_and_keep_their_table),
        (stubborn, VariationContract.test_the_generator_decides),
        (inventive, VariationContract.test_what_was_never_measured_is_not_made_up),
    ],
)
def test_a_variation_that_breaks_a_promise_is_found(
    broken: Variation, test: Callable[[VariationContract], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_networks, "broken", broken, raising=False)
    contract = VariationContract()
    contract.variation = "own_networks:broken"
    with pytest.raises(AssertionError):
        test(contract)


def test_a_spec_names_every_variation() -> None:
    assert list(VariationSpec.model_fields) == [*VARIATIONS, "own"]
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


def test_noise_has_the_strength_that_was_asked_for() -> None:
    recordings = make_recordings(40)
    noise = shake_acc(recordings, 0.5, np.random.default_rng(0)).sensors["acc"] - recordings.sensors["acc"]
    assert noise.std() == pytest.approx(0.5, rel=0.03)
    assert abs(noise.mean()) < 0.02


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


def test_pieces_are_lost_one_by_one_and_as_often_as_asked() -> None:
    recordings = mostly_measured(400)
    lost = lose_piece(recordings, 0.3, np.random.default_rng(1))
    no_image = (lost.sensors["tof"][::6] == HELIOS.sensor("tof").absent).all(axis=(2, 3))
    pieces = np.concatenate([np.isnan(lost.sensors["thm"][::6]), no_image], axis=1)
    np.testing.assert_allclose(pieces.mean(axis=0), 0.3, atol=0.1)
    assert pieces.all(axis=1).sum() == 0
    assert np.abs(np.corrcoef(pieces.T) - np.eye(10)).max() < 0.2
    assert not np.isnan(lost.sensors["acc"]).any()


@pytest.mark.parametrize(
    ("name", "sensors"),
    [
        ("lose_thm", {"thm"}),
        ("lose_tof", {"tof"}),
        ("lose_proximity", {"thm", "tof"}),
        ("lose_rotation", {"quaternion"}),
    ],
)
def test_a_kind_of_sensor_is_lost_as_often_as_asked(name: str, sensors: set[str]) -> None:
    lost = VARIATIONS[name](mostly_measured(400), 0.3, np.random.default_rng(1))
    for sensor in HELIOS.sensor_names:
        share = 1 - lost.measured(sensor).mean()
        assert share == (pytest.approx(0.3, abs=0.08) if sensor in sensors else 0)
    if len(sensors) == 2:
        assert (lost.measured("thm") == lost.measured("tof")).all()
    assert VariationSpec(**{name: 0.3}).lost == sensors | ({"gyr"} if name == "lose_rotation" else set())


def swinging_watch(rows: int = 120, **sensors: np.ndarray) -> Recordings:
    """A watch that lies on its side and swings to and fro along one of its axes, once a second."""
    time_s = np.arange(rows) / GALAXY_WATCH.row_rate_hz
    acc = np.column_stack([3.0 * np.sin(2 * np.pi * time_s), np.full(rows, 9.80665), np.zeros(rows)])
    gyr = np.tile([100.0, 0.0, 0.0], (rows, 1))
    table = pl.DataFrame({"id": ["a"], "subject": ["s"]})
    return Recordings(GALAXY_WATCH, {"acc": acc, "gyr": gyr} | sensors, np.array([0, rows]), table)


@pytest.mark.parametrize("seed", range(4))
def test_without_an_orientation_a_slower_movement_accelerates_less_too(seed: int) -> None:
    recordings = swinging_watch()
    stretched = stretch_time(recordings, 0.5, np.random.default_rng(seed))
    slowness = (stretched.n_rows - 1) / (recordings.n_rows - 1)
    swings = [np.percentile(np.abs(found.sensors["acc"][20:-20, 0]), 95) for found in (recordings, stretched)]
    assert swings[1] / swings[0] == pytest.approx(slowness**-2.0, rel=0.08)
    np.testing.assert_allclose(stretched.sensors["gyr"][:, 0], 100.0 / slowness, rtol=1e-5)


def test_without_an_orientation_gravity_is_not_stretched() -> None:
    still = swinging_watch(acc=np.tile([0.6, 0.0, 0.8], (120, 1)) * 9.80665)
    stretched = stretch_time(still, 0.5, np.random.default_rng(0))
    np.testing.assert_allclose(
        stretched.sensors["acc"], still.sensors["acc"][:1].repeat(stretched.n_rows, 0), rtol=1e-5
    )
