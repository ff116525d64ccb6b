"""Read the recordings of Searle et al. 2021 from a cloned repository (Bhorda/BFRBAnticipationDataset, MIT licence).

Ten people wore a Samsung Galaxy watch for about 36 minutes each. Accelerometer and gyroscope come in files of their
own, whose rows differ by a few and by about a millisecond: every accelerometer row gets the gyroscope row that is
nearest in time, if it is within half a row period, and none otherwise. Stamps that stand still or step back by less
than a second are taken as they are, for the order of rows is the order of time.

What happens stands in the rows. `timestamps.csv`, which says the same once more, is not read: two pairs of these files
are swapped in the repository (exp-5 and exp-6, exp-8 and exp-9); with that undone they agree with the rows in full.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bfrb.arrays import Ints
from bfrb.errors import DataError
from bfrb.read.batches import ReadInBatches
from bfrb.read.cmi_checks import Checker
from bfrb.read.columns import ROW_NUMBER
from bfrb.read.csv_blocks import Progress, iter_csv, open_csv
from bfrb.read.findings import Report, refuse
from bfrb.read.series import nearest_in_time
from bfrb.study.device import GALAXY_WATCH, Device
from bfrb.study.labels import SEARLE_BEHAVIORS, LabelSet
from bfrb.study.recordings import BATCH_ROWS, UNKNOWN, Annotation, Recordings

ACC_FILE, GYR_FILE = "accLabeled.csv", "gyrLabeled.csv"
HANDS = {"d": "dominant", "n": "non-dominant", "b": "both"}
_CODED = SEARLE_BEHAVIORS.classes[:7]
"""Behaviours by the code of their rows; rows of the other two have no code, see `_UNCODED`."""
_UNCODED = {"exp-4": "hair pulling", "exp-8": "leg scratching"}
_LARGEST_STEP_BACK_MS = 1000
_MATCH_MS = 500 / GALAXY_WATCH.row_rate_hz  # half a row period

_AXES = ("x", "y", "z")
_NUMBERS = {"timestamp": pl.Float64} | dict.fromkeys(_AXES, pl.Float32)
_LABELS = {"label": pl.Float64, "hand": pl.String}
_RESTORE = "restore the file from the repository"


@dataclass(frozen=True)
class Searle2021Source(ReadInBatches):
    """The recordings of Searle et al. 2021: accelerometer (m/s^2) and gyroscope (deg/s), one recording per person.

    Rows are annotated with `gesture` (the classes of `SEARLE_BEHAVIORS`) and `hand` (whose it is; unknown where nothing
    happens).

    Parameters
    ----------
    folder
        The cloned repository, or its folder `data`.
    report
        Told of what is wrong, as for `CmiSource`.
    """

    folder: Path
    report: Report | None = None

    @property
    def device(self) -> Device:
        """Always the Galaxy watch."""
        return GALAXY_WATCH

    @property
    def label_set(self) -> LabelSet:
        """Always the study's behaviours."""
        return SEARLE_BEHAVIORS

    @property
    def simulated(self) -> bool:
        """Never."""
        return False

    @property
    def paths(self) -> tuple[Path, ...]:
        """The folder that is read."""
        return (self.folder,)

    def describe(self) -> str:
        """The folder that is read."""
        return f"{self.folder} (Searle et al. 2021)"

    def batches(self, max_rows: int = BATCH_ROWS, progress: Progress | None = None) -> Iterator[Recordings]:
        """The recordings one by one."""
        folders = _find_experiments(self.folder)
        for number, folder in enumerate(folders, 1):
            yield from _read_experiment(folder, self.report or refuse(str(folder))).batches(max_rows)
            if progress is not None:
                progress(number / len(folders))


def is_searle2021(folder: Path) -> bool:
    """Whether a folder holds these recordings: the repository, or its folder `data`."""
    return any(folder.glob(f"exp-*/{ACC_FILE}")) or any(folder.glob(f"data/exp-*/{ACC_FILE}"))


def _find_experiments(folder: Path) -> list[Path]:
    for parent in (folder / "data", folder):
        found = [path for path in parent.glob("exp-*") if path.is_dir() and path.name[4:].isdecimal()]
        if found:
            return sorted(found, key=lambda path: int(path.name[4:]))
    raise DataError(
        f"{folder}: expected the folders exp-1, exp-2, ... of Searle et al. 2021, found none",
        remedy="clone https://github.com/Bhorda/BFRBAnticipationDataset and name its folder",
    )


def _read_experiment(folder: Path, report: Report) -> Recordings:
    acc = _read_rows(folder / ACC_FILE, _NUMBERS | _LABELS, report)
    gyr = _read_rows(folder / GYR_FILE, _NUMBERS, report)
    checker = Checker(report, "line")
    sensors = {
        "acc": checker.readings(acc, GALAXY_WATCH.sensor("acc"), _AXES),
        "gyr": checker.readings(gyr, GALAXY_WATCH.sensor("gyr"), _AXES),
    }
    nearest = nearest_in_time(_times_ms(acc, folder / ACC_FILE), _times_ms(gyr, folder / GYR_FILE), _MATCH_MS)
    sensors["gyr"] = np.where(nearest[:, None] < 0, np.float32(np.nan), sensors["gyr"][nearest])
    table = pl.DataFrame({"id": [folder.name], "subject": [folder.name]})
    annotations = {"gesture": _behaviors(acc, folder), "hand": _hands(acc)}
    return Recordings(GALAXY_WATCH, sensors, np.array([0, acc.height]), table, annotations)


def _read_rows(path: Path, types: dict[str, Any], report: Report) -> pl.DataFrame:
    if not path.is_file():
        raise DataError(f"{path}: no such file", remedy="clone the repository again; every exp folder needs it")
    file = open_csv(path)
    missing = [name for name in types if name not in file.header]
    if missing:
        raise DataError(
            f"{path}: expected the columns {', '.join(types)}, {', '.join(missing)} missing", remedy=_RESTORE
        )
    frames = list(iter_csv(file, types, report))
    if not frames:
        raise DataError(f"{path}: has no rows", remedy=_RESTORE)
    rows = pl.concat(frames)
    empty = max(rows[name].null_count() for name in _NUMBERS)
    if empty:
        raise DataError(f"{path}: expected a time and three readings in every row, {empty} are empty", remedy=_RESTORE)
    return rows


def _times_ms(rows: pl.DataFrame, path: Path) -> Ints:
    times_ms = rows["timestamp"].to_numpy().astype(np.int64)
    latest_ms: Ints = np.maximum.accumulate(times_ms)
    back = np.flatnonzero(times_ms < latest_ms - _LARGEST_STEP_BACK_MS)
    if len(back):
        raise DataError(
            f"{path}: expected rows in the order of time, line {back[0] + 2} is earlier than one before it "
            f"(and {len(back) - 1} more)",
            remedy="sort the rows by time stamp, or restore the file from the repository",
        )
    return latest_ms


def _behaviors(rows: pl.DataFrame, folder: Path) -> Annotation:
    without_code = SEARLE_BEHAVIORS.classes.index(_UNCODED[folder.name]) if folder.name in _UNCODED else UNKNOWN
    codes = rows["label"].fill_null(without_code).to_numpy()
    unknown = ~np.isin(codes, [*range(len(_CODED)), without_code])
    if unknown.any():
        first = int(unknown.argmax())
        raise DataError(
            f"{folder / ACC_FILE}: expected labels from 0 to {len(_CODED) - 1}, found {codes[first]:g} in line "
            f"{rows[ROW_NUMBER][first]} (and {unknown.sum() - 1} more)",
            remedy=_RESTORE,
        )
    return Annotation(codes.astype(np.int8), SEARLE_BEHAVIORS.classes)


def _hands(rows: pl.DataFrame) -> Annotation:
    codes = rows["hand"].replace_strict(list(HANDS), range(len(HANDS)), default=UNKNOWN, return_dtype=pl.Int8)
    return Annotation(codes.to_numpy(), tuple(HANDS.values()))
