"""The notebook's features, held against row loops over the real sample, gaps included."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from bfrb.features.notebook import NOTEBOOK_FEATURES, notebook_columns
from bfrb.features.pipeline import FEATURES, compute_features
from bfrb.read.cmi import recordings_from_frame
from bfrb.study.device import HELIOS
from notebook_reference import notebook_features


def test_the_notebooks_features_are_those_of_its_row_loops(real_data: Path) -> None:
    frame = pd.read_csv(real_data / "cmi" / "train_sample.csv")
    rng = np.random.default_rng(0)
    for start in ("rot_", "thm_", "tof_2"):
        names = [name for name in frame.columns if name.startswith(start)]
        frame.loc[rng.random(len(frame)) < 0.1, names] = np.nan
    frame.loc[frame["sequence_id"] == frame["sequence_id"].iloc[-1], names] = np.nan
    columns = notebook_columns(HELIOS, FEATURES)
    names = tuple(dict.fromkeys(name for name, _ in columns.values()))
    computed = compute_features(recordings_from_frame(frame), names)
    starts = dict(zip(names, np.cumsum([0, *(len(FEATURES[name].channels(HELIOS)) for name in names)]), strict=False))
    theirs = {column: computed.values[:, starts[name] + number] for column, (name, number) in columns.items()}
    expected_names = tuple(name for name in columns if name not in ("acc_magnitude", "rotation_angle"))
    rows = [notebook_features(rows, expected_names) for _, rows in frame.groupby("sequence_id", sort=False)]
    expected = np.concatenate(rows)
    for place, name in enumerate(expected_names):
        found = np.nan_to_num(theirs[name])
        np.testing.assert_allclose(found, expected[:, place], rtol=1e-5, atol=1e-4, err_msg=name)
    assert len(expected_names) == 45


def test_every_feature_of_the_notebook_has_columns() -> None:
    used = {name for name, _ in notebook_columns(HELIOS, FEATURES).values()}
    assert {feature.name for feature in NOTEBOOK_FEATURES} <= used
