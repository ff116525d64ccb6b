"""The recordings of Searle et al. 2021: rows of two sensors joined, labels decoded."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bfrb.errors import DataError
from bfrb.read.sources import open_source, read
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.labels import SEARLE_BEHAVIORS
from bfrb.study.recordings import Recordings


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Two recordings of 30 s at 10 Hz: skin picking from 5 to 10 s, and fidgeting from 20 to 22 s."""
    row = np.arange(300)
    for number, code, begin, end in ((1, 2, 50, 100), (2, 5, 200, 220)):
        (folder := tmp_path / "data" / f"exp-{number}").mkdir(parents=True)
        doing = (row >= begin) & (row < end)
        stamps_ms = 1_600_000_000_000 + number * 3_600_000 + 100 * row
        last = {"label": code * doing, "stage": 1, "hand": np.where(doing, "d", "0")}
        acc = pl.DataFrame({"timestamp": stamps_ms, "x": number, "y": row % 7, "z": 9.8} | last)
        acc.write_csv(folder / "accLabeled.csv")
        gyr = pl.DataFrame({"timestamp": stamps_ms + 3, "x": row + 0.5, "y": 0, "z": number} | last)
        gyr[2:].write_csv(folder / "gyrLabeled.csv")  # the gyroscope begins two rows later
    return tmp_path


def labels(recordings: Recordings) -> np.ndarray:
    annotation = recordings.annotations["gesture"]
    return np.array([*annotation.names, None], dtype=object)[annotation.codes]


def edit(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


def test_every_row_has_its_label_hand_and_both_sensors_where_they_are_near_in_time(clone: Path) -> None:
    found = read(clone)
    assert found.ids == ["exp-1", "exp-2"]
    assert labels(found[0])[:100].tolist() == ["none"] * 50 + ["skin picking"] * 50
    assert found[0].annotations["hand"].codes[[0, 60]].tolist() == [-1, 0]
    assert found[1].sensors["acc"][5].tolist() == pytest.approx([2.0, 5.0, 9.8])
    assert found[1].sensors["gyr"][5].tolist() == pytest.approx([5.5, 0.0, 2.0])
    assert np.flatnonzero(np.isnan(found[0].sensors["gyr"]).any(axis=1)).tolist() == [0, 1]  # none is near in time
    assert open_source(clone).device == open_source(clone / "data").device == GALAXY_WATCH
    edit(clone / "data" / "exp-1" / "accLabeled.csv", "1600003602000", "1600003601890")  # a small step back
    again = read(clone / "data")
    assert again.ids == found.ids
    assert np.isnan(again[0].sensors["gyr"]).any(axis=1).sum() == 2


def test_a_damaged_clone_is_refused(clone: Path) -> None:
    acc, gyr = (clone / "data" / "exp-1" / f"{name}Labeled.csv" for name in ("acc", "gyr"))
    for change, message in (
        (lambda: gyr.write_text("timestamp,x,y,z,label,stage,hand\n"), "no rows"),
        (lambda: edit(acc, ",9.8,", ",,"), "all 3 values"),
        (lambda: edit(acc, ",2,1,d", ",8,1,d"), "one of the 9 words"),
        (gyr.unlink, "there is acc and no gyr"),
        (lambda: shutil.rmtree(clone / "data"), "called .*exp-"),
    ):
        change()
        with pytest.raises(DataError, match=message):
            read(clone, "searle2021")


def test_all_real_recordings_are_there_and_the_share_of_time_is_that_of_the_paper(real_data: Path) -> None:
    real = open_source(real_data / "searle2021").read()
    assert real.ids == [f"exp-{number}" for number in range(1, 11)]
    assert set(labels(real)) == set(SEARLE_BEHAVIORS.classes)
    assert np.isnan(real.sensors["gyr"]).any(axis=1).sum() < 20
    minutes = real.lengths / real.device.row_rate_hz / 60
    assert 32 < minutes.min() < minutes.max() < 41
    assert abs(np.median(np.linalg.norm(real.sensors["acc"], axis=1)) - 9.8) < 0.3
    assert np.mean(labels(real) != "none") == pytest.approx(0.115, abs=0.003)
