"""What a Helios recorded, as another watch would have recorded it: a bundle answers it as it answers the Helios."""

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pytest
from scipy.spatial.transform import Rotation

from bfrb.arrays import Floats
from bfrb.features.spec import DEPLOYABLE_ROTATION
from bfrb.predict.bundle import Bundle
from bfrb.predict.predictor import Predictor
from bfrb.read.orientation import with_made_orientation
from bfrb.read.sources import open_source
from bfrb.study.description import Description
from bfrb.study.device import HELIOS
from bfrb.study.frame import Wrist, device_to_wrist
from bfrb.study.recordings import Recordings
from bundles import make_bundle, make_recordings

HEADING_FREE = {"imu": ("acc", "acc_magnitude", "acc_magnitude_jerk", *DEPLOYABLE_ROTATION), "proximity": ("thm",)}
TOLERANCE = 1e-3
G_M_S2 = 9.80665
AXES = ("6h", "3h", "out")
WATCH = Description.parse(
    {
        "name": "my_watch",
        "recordings": {"id": "{recording}", "subject": "{person}"},
        "time": {"column": "time", "unit": "ms"},
        "acc": {"columns": ["ax", "ay", "az"], "unit": "g", "at_rest": "down"},
        "quaternion": {"columns": ["qw", "qx", "qy", "qz"], "turns": "world_to_device"},
        "axes": dict(zip("xyz", AXES, strict=True)),
        "worn": {"wrist": "left", "crown": "turned"},
    }
)

Between = Literal["steady", "held"]
"""What stands between two rows: a steady change from one to the other, or the nearest of the two."""


@pytest.fixture(scope="module")
def helios(real_data: Path) -> Recordings:
    """Real recordings, of the motion sensors alone."""
    return open_source(real_data / "cmi" / "train_sample.csv").read().without("thm", "tof")


def bundle(folder: Path, *, rows: str = "mean", **options: object) -> Predictor:
    return Predictor(Bundle.open(make_bundle(folder / "bundle", rows=rows, **options)))  # type: ignore[arg-type]


def at_50_hz(values: Floats, between: Between) -> Floats:
    """(5 N - 4, C) what stands at every fifth of a row."""
    fifths = np.arange(5 * len(values) - 4)
    if between == "held":
        return values[(fifths + 2) // 5]
    before, share = fifths // 5, (fifths % 5 / 5)[:, None]
    after = np.minimum(before + 1, len(values) - 1)
    return np.where(share == 0, values[before], values[before] * (1 - share) + values[after] * share)


def as_watch(recordings: Recordings, wrist: Wrist, between: Between, file: Path) -> None:
    """Write what a watch on that wrist would have recorded: in g, gravity negative, world to device, 50 Hz."""
    matrix = device_to_wrist(AXES, wrist, crown="turned").astype(float)
    mirror = np.diag([-1.0 if wrist == "left" else 1.0, 1.0, 1.0])
    frames = []
    for recording in (recordings[number] for number in range(len(recordings))):
        acc = at_50_hz(-recording.sensors["acc"].astype(np.float64) / G_M_S2 @ matrix, between)
        turns = np.full((recording.n_rows, 4), np.nan)
        known = ~np.isnan(recording.sensors["quaternion"]).any(axis=1)
        if known.any():
            turned = Rotation.from_quat(recording.sensors["quaternion"][known], scalar_first=True).as_matrix()
            turns[known] = Rotation.from_matrix(mirror @ turned @ matrix).inv().as_quat(scalar_first=True)
        turns = at_50_hz(one_way(turns), between)
        columns = {"time": 1.7e12 + 20 * np.arange(len(acc))} | dict(zip(["ax", "ay", "az"], acc.T, strict=True))
        unit = turns / np.linalg.norm(turns, axis=1, keepdims=True)
        columns |= dict(zip(["qw", "qx", "qy", "qz"], unit.T, strict=True))
        frame = pl.DataFrame(columns).fill_nan(None)
        frames.append(frame.with_columns(recording=pl.lit(recording.ids[0]), person=pl.lit(recording.subjects[0])))
    pl.concat(frames).write_csv(file)


def one_way(turns: Floats) -> Floats:
    """Quaternions none of which is nearer to the negative of the one before."""
    products = np.nan_to_num((turns[1:] * turns[:-1]).sum(axis=1), nan=1.0)
    return turns * np.concatenate([[1.0], np.cumprod(np.where(products < 0, -1.0, 1.0))])[:, None]


@pytest.mark.parametrize(("wrist", "rows", "between"), [("left", "nearest", "steady"), ("right", "mean", "held")])
def test_a_watch_is_answered_as_the_helios_it_stands_for(
    helios: Recordings, wrist: Wrist, rows: str, between: Between, tmp_path: Path
) -> None:
    predictor = bundle(tmp_path, features=HEADING_FREE, rows=rows)
    as_watch(helios, wrist, between, tmp_path / "watch.csv")
    told, rows = WATCH.updated({"worn.wrist": wrist}), predictor.bundle.manifest.rows
    source = open_source(tmp_path / "watch.csv", told, device=predictor.device, how=rows)
    found, expected = predictor.predict(source.read()), predictor.predict(helios)
    assert list(found.ids) == list(expected.ids)
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=TOLERANCE)


@pytest.mark.parametrize("heading_free", [True, False])
def test_a_made_orientation_serves_networks_that_do_not_look_at_the_heading_and_no_others(
    tmp_path: Path, heading_free: bool
) -> None:
    predictor = bundle(tmp_path, features=HEADING_FREE) if heading_free else bundle(tmp_path)
    assert predictor.is_heading_free == heading_free
    assert predictor.source_device == HELIOS or heading_free
    recorded = make_recordings().without("thm", "tof")
    made = replace(recorded, device=with_made_orientation(HELIOS))
    shown = (recorded, recorded.without("quaternion"), made)
    as_recorded, without, found = (predictor.predict(recordings).probabilities for recordings in shown)
    assert not np.allclose(without, as_recorded)
    np.testing.assert_array_equal(found, as_recorded if heading_free else without)


def test_a_bundle_of_made_orientations_takes_recorded_ones(tmp_path: Path) -> None:
    predictor, recorded = bundle(tmp_path, device=with_made_orientation(HELIOS)), make_recordings()
    assert not predictor.device.knows_heading
    expected = predictor.predict(replace(recorded, device=predictor.device)).probabilities
    np.testing.assert_array_equal(predictor.predict(recorded).probabilities, expected)
