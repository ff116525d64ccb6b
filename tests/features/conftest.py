"""Real recordings as the features meet them, and as the table they were published in."""

from pathlib import Path

import pandas as pd
import pytest

from bfrb.read.sources import read
from bfrb.study.recordings import Recordings


@pytest.fixture(scope="session")
def sample(real_data: Path) -> pd.DataFrame:
    """The first rows of the CMI study's table, untouched."""
    return pd.read_csv(real_data / "cmi" / "train_sample.csv")


@pytest.fixture(scope="session")
def real_recordings(real_data: Path) -> Recordings:
    """The same rows as recordings."""
    return read(real_data / "cmi" / "train_sample.csv")
