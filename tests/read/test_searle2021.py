"""The recordings of Searle et al. 2021: rows of two sensors joined, labels decoded, swapped files mended."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bfrb.errors import DataError
from bfrb.read.searle2021 import is_searle2021, read_episodes, read_searle2021
from bfrb.read.sources import open_source
from bfrb.study.labels import SEARLE_BEHAVIORS
from bfrb.study.recordings import Recordings

BEGIN_MS = 1_600_000_000_000
HOUR_MS = 3_600_000
ROWS = 300


def write_experiment(folder: Path, number: int, episodes: str, codes: np.ndarray) -> None:
    """30 s at 10 Hz; the gyroscope begins two rows later, 3 ms off."""
    folder.mkdir(parents=True)
    begin_ms = BEGIN_MS + number * HOUR_MS
    acc = [
        f"{begin_ms + 100 * row},{number},{row % 7},9.8,{codes[row]},1,{'d' if codes[row] else 0}"
        for row in range(ROWS)
    ]
    gyr = [f"{begin_ms + 100 * row + 3},{row}.5,0,{number},{codes[row]},1,0" for row in range(2, ROWS)]
    header = "timestamp,x,y,z,label,stage,hand"
    (folder / "accLabeled.csv").write_text("\n".join([header, *acc]) + "\n")
    (folder / "gyrLabeled.csv").write_text("\n".join([header, *gyr]) + "\n")
    stamp = f"start,end,hand,label,stage\n{begin_ms},{begin_ms + 30_000},,,\n0.00,0.30,,,1\n"
    (folder / "timestamps.csv").write_text(stamp + episodes)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Two recordings: skin picking from 5 to 10 s, and fidgeting from 20 to 22 s."""
    picking, fidgeting = np.zeros(ROWS, int), np.zeros(ROWS, int)
    picking[50:100], fidgeting[200:220] = 2, 5
    write_experiment(tmp_path / "data" / "exp-1", 1, "0.05,0.10,d,skin picking,1\n", picking)
    write_experiment(tmp_path / "data" / "exp-2", 2, "0.20,0.22,d,fidgeting,1\n", fidgeting)
    return tmp_path


def labels(recordings: Recordings) -> np.ndarray:
    annotation = recordings.annotations["gesture"]
    return np.array([*annotation.names, None], dtype=object)[annotation.codes]


def swap(folder: Path) -> None:
    first, second = (folder / "data" / name / "timestamps.csv" for name in ("exp-1", "exp-2"))
    kept = first.read_text()
    first.write_text(second.read_text())
    second.write_text(kept)


def test_every_row_has_its_label_hand_and_both_sensors(clone: Path) -> None:
    read = read_searle2021(clone)
    assert read.ids == ["exp-1", "exp-2"]
    assert set(labels(read[0])[50:100]) == {"skin picking"}
    assert set(labels(read[0])[:50]) == {"none"}
    assert read[0].annotations["hand"].codes[[0, 60]].tolist() == [-1, 0]
    assert read[1].sensors["acc"][5].tolist() == pytest.approx([2.0, 5.0, 9.8])
    assert read[1].sensors["gyr"][5].tolist() == pytest.approx([5.5, 0.0, 2.0])


def test_a_row_without_a_gyroscope_row_near_in_time_has_none(clone: Path) -> None:
    gyr = read_searle2021(clone)[0].sensors["gyr"]
    assert np.flatnonzero(np.isnan(gyr).any(axis=1)).tolist() == [0, 1]


def test_the_data_folder_and_the_repository_are_the_same(clone: Path) -> None:
    assert is_searle2021(clone)
    assert is_searle2021(clone / "data")
    assert read_searle2021(clone / "data").ids == read_searle2021(clone).ids


def test_swapped_episode_files_are_mended_and_said(clone: Path, caplog: pytest.LogCaptureFixture) -> None:
    right = read_episodes(clone)
    assert not caplog.records
    swap(clone)
    assert read_episodes(clone).equals(right)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert "exp-1" in warnings[0]
    assert "exp-2" in warnings[0]


def test_episodes_count_from_the_first_row(clone: Path) -> None:
    path = clone / "data" / "exp-1" / "timestamps.csv"
    path.write_text(path.read_text().replace(str(BEGIN_MS + HOUR_MS), str(BEGIN_MS + HOUR_MS - 2000)))
    episode = read_episodes(clone).row(0, named=True)
    assert (episode["start_s"], episode["end_s"]) == (3.0, 8.0)
    assert (episode["behavior"], episode["hand"], episode["subject"]) == ("skin picking", "dominant", "exp-1")


def test_a_stamp_that_steps_back_a_little_is_no_fault(clone: Path) -> None:
    path = clone / "data" / "exp-1" / "accLabeled.csv"
    stamp = str(BEGIN_MS + HOUR_MS + 2000)
    path.write_text(path.read_text().replace(stamp, str(BEGIN_MS + HOUR_MS + 1890)))
    gyr = read_searle2021(clone)[0].sensors["gyr"]
    assert np.isnan(gyr).any(axis=1).sum() == 2


def test_rows_without_a_code_are_named_by_their_experiment(clone: Path) -> None:
    (clone / "data" / "exp-1").rename(clone / "data" / "exp-4")
    for name in ("accLabeled.csv", "timestamps.csv"):
        path = clone / "data" / "exp-4" / name
        path.write_text(path.read_text().replace("9.8,2,1,d", "9.8,,1,d").replace("skin picking", "hair pulling"))
    read = read_searle2021(clone)
    assert read.ids == ["exp-2", "exp-4"]
    assert set(labels(read[1])[50:100]) == {"hair pulling"}


def edit(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    def apply(clone: Path) -> None:
        path = clone / "data" / "exp-1" / name
        path.write_text(change(path.read_text()))

    return apply


faults: dict[str, tuple[Callable[[Path], object], str]] = {
    "no experiments": (lambda clone: shutil.rmtree(clone / "data"), "exp-1, exp-2"),
    "no gyroscope": (lambda clone: (clone / "data" / "exp-1" / "gyrLabeled.csv").unlink(), "no such file"),
    "an empty file": (edit("gyrLabeled.csv", lambda _: ""), "empty file"),
    "only a header": (edit("gyrLabeled.csv", lambda text: text[:33]), "no rows"),
    "other columns": (edit("accLabeled.csv", lambda text: text.replace("label", "mood", 1)), "label missing"),
    "a word": (edit("accLabeled.csv", lambda text: text.replace(",9.8,", ",down,", 1)), "'down' in line 2, column z"),
    "a gap": (edit("accLabeled.csv", lambda text: text.replace(",9.8,", ",,", 1)), "1 are empty"),
    "a crash": (edit("accLabeled.csv", lambda text: text.replace(",9.8,", ",980,", 1)), "found 980 in line 2"),
    "half a line": (edit("accLabeled.csv", lambda text: text[:2000]), "fields in every line"),
    "an unknown code": (edit("accLabeled.csv", lambda text: text.replace("9.8,2", "9.8,8")), "labels from 0 to 6"),
    "time backwards": (
        edit("accLabeled.csv", lambda text: "\n".join([text[:32], *reversed(text.splitlines()[1:])]) + "\n"),
        "order of time",
    ),
    "labels that are not in the episodes": (
        edit("timestamps.csv", lambda text: text.replace("skin picking", "nail biting")),
        "differ from the episodes",
    ),
    "an unknown behaviour": (edit("timestamps.csv", lambda text: text.replace("skin picking", "singing")), "'singing'"),
    "episodes without times": (edit("timestamps.csv", lambda text: text.replace("0.05", "early")), "timestamps.csv"),
    "binary episodes": (edit("timestamps.csv", lambda _: "\0\1\2"), "timestamps.csv"),
    "episodes of another day": (
        lambda clone: [edit("timestamps.csv", lambda text: text.replace("16000", "17000"))(clone)],
        "began at",
    ),
}


@pytest.mark.parametrize("fault", faults)
def test_a_damaged_clone_is_refused(fault: str, clone: Path) -> None:
    change, message = faults[fault]
    change(clone)
    with pytest.raises(DataError, match=message) as refused:
        read_searle2021(clone)
    assert refused.value.remedy


def test_recordings_without_episode_files_are_read(clone: Path) -> None:
    for path in clone.glob("data/*/timestamps.csv"):
        path.unlink()
    assert len(read_searle2021(clone)) == 2
    with pytest.raises(DataError, match=r"timestamps\.csv"):
        read_episodes(clone)


@pytest.fixture(scope="module")
def real(real_data: Path) -> Recordings:
    return open_source(real_data / "searle2021").read()


def test_all_real_recordings_are_there(real: Recordings) -> None:
    assert real.ids == [f"exp-{number}" for number in range(1, 11)]
    assert set(labels(real)) == set(SEARLE_BEHAVIORS.classes)
    assert np.isnan(real.sensors["gyr"]).any(axis=1).sum() < 20
    minutes = real.lengths / real.device.row_rate_hz / 60
    assert 32 < minutes.min() < minutes.max() < 41


def test_real_accelerations_hold_gravity(real: Recordings) -> None:
    norm = np.linalg.norm(real.sensors["acc"], axis=1)
    assert abs(np.median(norm) - 9.8) < 0.3


def test_the_real_episodes_are_those_of_the_paper(real_data: Path, caplog: pytest.LogCaptureFixture) -> None:
    episodes = read_episodes(real_data / "searle2021")
    counts = dict(episodes["behavior"].value_counts().rows())
    assert counts["skin picking"] == 89
    assert counts["face touching"] == 74
    assert episodes.height == 215
    lengths_s = episodes["end_s"] - episodes["start_s"]
    assert (lengths_s.min(), lengths_s.median(), lengths_s.max()) == pytest.approx((1, 7, 66))
    mended = [record.getMessage() for record in caplog.records if "found them in" in record.getMessage()]
    assert [text.split("episodes of ")[1].split(" ")[0] for text in mended] == ["exp-5", "exp-6", "exp-8", "exp-9"]


def test_the_share_of_time_in_which_something_happens_is_that_of_the_paper(real: Recordings) -> None:
    assert np.mean(labels(real) != "none") == pytest.approx(0.115, abs=0.003)
