"""The recordings of Searle et al. 2021: rows of two sensors joined, labels decoded."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bfrb.errors import DataError
from bfrb.read.sources import open_source, read
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.labels import SEARLE_BEHAVIORS
from bfrb.study.recordings import Recordings

BEGIN_MS = 1_600_000_000_000
HOUR_MS = 3_600_000
ROWS = 300


def write_experiment(folder: Path, number: int, codes: np.ndarray) -> None:
    """30 s at 10 Hz; the gyroscope begins two rows later, 3 ms off."""
    folder.mkdir(parents=True)
    begin_ms = BEGIN_MS + number * HOUR_MS
    acc, gyr = ["timestamp,x,y,z,label,stage,hand"], ["timestamp,x,y,z,label,stage,hand"]
    for row, code in enumerate(codes):
        acc.append(f"{begin_ms + 100 * row},{number},{row % 7},9.8,{code},1,{'d' if code else 0}")
        gyr += [f"{begin_ms + 100 * row + 3},{row}.5,0,{number},{code},1,0"] * (row >= 2)
    (folder / "accLabeled.csv").write_text("\n".join(acc) + "\n")
    (folder / "gyrLabeled.csv").write_text("\n".join(gyr) + "\n")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Two recordings: skin picking from 5 to 10 s, and fidgeting from 20 to 22 s."""
    picking, fidgeting = np.zeros(ROWS, int), np.zeros(ROWS, int)
    picking[50:100], fidgeting[200:220] = 2, 5
    write_experiment(tmp_path / "data" / "exp-1", 1, picking)
    write_experiment(tmp_path / "data" / "exp-2", 2, fidgeting)
    return tmp_path


def labels(recordings: Recordings) -> np.ndarray:
    annotation = recordings.annotations["gesture"]
    return np.array([*annotation.names, None], dtype=object)[annotation.codes]


def test_every_row_has_its_label_hand_and_both_sensors_where_they_are_near_in_time(clone: Path) -> None:
    found = read(clone)
    assert found.ids == ["exp-1", "exp-2"]
    assert set(labels(found[0])[50:100]) == {"skin picking"}
    assert set(labels(found[0])[:50]) == {"none"}
    assert found[0].annotations["hand"].codes[[0, 60]].tolist() == [-1, 0]
    assert found[1].sensors["acc"][5].tolist() == pytest.approx([2.0, 5.0, 9.8])
    assert found[1].sensors["gyr"][5].tolist() == pytest.approx([5.5, 0.0, 2.0])
    assert np.flatnonzero(np.isnan(found[0].sensors["gyr"]).any(axis=1)).tolist() == [0, 1]  # none is near in time
    assert open_source(clone).device == open_source(clone / "data").device == GALAXY_WATCH
    edit("accLabeled.csv", lambda text: text.replace(f"{BEGIN_MS + HOUR_MS + 2000}", f"{BEGIN_MS + HOUR_MS + 1890}"))(
        clone
    )
    again = read(clone / "data")  # a stamp may step back a little
    assert again.ids == found.ids
    assert np.isnan(again[0].sensors["gyr"]).any(axis=1).sum() == 2


def edit(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def apply(clone: Path) -> None:
        path = clone / "data" / "exp-1" / name
        path.write_text(change(path.read_text()))

    return apply


faults: dict[str, tuple[Callable[[Path], object], str]] = {
    "no experiments": (lambda clone: shutil.rmtree(clone / "data"), "called .*exp-"),
    "no gyroscope": (lambda clone: (clone / "data" / "exp-1" / "gyrLabeled.csv").unlink(), "there is acc and no gyr"),
    "only a header": (edit("gyrLabeled.csv", lambda text: text[:33]), "no rows"),
    "a gap": (edit("accLabeled.csv", lambda text: text.replace(",9.8,", ",,", 1)), "all 3 values"),
    "an unknown code": (edit("accLabeled.csv", lambda text: text.replace("9.8,2", "9.8,8")), "one of the 9 words"),
}


@pytest.mark.parametrize("fault", faults)
def test_a_damaged_clone_is_refused(fault: str, clone: Path) -> None:
    change, message = faults[fault]
    change(clone)
    with pytest.raises(DataError, match=message) as refused:
        read(clone, "searle2021")
    assert refused.value.remedy


def test_all_real_recordings_are_there_and_the_share_of_time_is_that_of_the_paper(real_data: Path) -> None:
    real = open_source(real_data / "searle2021").read()
    assert real.ids == [f"exp-{number}" for number in range(1, 11)]
    assert set(labels(real)) == set(SEARLE_BEHAVIORS.classes)
    assert np.isnan(real.sensors["gyr"]).any(axis=1).sum() < 20
    minutes = real.lengths / real.device.row_rate_hz / 60
    assert 32 < minutes.min() < minutes.max() < 41
    assert abs(np.median(np.linalg.norm(real.sensors["acc"], axis=1)) - 9.8) < 0.3
    assert np.mean(labels(real) != "none") == pytest.approx(0.115, abs=0.003)
