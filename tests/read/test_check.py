"""A check counts what is there and goes on where the strict reader stops."""

from functools import partial
from pathlib import Path

import polars as pl
import pytest

from bfrb.read import csv_blocks
from bfrb.read.check import CheckReport, check
from bfrb.read.sources import ingest
from bfrb.study.device import HELIOS
from cmi_files import LENGTHS, labelled_study, rows_as_published, write_study


def kinds(report: CheckReport, severity: str) -> dict[str, int]:
    return {finding.kind: finding.count for finding in report.findings if finding.severity == severity}


def credible() -> pl.DataFrame:
    """Rows in which nothing is suspicious."""
    tremble = (pl.int_range(pl.len()) % 7 - 3) * 0.1
    rows = rows_as_published(labelled_study(missing=0.0)).with_columns(
        acc_x=tremble, acc_y=tremble, acc_z=tremble + 9.81, rot_w=1.0, rot_x=0.0, rot_y=0.0, rot_z=0.0
    )
    return rows.with_columns((tremble + 30.0).alias(name) for name in HELIOS.sensor("thm").columns)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_study(tmp_path, labelled_study())
    credible().write_csv(tmp_path / "train.csv")
    return tmp_path


def test_missing_rows_are_counted_by_sensor(folder: Path) -> None:
    others = pl.when(pl.col("sequence_id") != "SEQ_000001")
    lost = ("thm_2", *(f"tof_4_v{pixel}" for pixel in range(64)))
    credible().with_columns(others.then(pl.col(name)).alias(name) for name in lost).write_csv(folder / "train.csv")
    report = check(folder)
    assert report.verdict == "fine"
    counts = {name: (count.missing_rows, count.missing_recordings) for name, count in report.census.sensors.items()}
    assert counts["thm 2"] == counts["tof 4"] == (LENGTHS[1], 1)
    assert counts["thm 1"] == counts["tof 3"] == (0, 0)


def test_a_source_without_faults_is_fine_and_blocks_and_a_store_count_like_the_whole(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = check(folder)
    assert (report.verdict, report.exit_code, report.findings) == ("fine", 0, ())
    assert (report.census.recordings, report.census.rows) == (len(LENGTHS), sum(LENGTHS))
    assert report.census.gestures == dict.fromkeys(labelled_study().gestures, 1)
    whole, stored = check(folder).to_dict(), check(ingest(folder, tmp_path / "store").path).to_dict()
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 20_000)
    assert check(folder).to_dict() == whole
    assert stored.pop("source") != whole.pop("source")
    assert stored == whole


def test_faults_of_many_kinds_are_all_counted(folder: Path) -> None:
    row = pl.int_range(pl.len())
    rows = credible().with_columns(
        thm_1=pl.when(row < 3).then(pl.lit("warm")).otherwise(pl.col("thm_1").cast(pl.String)),
        acc_x=pl.when(row.is_between(20, 21)).then(900.0).otherwise("acc_x"),
        gesture=pl.when(pl.col("sequence_id") == "SEQ_000002").then(pl.lit("Sneeze")).otherwise("gesture"),
        sequence_counter=pl.when(row == 50).then(77).otherwise("sequence_counter"),
    )
    pl.concat([rows, rows[:12]]).write_csv(folder / "train.csv")
    report = check(folder)
    assert report.exit_code == 2
    assert kinds(report, "error") == {
        "unreadable value": 6,
        "impossible value": 2,
        "unknown gesture": LENGTHS[2],
        "row out of order": 1,
        "sequence in several places": 12,
    }
    # The sequence with the row out of order is left out, the others are counted.
    assert report.census.recordings == len(LENGTHS) - 1


def test_lines_that_are_damaged_are_counted_and_the_others_read(folder: Path) -> None:
    path = folder / "train.csv"
    lines = path.read_bytes().splitlines(keepends=True)
    lines[3], lines[40] = lines[3][:-60] + b"\n", lines[40].replace(b"e", b"\xff")
    path.write_bytes(b"".join(lines))
    report = check(folder)
    assert {"wrong number of fields": 1, "not text": 1}.items() <= kinds(report, "error").items()
    assert report.census.recordings >= 3


def test_subjects_without_demographics_are_a_warning(folder: Path) -> None:
    table = folder / "train_demographics.csv"
    table.write_text("\n".join(table.read_text().splitlines()[:-1]) + "\n")
    report = check(folder)
    assert (report.exit_code, kinds(report, "warning")) == (1, {"no demographics": 1})
    assert report.census.subjects_without_demographics == ["SUBJ_000002"]
    table.write_text(table.read_text().replace("SUBJ_00000", "subj_"))
    assert kinds(check(folder), "warning") == {"no demographics": 3, "ids of other subjects": 2}


@pytest.mark.parametrize("measures", ["0,18,0,1,170,52,25", "1,30,0,1,175,71,44", "1,30,0,1,175,52,55"])
def test_measures_that_do_not_fit_together_are_a_warning(measures: str, folder: Path) -> None:
    table = folder / "train_demographics.csv"
    first, line, *others = table.read_text().splitlines(keepends=True)
    table.write_text("".join([first, f"{line.partition(',')[0]},{measures}\n", *others]))
    assert kinds(check(folder), "warning") == {"age and adult_child" if measures[0] == "0" else "arm length": 1}


def glitched(count: int, rows: pl.DataFrame) -> pl.DataFrame:
    study = pl.concat([rows.with_columns(sequence_id=pl.col("sequence_id") + f"x{copy}") for copy in range(4)])
    return study.with_columns(thm_3=pl.when(pl.int_range(pl.len()) < count).then(0.37).otherwise(pl.col("thm_3")))


@pytest.mark.parametrize(
    ("change", "severity", "expected"),
    [
        (lambda rows: rows[:-20], "warning", {"no gesture phase": 1}),
        (lambda rows: rows.with_columns(phase=pl.lit("Gesture"))[:16], "warning", {"very short": 1}),
        (lambda rows: rows.with_columns(rot_w=-pl.col("rot_w")), "note", {"quaternion sign": sum(LENGTHS)}),
        (partial(glitched, 1), "note", {"glitches of thm 3": 1}),
        (partial(glitched, 40), "warning", {"glitches of thm 3": 40}),
    ],
)
def test_what_is_suspicious_is_told(change: object, severity: str, expected: dict[str, int], folder: Path) -> None:
    change(credible()).write_csv(folder / "train.csv")  # type: ignore[operator]
    assert kinds(check(folder), severity) == expected
