"""The features' formulas in torch, on padded batches, are those on ragged ones in NumPy."""

import numpy as np
import pytest
import torch

from bfrb.export.padded import PaddedRows
from bfrb.features.pipeline import FEATURES
from bfrb.features.rows import RaggedRows
from bfrb.study.device import GALAXY_WATCH, HELIOS, Device
from bfrb.study.recordings import Recordings
from made_up import random_recordings

LENGTHS = [1, 7, 30, 2]
DEVICES = (HELIOS, GALAXY_WATCH)
CASES = [(name, device) for device in DEVICES for name, feature in FEATURES.items() if feature.is_available(device)]


def pad(values: np.ndarray) -> np.ndarray:
    """(B, T, C) The rows of every recording, nonsense after its end."""
    padded = np.full((len(LENGTHS), max(LENGTHS) + 3, values.shape[1]), 77.0)
    for number, rows in enumerate(np.split(values, np.cumsum(LENGTHS)[:-1])):
        padded[number, : len(rows)] = rows
    return padded


def padded_rows(recordings: Recordings, dtype: torch.dtype) -> PaddedRows:
    ragged = RaggedRows(recordings)
    sensors = {name: torch.tensor(pad(ragged.sensor(name)), dtype=dtype) for name in recordings.device.sensor_names}
    return PaddedRows(sensors, torch.tensor(LENGTHS), recordings.device)


@pytest.mark.parametrize(("name", "device"), CASES, ids=[f"{device.name}-{name}" for name, device in CASES])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 2e-3)])
def test_formulas_agree_in_numpy_and_torch(name: str, device: Device, dtype: torch.dtype, tolerance: float) -> None:
    recordings = random_recordings(device, LENGTHS, np.random.default_rng(4), missing=0.15)
    expected = FEATURES[name].compute(RaggedRows(recordings))
    found = FEATURES[name].compute(padded_rows(recordings, dtype)).numpy()
    unpadded = np.concatenate([found[number, :length] for number, length in enumerate(LENGTHS)])
    np.testing.assert_allclose(unpadded, expected, rtol=tolerance, atol=tolerance, equal_nan=True)
