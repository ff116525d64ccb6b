"""The table of features, and `compute_features`: from recordings to named channels without gaps."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bfrb.arrays import Bools, Floats32, Ints
from bfrb.errors import ConfigError
from bfrb.features.feature import Channel, Feature
from bfrb.features.motion import MOTION_FEATURES
from bfrb.features.notebook import NOTEBOOK_FEATURES
from bfrb.features.proximity import PROXIMITY_FEATURES
from bfrb.features.rows import RaggedRows, fill
from bfrb.parts import import_part, is_import_path
from bfrb.study.device import Device
from bfrb.study.recordings import Recordings

FEATURES: dict[str, Feature] = {
    feature.name: feature for feature in (*MOTION_FEATURES, *PROXIMITY_FEATURES, *NOTEBOOK_FEATURES)
}
"""Every feature by the name under which a spec asks for it."""

_BLOCK_ROWS = 4096
"""Rows that are computed at once: what is made of them stays in the processor's cache."""


@dataclass(frozen=True, eq=False, repr=False)
class Features:
    """Named channels of a ragged batch: `N` rows in `R` recordings."""

    channels: tuple[Channel, ...]
    """The `C` channels."""
    values: Floats32
    """(N, C) values. Gaps are filled from the same recording; what is missing throughout a recording is NaN there."""
    valid: Bools
    """(N, C) Which values were measured, not filled."""
    offsets: Ints
    """(R + 1,) first row of every recording, and N."""

    def __repr__(self) -> str:
        rows, channels = self.values.shape
        return f"<Features: {channels} channels of {len(self.offsets) - 1:,} recordings, {rows:,} rows>"


def find_feature(name: str) -> Feature:
    """The feature of that name, or at that import path `package.module:name`; a `ConfigError` if there is none."""
    if name in FEATURES:
        return FEATURES[name]
    if is_import_path(name):
        found = import_part(name, "feature")
        if not isinstance(found, Feature):
            remedy = "make it with bfrb.features.feature.Feature or vector_feature"
            raise ConfigError(f"{name} is no feature, but {type(found).__name__}", remedy=remedy)
        return found
    near = difflib.get_close_matches(name, FEATURES, n=1, cutoff=0.4)
    own = "or name your own as package.module:name"
    remedy = f"did you mean {near[0]!r}?" if near else f"choose among {', '.join(FEATURES)}, {own}"
    raise ConfigError(f"no feature {name!r}", remedy=remedy)


def available(names: Iterable[str], device: Device) -> tuple[str, ...]:
    """The named features that the device can give, in the same order; a `ConfigError` for one that is none at all.

    >>> from bfrb.study.device import GALAXY_WATCH
    >>> available(["acc", "quaternion", "thm", "gyr"], GALAXY_WATCH)
    ('acc', 'gyr')
    """
    return tuple(name for name in names if find_feature(name).is_available(device))


@lru_cache(maxsize=64)  # hundreds of pixels, made anew for every recording that a server is asked about
def channels_of(names: tuple[str, ...], device: Device) -> tuple[Channel, ...]:
    """The channels of the named features on a device, in order."""
    return tuple(channel for name in names for channel in find_feature(name).channels(device))


def compute_features(recordings: Recordings, names: Sequence[str]) -> Features:
    """Compute the named features of all recordings.

    A value derived from a missing sample is missing; then each recording is filled forwards, and at its start
    backwards.

    Raises `ConfigError` if a name is no feature, comes twice, or needs a sensor that the device does not have.

    >>> import numpy as np, polars as pl
    >>> from bfrb.study.device import HELIOS
    >>> still = np.tile(np.float32([3, 0, 4]), (5, 1))
    >>> table = pl.DataFrame({"id": ["a", "b"], "subject": ["s", "s"]})
    >>> features = compute_features(Recordings(HELIOS, {"acc": still}, np.array([0, 2, 5]), table), ["acc_magnitude"])
    >>> features.channels[0], features.values[0].tolist()
    (Channel(name='acc_magnitude', unit='m/s^2'), [5.0])
    """
    _check_names(names, recordings.device)
    channels = channels_of(tuple(names), recordings.device)
    values = np.empty((recordings.n_rows, len(channels)), dtype=np.float32)
    end = 0
    for part in recordings.batches(_BLOCK_ROWS) if recordings.n_rows > _BLOCK_ROWS else [recordings]:
        block = values[end : (end := end + part.n_rows)]
        rows, stop = RaggedRows(part), 0
        for name in names:
            computed = rows.shared(find_feature(name).compute)
            start, stop = stop, stop + computed.shape[1]
            block[:, start:stop] = computed
    return Features(channels, fill(values, recordings.offsets), ~np.isnan(values), recordings.offsets)


def _check_names(names: Sequence[str], device: Device) -> None:
    lacking = [name for name in names if not find_feature(name).is_available(device)]
    if lacking:
        needs = ", ".join(find_feature(lacking[0]).needs)
        problem = f"the device {device.name!r} lacks a sensor for the feature {lacking[0]!r}, which needs {needs}"
        raise ConfigError(problem, remedy="leave it out, or keep what `available` returns")
    if len(set(names)) != len(names):
        raise ConfigError(f"a feature is named twice: {', '.join(names)}", remedy="name every feature once")
