"""Every variation holds its contract, and the physics of each."""

from collections.abc import Callable
from itertools import count, product

import numpy as np
import pytest

import own_networks
from bfrb.features.pipeline import compute_features
from bfrb.features.rotations import rotate
from bfrb.study.device import DEVICES, GALAXY_WATCH, HELIOS
from bfrb.study.recordings import Recordings
from bfrb.testing import VariationContract
from bfrb.train.spec import LOST_TOGETHER, VariationSpec
from bfrb.train.variation import VARIATIONS, Variation, vary
from bundles import make_recordings
from made_up import random_recordings

STRENGTHS = {"tilt_device": 15.0, "change_wrist": 0.5, "shake_acc": 0.5, "warm_skin": 1.0, "blur_tof": 5.0}
STRENGTHS |= {"lose_pixels": 0.2, "lose_piece": 0.5, "lose_site": 0.5, **dict.fromkeys(LOST_TOGETHER, 0.5)}
OWN = [("own_networks:weaken", HELIOS)]


def varied(recordings: Recordings, name: str, strength: float, seed: int = 1) -> Recordings:
    return vary(recordings, VariationSpec.parse({name: strength}), np.random.default_rng(seed))


def mostly_measured(recordings: int = 400) -> Recordings:
    return random_recordings(HELIOS, [6] * recordings, np.random.default_rng(0), 0.0)


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
    return varied(recordings, "shake_acc", strength, next(SEEDS))


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


def test_a_spec_names_every_variation_and_strength_zero_changes_nothing() -> None:
    assert list(VariationSpec.model_fields) == [*VARIATIONS, "own"] == [*STRENGTHS, "own"]
    assert not VariationSpec().changes_something
    recordings = mostly_measured(5)
    assert vary(recordings, VariationSpec(), np.random.default_rng(0)) is recordings


def test_a_tilted_device_sees_the_same_world_and_its_gyroscope_turns_with_it() -> None:
    recordings = make_recordings(4)
    tilted = varied(recordings, "tilt_device", 20.0)
    assert np.abs(tilted.sensors["acc"] - recordings.sensors["acc"]).max() > 0.5
    turns = (
        (found.sensors["quaternion"].astype(float), feature(found, "linear_acc")) for found in (recordings, tilted)
    )
    before, after = (rotate(*turn) for turn in turns)
    np.testing.assert_allclose(after, before, atol=1e-4)
    for name in ("acc_magnitude", "angular_distance", "linear_acc_magnitude"):
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


def test_noise_and_warmth_have_the_strength_that_was_asked_for() -> None:
    recordings = make_recordings(40)
    noise = varied(recordings, "shake_acc", 0.5).sensors["acc"] - recordings.sensors["acc"]
    assert (noise.std(), noise.mean()) == (pytest.approx(0.5, rel=0.03), pytest.approx(0.0, abs=0.02))
    recordings = mostly_measured(300)
    thm = recordings.sensors["thm"]
    change = (varied(recordings, "warm_skin", 0.8).sensors["thm"] - thm).reshape(300, -1)
    inside = ((thm < 120) & (thm > -35)).reshape(300, -1).all(axis=1)
    np.testing.assert_allclose(np.ptp(change[inside], axis=1), 0.0, atol=1e-4)
    assert change[:, 0].std() == pytest.approx(0.8, rel=0.2)


def test_pixels_that_see_nothing_are_not_blurred_and_lost_ones_see_nothing() -> None:
    recordings = mostly_measured(50)
    before = recordings.sensors["tof"]
    blurred, lost = (varied(recordings, *how).sensors["tof"] for how in (("blur_tof", 5.0), ("lose_pixels", 0.2)))
    for found in (blurred, lost):
        assert (found[before < 0] == before[before < 0]).all()
    assert (blurred[before >= 0] >= 0).all()
    seeing = (before > 30) & (before < 220)
    assert (blurred[seeing] - before[seeing]).std() == pytest.approx(5.0, rel=0.05)
    assert (lost[before >= 0] == -1).mean() == pytest.approx(0.2, abs=0.01)


@pytest.mark.parametrize("name", ["lose_piece", "lose_site"])
def test_pieces_are_lost_one_by_one_and_sites_as_one(name: str) -> None:
    lost = varied(mostly_measured(), name, 0.3).sensors
    no_image = (lost["tof"][::6] == HELIOS.sensor("tof").absent).all(axis=(2, 3))
    no_warmth = np.isnan(lost["thm"][::6])
    assert not np.isnan(lost["acc"]).any()
    if name == "lose_site":
        assert (no_warmth == no_image).all()
        assert set(no_image.sum(axis=1).tolist()) == {0, 1}
        assert no_image.any(axis=1).mean() == pytest.approx(0.3, abs=0.08)
        return
    pieces = np.concatenate([no_warmth, no_image], axis=1)
    np.testing.assert_allclose(pieces.mean(axis=0), 0.3, atol=0.1)
    assert pieces.all(axis=1).sum() == 0
    assert np.abs(np.corrcoef(pieces.T) - np.eye(10)).max() < 0.2


@pytest.mark.parametrize("name", LOST_TOGETHER)
def test_a_kind_of_sensor_is_lost_as_often_as_asked(name: str) -> None:
    lost = varied(mostly_measured(), name, 0.3)
    for sensor in HELIOS.sensor_names:
        share = 1 - lost.measured(sensor).mean()
        assert share == (pytest.approx(0.3, abs=0.08) if sensor in LOST_TOGETHER[name] else 0)
    if name == "lose_proximity":
        assert (lost.measured("thm") == lost.measured("tof")).all()
    assert VariationSpec.parse({name: 0.3}).lost == set(LOST_TOGETHER[name])
