"""Every registered feature holds its contract, on every device that has its sensors."""

import pytest

from bfrb.features.feature import Feature
from bfrb.features.pipeline import FEATURES, available
from bfrb.features.proximity import PROXIMITY_FEATURES
from bfrb.study.device import DEVICES, GALAXY_WATCH, HELIOS
from bfrb.testing import FeatureContract
from made_up import BASELINE_FEATURES

UNITS = {"m/s^2", "m/s^3", "1", "rad", "rad/s", "degC", "sensor step"}
CASES = [
    (name, device) for name, feature in FEATURES.items() for device in DEVICES.values() if feature.is_available(device)
]


class TestFeatures(FeatureContract):
    @pytest.fixture(autouse=True, params=CASES, ids=lambda case: f"{case[0]}-{case[1].name}")
    def part(self, request: pytest.FixtureRequest) -> None:
        self.feature, self.device = request.param

    def test_units_are_written_in_one_way(self) -> None:
        assert {channel.unit for channel in FEATURES[self.feature].channels(self.device)} <= UNITS


def test_every_feature_is_checked_under_its_name_and_no_two_share_a_channel() -> None:
    assert {name for name, _ in CASES} == set(FEATURES)
    assert all(feature.name == name for name, feature in FEATURES.items())
    assert {name for names in BASELINE_FEATURES.values() for name in names} <= set(FEATURES)
    for device in DEVICES.values():
        names = [channel.name for name in available(FEATURES, device) for channel in FEATURES[name].channels(device)]
        assert names
        assert len(set(names)) == len(names)


CALLS = {"random": 0.0}


def of_acc(name: str, compute, **options) -> Feature:  # type: ignore[no-untyped-def]
    return Feature(name, ("acc",), FEATURES["acc_magnitude"].channels, compute, **options)


def remembering(rows):  # type: ignore[no-untyped-def]
    CALLS["random"] += 1.0
    return rows.sensor("acc")[:, :1] + CALLS["random"]


BROKEN = {
    "thm_of_a_watch": (PROXIMITY_FEATURES[0], "test_the_device_has_its_sensors"),
    "two_channels": (of_acc("two", lambda rows: rows.sensor("acc")[:, :2]), "test_the_channels_are_as_announced"),
    "infinite": (of_acc("infinite", lambda rows: rows.sensor("acc")[:, :1] / 0.0), "test_a_value_is_finite_or_missing"),
    "remembering": (of_acc("remembering", remembering), "test_the_same_recordings_give_the_same_values"),
    "made_up": (
        of_acc("made_up", lambda rows: 0.0 * rows.fill(rows.sensor("acc"))[:, :1] + 1.0),
        "test_a_missing_sample_makes_its_row_invalid",
    ),
    "of_all": (
        of_acc("of_all", lambda rows: rows.sensor("acc")[:, :1] + len(rows.sensor("acc"))),
        "test_a_recording_is_the_same_in_any_company",
    ),
}


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
@pytest.mark.parametrize("name", BROKEN)
def test_a_feature_that_breaks_a_promise_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    feature, broken = BROKEN[name]
    monkeypatch.setitem(FEATURES, "broken", feature)
    contract = FeatureContract()
    contract.feature, contract.device = "broken", GALAXY_WATCH if name == "thm_of_a_watch" else HELIOS
    with pytest.raises(AssertionError):
        getattr(contract, broken)()
