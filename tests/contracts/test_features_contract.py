"""Every registered feature holds its contract, on every device that has its sensors."""

from collections.abc import Callable
from itertools import count

import pytest

from bfrb.features.feature import Feature
from bfrb.features.pipeline import FEATURES, available
from bfrb.features.rows import Rows, Values
from bfrb.study.device import DEVICES, GALAXY_WATCH
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


CALLS = count(1.0)
BROKEN: dict[str, Callable[[Rows], Values]] = {
    "the_channels_are_as_announced": lambda rows: rows.sensor("acc")[:, :2],
    "a_value_is_finite_or_missing": lambda rows: rows.sensor("acc")[:, :1] / 0.0,
    "the_same_recordings_give_the_same_values": lambda rows: rows.sensor("acc")[:, :1] + next(CALLS),
    "a_missing_sample_makes_its_row_invalid": lambda rows: 0.0 * rows.fill(rows.sensor("acc"))[:, :1] + 1.0,
    "a_recording_is_the_same_in_any_company": lambda rows: rows.sensor("acc")[:, :1] + len(rows.sensor("acc")),
}


@pytest.mark.filterwarnings("ignore:divide by zero", "ignore:invalid value")
@pytest.mark.parametrize("promise", BROKEN)
def test_a_feature_that_breaks_a_promise_is_found(promise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    channels = FEATURES["acc_magnitude"].channels
    monkeypatch.setitem(FEATURES, "broken", Feature("broken", ("acc",), channels, BROKEN[promise]))
    contract = FeatureContract()
    contract.feature = "broken"
    with pytest.raises(AssertionError):
        getattr(contract, f"test_{promise}")()
    contract.feature, contract.device = "thm", GALAXY_WATCH
    with pytest.raises(AssertionError, match="lacks a sensor"):
        contract.test_the_device_has_its_sensors()
