"""What a row holds: the nearest sample, or the mean of those that fall into it."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bfrb.study.device import HELIOS
from bfrb.study.rows import Aggregation, OpenRows

SENSORS = HELIOS.sensor_names


def helios_samples(count: int, seed: int) -> dict[str, np.ndarray]:
    """Readings about one pose, quaternions with either sign, single thermopiles that measured nothing."""
    rng = np.random.default_rng(seed)
    quaternion = np.array([0.8, 0.0, 0.6, 0.0]) + rng.normal(0, 0.1, (count, 4))
    quaternion *= rng.choice([-1, 1], (count, 1)) / np.linalg.norm(quaternion, axis=1, keepdims=True)
    return {
        "acc": rng.normal(0, 6, (count, 3)).astype(np.float32),
        "quaternion": quaternion.astype(np.float32),
        "thm": np.where(rng.random((count, 5)) < 0.3, np.nan, rng.normal(28, 2, (count, 5))).astype(np.float32),
        "tof": rng.integers(-1, 250, (count, 5, 8, 8)).astype(np.int16),
    }


@given(seed=st.integers(0, 2**32 - 1))
def test_rows_hold_what_their_samples_say_however_many_come_at_once(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count = int(rng.integers(1, 40))
    rows, distance, samples = rng.integers(0, 5, count), rng.integers(0, 6, count) / 10, helios_samples(count, seed)
    measured = rng.random((count, len(SENSORS))) < 0.8

    def fill(how: Aggregation, chunk: int) -> dict[str, np.ndarray]:
        opened = OpenRows(HELIOS, how)
        for part in np.split(np.arange(count), range(chunk, count, chunk)):
            opened.add(rows[part], distance[part], {name: samples[name][part] for name in SENSORS}, measured[part])
        return opened.take(6)

    for how in ("nearest", "mean"):
        found, parts = fill(how, count), fill(how, 1 + seed % 7)
        for name in SENSORS:
            assert found[name].dtype == HELIOS.sensor(name).dtype
            np.testing.assert_array_equal(parts[name], found[name])
    for row, (number, name) in product(range(6), enumerate(SENSORS)):
        own = np.flatnonzero((rows == row) & measured[:, number])
        values = samples[name][own].astype(np.float64)
        if not len(own):
            assert HELIOS.sensor(name).is_absent(found[name][row]).all()
        elif name == "tof":
            assert np.array_equal(found[name][row], values[distance[own].argmin()])
        elif name == "quaternion":
            mean = (values * np.sign(values @ values[0])[:, None]).sum(axis=0)
            np.testing.assert_allclose(found[name][row], mean / np.linalg.norm(mean), atol=1e-6)
        else:
            known = ~np.isnan(values)
            mean = np.where(known, values, 0).sum(axis=0) / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
            np.testing.assert_allclose(found[name][row], mean, rtol=1e-5, equal_nan=True)


@pytest.mark.parametrize("how", ["nearest", "mean"])
def test_a_single_sample_is_kept_to_the_last_bit(how: Aggregation) -> None:
    samples, opened = helios_samples(6, 0), OpenRows(HELIOS, how)
    samples["acc"][0, 0] = -0.0
    opened.add(np.arange(6), np.zeros(6), samples, np.ones((6, 4), dtype=bool))
    found = opened.take(6)
    assert all(found[name].tobytes() == samples[name].tobytes() for name in SENSORS)
