"""The notebook's features, held against row loops over the real sample, gaps included."""

from pathlib import Path

import numpy as np
import pandas as pd

from bfrb.features.notebook import NOTEBOOK_FEATURES, find_columns
from bfrb.features.pipeline import compute_features
from bfrb.read.described_source import recordings_from_frame
from bfrb.study.device import HELIOS
from published import notebook_features


def test_the_notebooks_features_are_those_of_its_row_loops(real_data: Path) -> None:
    frame = pd.read_csv(real_data / "cmi" / "train_sample.csv")
    rng = np.random.default_rng(0)
    for start in ("acc_", "rot_", "thm_", "tof_2"):
        names = [name for name in frame.columns if name.startswith(start)]
        frame.loc[rng.random(len(frame)) < 0.1, names] = np.nan
        frame.loc[frame["sequence_id"] == frame["sequence_id"].iloc[-1], names] = np.nan
    columns = tuple(find_columns(HELIOS))
    computed = compute_features(recordings_from_frame(frame), [feature.name for feature in NOTEBOOK_FEATURES])
    rows = [notebook_features(rows, columns) for _, rows in frame.groupby("sequence_id", sort=False)]
    np.testing.assert_allclose(computed.values, np.concatenate(rows), rtol=1e-5, atol=1e-4)
    assert len(columns) == 45
