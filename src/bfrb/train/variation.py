"""Vary recordings in physical units, before features are computed: another wearer, another day, another watch strap.

Every variation is a function from recordings to recordings with one strength and a random generator; strength 0 changes
nothing. Because features are computed afterwards, on the one path from recordings to network input, they always fit
together: a turned device changes accelerometer and orientation alike, and a slower movement has smaller accelerations.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bfrb.study.recordings import Recordings
from bfrb.train.spec import VariationSpec
from bfrb.train.vary_readings import blur_thm, blur_tof, lose_pixels, shake_acc, shake_gyr, shake_quaternion, warm_skin
from bfrb.train.vary_sensors import lose_piece, lose_proximity, lose_quaternion, lose_site, lose_thm, lose_tof
from bfrb.train.vary_time import crop, shift, stretch_time
from bfrb.train.vary_wearing import change_wrist, tilt_device, turn_heading

Variation = Callable[[Recordings, float, np.random.Generator], Recordings]


def vary(recordings: Recordings, spec: VariationSpec, rng: np.random.Generator) -> Recordings:
    """All variations of a spec, one after the other."""
    for name, variation in VARIATIONS.items():
        recordings = variation(recordings, getattr(spec, name), rng)
    return recordings


VARIATIONS: dict[str, Variation] = {
    "stretch_time": stretch_time,
    "crop": crop,
    "shift": shift,
    "tilt_device": tilt_device,
    "change_wrist": change_wrist,
    "turn_heading": turn_heading,
    "shake_acc": shake_acc,
    "shake_gyr": shake_gyr,
    "shake_quaternion": shake_quaternion,
    "warm_skin": warm_skin,
    "blur_thm": blur_thm,
    "blur_tof": blur_tof,
    "lose_pixels": lose_pixels,
    "lose_piece": lose_piece,
    "lose_site": lose_site,
    "lose_thm": lose_thm,
    "lose_tof": lose_tof,
    "lose_proximity": lose_proximity,
    "lose_quaternion": lose_quaternion,
}
"""Every variation by name, in the order in which they are applied."""
