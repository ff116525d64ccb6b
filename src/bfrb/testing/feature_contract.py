"""What every feature promises."""

import numpy as np

from bfrb.arrays import Array
from bfrb.features.feature import Feature
from bfrb.features.pipeline import compute_features, find_feature
from bfrb.features.rows import RaggedRows
from bfrb.study.device import HELIOS, Device
from bfrb.study.recordings import Recordings
from bfrb.testing.made_up import expect, random_recordings

_LENGTHS = (1, 2, 40, 7, 1, 100)
_LONG, _ROW = 2, 4
"""A recording of them, and a row in it, with others before and after."""


class FeatureContract:
    """Tests of a feature, on a device that has its sensors."""

    feature: str
    """Its name, or where it is imported from, as a spec says it."""
    device: Device = HELIOS

    def _found(self) -> Feature:
        return find_feature(self.feature)

    def _computed(self, recordings: Recordings) -> Array:
        values: Array = self._found().compute(RaggedRows(recordings))
        return values

    def _recordings(self, missing: float = 0.1) -> Recordings:
        return random_recordings(self.device, _LENGTHS, np.random.default_rng(0), missing)

    def test_the_device_has_its_sensors(self) -> None:
        """Else nothing else can be tested."""
        expect(self._found().is_available(self.device), f"{self.device.name} lacks a sensor for {self.feature}")

    def test_the_channels_are_as_announced(self) -> None:
        """(N, C) floats, and of each channel a name that can be a column's, and a unit."""
        recordings, channels = self._recordings(), self._found().channels(self.device)
        values = self._computed(recordings)
        expect(channels and values.shape == (recordings.n_rows, len(channels)), f"{len(channels)}, got {values.shape}")
        expect(values.dtype in (np.float64, np.float32), f"expected floats, got {values.dtype}")
        names = [channel.name for channel in channels]
        expect(len(set(names)) == len(names) and all(map(str.isidentifier, names)), f"names of channels: {names}")
        expect(all(channel.unit for channel in channels), "a channel has no unit; write 1 where it has none")

    def test_a_value_is_finite_or_missing(self) -> None:
        """Missing is NaN."""
        values = self._computed(self._recordings())
        expect(not np.isinf(values).any(), "a value is infinite")
        expect(np.isfinite(values).any(axis=0).all(), "a channel is never known")

    def test_the_same_recordings_give_the_same_values(self) -> None:
        """Nothing is random, nothing is remembered, and nothing is written into readings."""
        recordings, untouched = self._recordings(), self._recordings()
        np.testing.assert_array_equal(self._computed(recordings), self._computed(untouched))
        for name, values in recordings.sensors.items():
            np.testing.assert_array_equal(values, untouched.sensors[name])

    def test_a_missing_sample_makes_its_row_invalid(self) -> None:
        """Unless the feature says that it fills gaps; then it does."""
        complete = self._recordings(missing=0.0)
        row = int(complete.offsets[_LONG]) + _ROW
        for name in self._found().needs[-1:] if self._found().fills_gaps else self._found().needs:
            values = complete.sensors[name].copy()
            values[row] = self.device.sensor(name).absent
            found = compute_features(complete.with_sensors(**{name: values}), [self.feature])
            expect(np.isfinite(found.values[row]).all(), f"a row without {name} is not filled")
            if self._found().fills_gaps:
                expect(found.valid.all(), f"it fills gaps, and leaves one of {name}")
            else:
                expect(not found.valid[row].any(), f"a row without {name} counts as measured")

    def test_without_a_sensor_nothing_is_known(self) -> None:
        """Nothing is made up where nothing was measured, unless the feature says that it fills gaps."""
        for name in () if self._found().fills_gaps else self._found().needs:
            found = compute_features(self._recordings().without(name), [self.feature])
            expect(not found.valid.any() and np.isnan(found.values).all(), f"something is known without {name}")

    def test_a_recording_is_the_same_in_any_company(self) -> None:
        """A recording's values never depend on the other recordings."""
        rng = np.random.default_rng(0)
        for missing in (0.0, 0.2, 0.9):
            recordings = random_recordings(self.device, rng.integers(1, 31, rng.integers(1, 7)).tolist(), rng, missing)
            together = compute_features(recordings, [self.feature])
            for number in range(len(recordings)):
                alone = compute_features(recordings[number], [self.feature])
                rows = slice(recordings.offsets[number], recordings.offsets[number + 1])
                np.testing.assert_array_equal(together.values[rows], alone.values)
                np.testing.assert_array_equal(together.valid[rows], alone.valid)
