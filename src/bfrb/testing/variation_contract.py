"""What every variation promises."""

import numpy as np

from bfrb.study.device import HELIOS, Device
from bfrb.study.recordings import Recordings
from bfrb.testing.made_up import expect, random_recordings
from bfrb.train.run import VariationSpec
from bfrb.train.variation import vary


class VariationContract:
    """Tests of a variation of recordings."""

    variation: str
    """Its name, or where it is imported from, as a spec says it."""
    strength: float = 0.5
    """A strength at which it changes something."""
    device: Device = HELIOS
    """A device with the sensors that it changes."""

    def _recordings(self) -> Recordings:
        return random_recordings(self.device, [2, 30, 7, 45, 12], np.random.default_rng(0))

    def _vary(self, recordings: Recordings, seed: int = 1) -> Recordings:
        spec = VariationSpec.parse({self.variation: self.strength})
        return vary(recordings, spec, np.random.default_rng(seed))

    def test_recordings_stay_valid_and_keep_their_table(self) -> None:
        """The same recordings in the same order, each of them possible, with the annotations they had."""
        recordings = self._recordings()
        for seed in range(5):
            varied = self._vary(recordings, seed)
            checked = Recordings(varied.device, dict(varied.sensors), varied.offsets, varied.table, varied.annotations)
            expect(checked.device == recordings.device, "the device is another one")
            expect(checked.table.equals(recordings.table), "the table is another one")
            expect(set(checked.annotations) == set(recordings.annotations), "annotations are lost")

    def test_the_generator_decides(self) -> None:
        """The same generator gives the same recordings, and the ones given are left alone."""
        recordings, untouched = self._recordings(), self._recordings()
        first, second = self._vary(recordings).sensors, self._vary(recordings).sensors
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])
            np.testing.assert_array_equal(recordings.sensors[name], untouched.sensors[name])

    def test_what_was_never_measured_is_not_made_up(self) -> None:
        """Sensors without readings stay so."""
        gone = [name for name in self.device.sensor_names if name != "acc"]
        varied = self._vary(self._recordings().without(*gone))
        expect(not any(varied.measured(name).any() for name in gone), "readings of a sensor that measured nothing")
