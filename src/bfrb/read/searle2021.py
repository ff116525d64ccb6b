"""Read the recordings of Searle et al. 2021 from a cloned repository (Bhorda/BFRBAnticipationDataset, MIT licence).

Ten people wore a Samsung Galaxy watch for about 36 minutes each. Accelerometer and gyroscope come in files of their
own, whose rows differ by a few and by about a millisecond: every accelerometer row gets the gyroscope row that is
nearest in time, if it is within half a row period, and none otherwise. Stamps that stand still or step back by less
than a second are taken as they are, for the order of rows is the order of time.

Two pairs of `timestamps.csv` are swapped in the repository (exp-5 and exp-6, exp-8 and exp-9). A file of episodes says
when its recording began, so each is taken for the recording that began then.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from bfrb.arrays import Ints
from bfrb.errors import DataError
from bfrb.read.cmi_checks import Checker
from bfrb.read.columns import convert
from bfrb.read.csv_blocks import iter_csv, open_csv
from bfrb.read.findings import Finding, Report, refuse
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.labels import SEARLE_BEHAVIORS
from bfrb.study.recordings import UNKNOWN, Annotation, Recordings

log = logging.getLogger(__name__)

ACC_FILE, GYR_FILE, EPISODES_FILE = "accLabeled.csv", "gyrLabeled.csv", "timestamps.csv"
HANDS = {"d": "dominant", "n": "non-dominant", "b": "both"}
_CODED = SEARLE_BEHAVIORS.classes[:7]
"""Behaviours by the code of their rows; rows of the other two have no code, see `_UNCODED`."""
_UNCODED = {"exp-4": "hair pulling", "exp-8": "leg scratching"}
_LARGEST_STEP_BACK_MS = 1000
_LARGEST_DELAY_S = 600.0
_MATCH_MS = 500 / GALAXY_WATCH.row_rate_hz  # half a row period

_AXES = ("x", "y", "z")
_NUMBERS = {"timestamp": pl.Int64} | dict.fromkeys(_AXES, pl.Float32)
_LABELS = {"label": pl.Int16, "hand": pl.String}


def is_searle2021(folder: Path) -> bool:
    """Whether a folder holds these recordings: the repository, or its folder `data`."""
    return any(folder.glob(f"exp-*/{ACC_FILE}")) or any(folder.glob(f"data/exp-*/{ACC_FILE}"))


def read_searle2021(folder: Path | str, report: Report | None = None) -> Recordings:
    """All recordings: accelerometer (m/s^2) and gyroscope (deg/s), one recording per person.

    Rows are annotated with `gesture` (the classes of `SEARLE_BEHAVIORS`) and `hand` (whose it is; unknown where nothing
    happens). If all files of episodes are there, the row labels are held against them.

    Parameters
    ----------
    folder
        The cloned repository, or its folder `data`.
    report
        Told what was mended; by default that is logged.

    Raises
    ------
    DataError
        If files are missing or damaged, or labels and episodes do not agree.
    """
    report = report or refuse(str(folder))
    folders = _find_experiments(Path(folder))
    parts = [_read_experiment(experiment) for experiment in folders]
    if all((experiment / EPISODES_FILE).is_file() for experiment in folders):
        _check_agreement(parts, _match_episodes(folders, parts, report))
    recordings = Recordings.concat([recording for recording, _ in parts])
    log.info("read %d recordings of Searle et al. 2021 from %s", len(recordings), folder)
    return recordings


def read_episodes(folder: Path | str) -> pl.DataFrame:
    """The labelled episodes: `subject`, `start_s`, `end_s` (from the recording's first row), `behavior`, `hand`.

    Parameters
    ----------
    folder
        The cloned repository, or its folder `data`.

    Raises
    ------
    DataError
        If files are missing or damaged, or an episode file fits no recording.
    """
    folders = _find_experiments(Path(folder))
    return _match_episodes(folders, [_read_experiment(experiment) for experiment in folders], refuse(str(folder)))


def _find_experiments(folder: Path) -> list[Path]:
    for parent in (folder / "data", folder):
        found = [path for path in parent.glob("exp-*") if path.is_dir() and path.name[4:].isdecimal()]
        if found:
            return sorted(found, key=lambda path: int(path.name[4:]))
    raise DataError(
        f"{folder}: expected the folders exp-1, exp-2, ... of Searle et al. 2021, found none",
        remedy="clone https://github.com/Bhorda/BFRBAnticipationDataset and name its folder",
    )


_Part = tuple[Recordings, Ints]
"""A recording, and the (N,) time stamps in ms of its rows."""


def _read_experiment(folder: Path) -> _Part:
    report = refuse(str(folder))
    acc = _read_rows(folder / ACC_FILE, _NUMBERS | _LABELS)
    gyr = _read_rows(folder / GYR_FILE, _NUMBERS)
    times_ms = _times_ms(acc, folder / ACC_FILE)
    sensors = {
        "acc": Checker(report, "line").readings(acc, GALAXY_WATCH.sensor("acc"), _AXES),
        "gyr": Checker(report, "line").readings(gyr, GALAXY_WATCH.sensor("gyr"), _AXES),
    }
    nearest = _nearest(times_ms, _times_ms(gyr, folder / GYR_FILE))
    sensors["gyr"] = np.where(nearest[:, None] < 0, np.float32(np.nan), sensors["gyr"][nearest])
    name = folder.name
    recording = Recordings(
        GALAXY_WATCH,
        sensors,
        np.array([0, acc.height]),
        pl.DataFrame({"id": [name], "subject": [name]}),
        {"gesture": _behaviors(acc, name, report), "hand": _hands(acc)},
    )
    return recording, times_ms


def _read_rows(path: Path, types: dict[str, Any]) -> pl.DataFrame:
    if not path.is_file():
        raise DataError(f"{path}: no such file", remedy="clone the repository again; every exp folder needs it")
    file = open_csv(path)
    missing = [name for name in types if name not in file.header]
    if missing:
        raise DataError(
            f"{path}: expected the columns {', '.join(types)}, {', '.join(missing)} missing",
            remedy="restore the file from the repository",
        )
    report = refuse(str(path))
    # The labels of a file with unlabelled rows are written as 0.0, so all columns are read as numbers with a fraction.
    raw = {name: pl.Float32 if dtype == pl.Int16 else dtype for name, dtype in types.items()}
    frames = [convert(frame, types, report, "line") for frame in iter_csv(file, raw, report)]
    if not frames:
        raise DataError(f"{path}: has no rows", remedy="restore the file from the repository")
    rows = pl.concat(frames)
    empty = rows.select(pl.col(*_NUMBERS).null_count()).row(0)
    if any(empty):
        raise DataError(
            f"{path}: expected a time and three readings in every row, {max(empty)} are empty",
            remedy="restore the file from the repository",
        )
    return rows


def _times_ms(rows: pl.DataFrame, path: Path) -> Ints:
    times_ms: Ints = rows["timestamp"].to_numpy()
    latest_ms: Ints = np.maximum.accumulate(times_ms)
    back = np.flatnonzero(times_ms < latest_ms - _LARGEST_STEP_BACK_MS)
    if len(back):
        raise DataError(
            f"{path}: expected rows in the order of time, line {back[0] + 2} is earlier than one before it "
            f"(and {len(back) - 1} more)",
            remedy="sort the rows by time stamp, or restore the file from the repository",
        )
    return latest_ms


def _nearest(times_ms: Ints, others_ms: Ints) -> Ints:
    """For every time the position of the nearest other one, -1 if there is none within half a row period."""
    after = np.clip(np.searchsorted(others_ms, times_ms), 1, len(others_ms) - 1)
    nearest = after - (times_ms - others_ms[after - 1] <= others_ms[after] - times_ms)
    return np.where(np.abs(others_ms[nearest] - times_ms) <= _MATCH_MS, nearest, -1)


def _behaviors(rows: pl.DataFrame, name: str, report: Report) -> Annotation:
    without_code = SEARLE_BEHAVIORS.classes.index(_UNCODED[name]) if name in _UNCODED else UNKNOWN
    unknown = ~rows["label"].is_between(0, len(_CODED) - 1).fill_null(True)
    if unknown.any():
        first = int(unknown.arg_true()[0])
        expected = f"labels from 0 to {len(_CODED) - 1}"
        place = f"line {first + 2} of {ACC_FILE}"
        remedy = "restore the file from the repository"
        found = str(rows["label"][first])
        report(Finding("unknown label", "error", expected, found, remedy, place, int(unknown.sum())))
    return Annotation(rows["label"].fill_null(without_code).to_numpy(), SEARLE_BEHAVIORS.classes)


def _hands(rows: pl.DataFrame) -> Annotation:
    codes = rows["hand"].replace_strict(list(HANDS), range(len(HANDS)), default=UNKNOWN, return_dtype=pl.Int8)
    return Annotation(codes.to_numpy(), tuple(HANDS.values()))


def _match_episodes(folders: list[Path], parts: list[_Part], report: Report) -> pl.DataFrame:
    """The episodes of every recording, from the file whose recording began when it did."""
    files = [_read_episode_file(folder / EPISODES_FILE) for folder in folders]
    begins_s = np.array([begin for begin, _ in files])
    tables = []
    for folder, (recording, times_ms) in zip(folders, parts, strict=True):
        first_s = times_ms[0] / 1000
        nearest = int(np.argmin(np.abs(begins_s - first_s)))
        if abs(begins_s[nearest] - first_s) > _LARGEST_DELAY_S:
            raise DataError(
                f"{folder}: no {EPISODES_FILE} says that a recording began at {first_s:.0f} s",
                remedy="restore the files from the repository, or remove all of that name",
            )
        if folders[nearest] != folder:
            report(_swapped(folder.name, folders[nearest].name))
        delay_s = begins_s[nearest] - first_s
        subject = pl.lit(recording.table["subject"][0]).alias("subject")
        shifted = files[nearest][1].with_columns(pl.col("start_s", "end_s") + delay_s)
        tables.append(shifted.select(subject, "start_s", "end_s", "behavior", "hand"))
    return pl.concat(tables)


def _swapped(name: str, other: str) -> Finding:
    return Finding(
        "swapped episodes",
        "warning",
        f"the episodes of {name} in its own {EPISODES_FILE}",
        f"them in that of {other}",
        "nothing: they are read from there",
    )


def _read_episode_file(path: Path) -> tuple[float, pl.DataFrame]:
    """When the recording began, in seconds since 1970, and its episodes in seconds from then."""
    try:
        rows = pl.read_csv(path.read_bytes(), infer_schema=False).select("start", "end", "hand", "label")
        begin_s = int(rows["start"][0]) / 1000
        labelled = rows[1:].filter(pl.col("label").is_not_null())
        episodes = labelled.select(
            start_s=_seconds(pl.col("start")),
            end_s=_seconds(pl.col("end")),
            behavior=pl.col("label").str.strip_chars(),
            hand=pl.col("hand").replace_strict(HANDS, return_dtype=pl.String),
        )
    except (pl.exceptions.PolarsError, UnicodeDecodeError, ValueError, TypeError, IndexError, OSError) as error:
        raise DataError(
            f"{path}: expected episodes (start, end, hand, label), but {str(error).splitlines()[0]}",
            remedy="restore the file from the repository",
        ) from None
    unknown = episodes.filter(~pl.col("behavior").is_in(SEARLE_BEHAVIORS.classes))["behavior"].to_list()
    if unknown:
        raise DataError(
            f"{path}: unknown behaviour {unknown[0]!r}", remedy=f"known are: {', '.join(SEARLE_BEHAVIORS.classes)}"
        )
    return begin_s, episodes


def _seconds(minutes: pl.Expr) -> pl.Expr:
    """Seconds of times written as minutes.seconds, such as 12.40."""
    parts = minutes.str.strip_chars().str.split_exact(".", 1)
    return parts.struct.field("field_0").cast(pl.Float64) * 60 + parts.struct.field("field_1").str.pad_end(2, "0").cast(
        pl.Float64
    )


def _check_agreement(parts: list[_Part], episodes: pl.DataFrame) -> None:
    """Refuse row labels that differ from the episodes in more than 1 % of a recording's rows."""
    for recording, times_ms in parts:
        subject = recording.table["subject"][0]
        labels = recording.annotations["gesture"].codes
        seconds = (times_ms - times_ms[0]) / 1000
        expected = np.zeros(len(labels), dtype=np.int8)
        for start_s, end_s, behavior in (
            episodes.filter(pl.col("subject") == subject).select("start_s", "end_s", "behavior").rows()
        ):
            expected[(seconds >= start_s) & (seconds < end_s)] = SEARLE_BEHAVIORS.classes.index(behavior)
        differ = int((expected != labels).sum())
        if differ > 0.01 * len(labels):
            raise DataError(
                f"{subject}: {differ} of {len(labels)} row labels differ from the episodes",
                remedy=f"restore {ACC_FILE} and {EPISODES_FILE} from the repository",
            )
        if differ:
            log.info("%s: %d of %d row labels differ from the episodes", subject, differ, len(labels))
