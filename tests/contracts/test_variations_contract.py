"""Every variation holds its contract, and the physics of each."""

from itertools import count, product

import numpy as np
import pytest

import own_networks
from bfrb.features.pipeline import compute_features
from bfrb.study.device import DEVICES, GALAXY_WATCH, HELIOS
from bfrb.study.recordings import Recordings
from bfrb.testing import VariationContract
from bfrb.train.run import LOST_TOGETHER, VariationSpec
from bfrb.train.variation import VARIATIONS, Variation, vary
from bundles import make_recordings
from made_up import random_recordings

STRENGTHS = {"tilt_device": 15.0, "change_wrist": 0.5, "lose_piece": 0.5, **dict.fromkeys(LOST_TOGETHER, 0.5)}
OWN = [("own_networks:weaken", HELIOS)]


def varied(recordings: Recordings, name: str, strength: float, seed: int = 1) -> Recordings:
    return vary(recordings, VariationSpec.parse({name: strength}), np.random.default_rng(seed))


@pytest.fixture(scope="module")
def measured() -> Recordings:
    """400 recordings of 6 rows, without gaps."""
    return random_recordings(HELIOS, [6] * 400, np.random.default_rng(0), 0.0)


def feature(recordings: Recordings, name: str) -> np.ndarray:
    return compute_features(recordings, [name]).values


class TestVariations(VariationContract):
    @pytest.fixture(autouse=True, params=[*product(VARIATIONS, DEVICES.values()), *OWN], ids=lambda case: str(case[0]))
    def part(self, request: pytest.FixtureRequest) -> None:
        self.variation, self.device = request.param
        self.strength = STRENGTHS.get(self.variation, 0.5)


SEEDS = count()
BROKEN: dict[str, Variation] = {
    "recordings_stay_valid_and_keep_their_table": lambda given, *_: given.without("acc")[::-1],
    "the_generator_decides": lambda given, strength, _: varied(given, "tilt_device", strength, next(SEEDS)),
    "what_was_never_measured_is_not_made_up": lambda given, *_: given.with_sensors(thm=np.full((given.n_rows, 5), 25)),
}


@pytest.mark.parametrize("promise", BROKEN)
def test_a_variation_that_breaks_a_promise_is_found(promise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_networks, "broken", BROKEN[promise], raising=False)
    contract = VariationContract()
    contract.variation = "own_networks:broken"
    with pytest.raises(AssertionError):
        getattr(contract, f"test_{promise}")()


def test_a_spec_names_every_variation_and_strength_zero_changes_nothing() -> None:
    assert list(VariationSpec.model_fields) == [*VARIATIONS, "own"] == [*STRENGTHS, "own"]
    assert not VariationSpec().changes_something
    recordings = make_recordings()
    assert vary(recordings, VariationSpec(), np.random.default_rng(0)) is recordings


def test_a_tilted_device_sees_the_same_world_and_its_gyroscope_turns_with_it() -> None:
    recordings = make_recordings(4)
    tilted = varied(recordings, "tilt_device", 20.0)
    assert np.abs(tilted.sensors["acc"] - recordings.sensors["acc"]).max() > 0.5
    for name in ("linear_acc_world", "acc_magnitude", "angular_distance", "linear_acc_magnitude"):
        np.testing.assert_allclose(feature(tilted, name), feature(recordings, name), atol=2e-3)
    watch = make_recordings(4, device=GALAXY_WATCH)
    both = (watch, varied(watch, "tilt_device", 20.0))
    before, after = ((found.sensors["acc"] * found.sensors["gyr"]).sum(axis=1) for found in both)
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=0.05)


def test_on_the_other_wrist_the_arm_turns_the_other_way() -> None:
    recordings = make_recordings(40, device=GALAXY_WATCH)
    other, mirror = varied(recordings, "change_wrist", 0.5), np.float32([-1, 1, 1])
    pairs = [(other[n].sensors["acc"], recordings[n].sensors["acc"]) for n in range(40)]
    changed = [not np.array_equal(*pair) for pair in pairs]
    assert 10 < sum(changed) < 30
    signs = np.where(np.repeat(changed, recordings.lengths)[:, None], mirror, 1)
    np.testing.assert_array_equal(other.sensors["acc"], recordings.sensors["acc"] * signs)
    np.testing.assert_array_equal(other.sensors["gyr"], recordings.sensors["gyr"] * signs * signs.prod(axis=1)[:, None])


def test_pieces_are_lost_one_by_one(measured: Recordings) -> None:
    lost = varied(measured, "lose_piece", 0.3).sensors
    no_image = (lost["tof"][::6] == HELIOS.sensor("tof").absent).all(axis=(2, 3))
    no_warmth = np.isnan(lost["thm"][::6])
    assert not np.isnan(lost["acc"]).any()
    pieces = np.concatenate([no_warmth, no_image], axis=1)
    np.testing.assert_allclose(pieces.mean(axis=0), 0.3, atol=0.1)
    assert pieces.all(axis=1).sum() == 0
    assert np.abs(np.corrcoef(pieces.T) - np.eye(10)).max() < 0.2


@pytest.mark.parametrize("name", LOST_TOGETHER)
def test_a_kind_of_sensor_is_lost_as_often_as_asked(measured: Recordings, name: str) -> None:
    lost = varied(measured, name, 0.3)
    for sensor in HELIOS.sensor_names:
        share = 1 - lost.measured(sensor).mean()
        assert share == (pytest.approx(0.3, abs=0.08) if sensor in LOST_TOGETHER[name] else 0)
    if name == "lose_proximity":
        assert (lost.measured("thm") == lost.measured("tof")).all()
    assert VariationSpec.parse({name: 0.3}).lost == set(LOST_TOGETHER[name])
