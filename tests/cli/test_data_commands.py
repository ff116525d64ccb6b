"""`bfrb check` and `bfrb ingest`, as they are typed."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bfrb.read.store import Store
from cmi_files import assert_same, labelled_study
from typed_commands import Bfrb
from waiting import until


@pytest.mark.parametrize("readable", [True, False])
def test_a_damaged_file_ends_with_code_2_a_message_and_nothing_written(readable: bool, study: Path, bfrb: Bfrb) -> None:
    path = study / "train.csv"
    data = path.read_bytes()
    path.write_bytes(data.replace(b"row_id", b"gyr_x", 1) if readable else data[: len(data) * 2 // 3])
    before = sorted(study.parent.rglob("*"))
    assert bfrb("ingest", study, "--out", study.parent / "store").refuses("error: ", "to do: ").out == ""
    assert sorted(study.parent.rglob("*")) == before
    checked = bfrb("check", study, "--json")
    assert (checked.code, checked.json["verdict"]) == ((1, "usable with warnings") if readable else (2, "unusable"))


def test_ingest_makes_a_store_that_holds_the_study(study: Path, bfrb: Bfrb) -> None:
    out = study.parent / "store"
    result = bfrb("ingest", study, "--out", out, "--json").works()
    assert (result.json["recordings"], result.json["store"]) == (len(labelled_study()), str(out))
    assert_same(Store.open(out).read(), labelled_study())
    assert bfrb("ingest", study, "--out", out).refuses("--overwrite").out == ""
    assert "wrote" in bfrb("ingest", study, "--out", out, "--overwrite").works().err
    bfrb("ingest", out, "--out", out, "--overwrite").refuses("place of its source")
    assert_same(Store.open(out).read(), labelled_study())


@pytest.mark.skipif(os.name != "posix", reason="closes standard output as shells do")
@pytest.mark.parametrize(
    ("redirection", "told", "option"),
    [(">&-", "standard output is closed", "--json"), (">/dev/full", "No space left", "")],
)
def test_a_result_that_cannot_be_printed_is_an_error(study: Path, redirection: str, told: str, option: str) -> None:
    command = f"{sys.executable} -m bfrb check {study} {option} {redirection}"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(
        command, shell=True, stderr=subprocess.PIPE, text=True, timeout=60, check=False, env=environment
    )
    assert (done.returncode, told in done.stderr) == (2, True)
    assert not re.search("Traceback|Exception", done.stderr)


def test_check_shows_tables_or_json_and_ends_with_0_1_or_2(study: Path, bfrb: Bfrb) -> None:
    result = bfrb("check", study)
    assert result.code == 1  # random readings: many thermopile glitches
    for shown in ("subjects", "thm 3", "Eyebrow - pull hair", "glitches", "warning"):
        assert shown in result.out
    found = bfrb("check", study, "--json").json
    assert found["recordings"] == len(labelled_study())
    assert {sensor["name"] for sensor in found["sensors"]} >= {"acc", "quaternion", "thm 1", "tof 5"}


def test_real_recordings_are_ingested_and_no_such_path_is_refused(real_data: Path, tmp_path: Path, bfrb: Bfrb) -> None:
    assert bfrb("ingest", real_data / "cmi", "--out", tmp_path / "cmi", "--json").json["recordings"] == 15
    for command in (("check", tmp_path / "no"), ("ingest", tmp_path / "no", "--out", tmp_path / "store")):
        assert bfrb(*command).refuses("no such file").out == ""


@pytest.mark.skipif(os.name != "posix", reason="sends the signal of Ctrl-C")
def test_ctrl_c_leaves_nothing_behind(study: Path) -> None:
    path = study / "train.csv"
    rows = path.read_bytes().split(b"\n", 1)[1]
    with path.open("ab") as file:
        for copy in range(400):
            file.write(rows.replace(b"SEQ_0", f"SEQ_{copy + 1}".encode()))
    before = sorted(study.parent.rglob("*"))
    command = [sys.executable, "-m", "bfrb", "ingest", str(study), "--out", str(study.parent / "store")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    until(lambda: sorted(study.parent.rglob("*")) != before or process.poll() is not None)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, "Traceback" in err) == (130, "", False)
    assert sorted(study.parent.rglob("*")) == before


def test_a_description_is_replaced_only_with_overwrite(tmp_path: Path, bfrb: Bfrb) -> None:
    table = tmp_path / "walk.csv"
    table.write_text("time_s,acc_x,acc_y,acc_z\n" + "".join(f"{row / 10},0,0,9.8\n" for row in range(50)))
    command = ("devices", "describe", table, "--out")
    bfrb(*command, tmp_path / "mine.toml").works()
    bfrb(*command, tmp_path / "mine.toml").refuses("is there already", "--overwrite")
    bfrb(*command, tmp_path / "mine.toml", "--overwrite").works()
    bfrb(*command, table, "--overwrite").refuses("would be written over")
