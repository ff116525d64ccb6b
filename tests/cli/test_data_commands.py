"""`bfrb check` and `bfrb ingest`, as they are typed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bfrb.read.store import Store
from cmi_files import assert_same, labelled_study, write_study
from typed_commands import Bfrb


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "study"
    folder.mkdir()
    write_study(folder, labelled_study())
    return folder


def corrupted(data: bytes, low: int, high: int) -> bytes:
    array = np.frombuffer(data, np.uint8).copy()
    rng = np.random.default_rng(0)
    hit = rng.random(len(array)) < 0.01
    array[hit] = rng.integers(low, high, int(hit.sum()))
    return array.tobytes()


def reordered(data: bytes) -> bytes:
    header, *rows = data.splitlines(keepends=True)
    return b"".join([header, *np.random.default_rng(0).permutation(np.array(rows, dtype=object)).tolist()])


def with_one_percent(data: bytes, word: bytes) -> bytes:
    header, *rows = data.splitlines()
    rng = np.random.default_rng(0)
    lines = [header]
    for row in rows:
        fields = row.split(b",")
        for index in np.flatnonzero(rng.random(len(fields) - 9) < 0.01) + 9:
            fields[index] = word
        lines.append(b",".join(fields))
    return b"\n".join(lines) + b"\n"


faults: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda data: data[: len(data) * 2 // 3],
    "truncated by one value": lambda data: data[:-6],
    "reordered": reordered,
    "duplicated": lambda data: data + data.split(b"\n", 1)[1],
    "empty": lambda _: b"",
    "header only": lambda data: data.split(b"\n", 1)[0] + b"\n",
    "binary": lambda _: np.random.default_rng(0).bytes(50_000),
    "wrong-typed": lambda data: data.replace(b",9.", b",nine."),
    "1 % of the bytes": lambda data: corrupted(data, 0, 256),
    "1 % of the bytes, printable": lambda data: corrupted(data, 32, 127),
    "1 % of the values words": lambda data: with_one_percent(data, b"n/k"),
    "1 % of the values empty": lambda data: with_one_percent(data, b""),
    "1 % of the values huge": lambda data: with_one_percent(data, b"99999"),
    "1 % of the values negative": lambda data: with_one_percent(data, b"-40.5"),
}


@pytest.mark.parametrize("fault", faults)
def test_a_damaged_file_ends_with_code_2_a_message_and_nothing_written(fault: str, study: Path, bfrb: Bfrb) -> None:
    path = study / "train.csv"
    data = path.read_bytes()
    path.write_bytes(faults[fault](data))
    assert path.read_bytes() != data
    before = sorted(study.parent.rglob("*"))
    result = bfrb("ingest", study, "--out", study.parent / "store")
    assert (result.code, result.out) == (2, "")
    assert "error: " in result.err
    assert "to do: " in result.err
    assert "Traceback" not in result.err
    assert sorted(study.parent.rglob("*")) == before
    checked = bfrb("check", study, "--json")
    assert checked.code == 2
    assert checked.json["verdict"] == "unusable"


def test_ingest_makes_a_store_that_holds_the_study(study: Path, bfrb: Bfrb) -> None:
    out = study.parent / "store"
    result = bfrb("ingest", study, "--out", out, "--json")
    assert result.code == 0
    assert result.json["recordings"] == len(labelled_study())
    assert result.json["store"] == str(out)
    assert_same(Store.open(out).read(), labelled_study())


def test_ingest_writes_only_to_the_log_without_json(study: Path, bfrb: Bfrb) -> None:
    result = bfrb("ingest", study, "--out", study.parent / "store")
    assert (result.code, result.out) == (0, "")
    assert "wrote" in result.err


def test_ingest_replaces_a_store_only_when_told_to(study: Path, bfrb: Bfrb) -> None:
    out = study.parent / "store"
    assert bfrb("ingest", study, "--out", out).code == 0
    refused = bfrb("ingest", study, "--out", out)
    assert refused.code == 2
    assert "--overwrite" in refused.err
    assert bfrb("ingest", study, "--out", out, "--overwrite").code == 0


def test_check_shows_tables_and_ends_with_0_1_or_2(study: Path, bfrb: Bfrb) -> None:
    result = bfrb("check", study)
    assert result.code == 1  # random readings: many thermopile glitches
    for shown in (
        "SUBJ" if "SUBJ" in result.out else "subjects",
        "thm 3",
        "Eyebrow - pull hair",
        "glitches",
        "warning",
    ):
        assert shown in result.out


def test_check_prints_one_json_object(study: Path, bfrb: Bfrb) -> None:
    found = bfrb("check", study, "--json").json
    assert found["recordings"] == len(labelled_study())
    assert {sensor["name"] for sensor in found["sensors"]} >= {"acc", "quaternion", "thm 1", "tof 5"}


def test_a_path_that_does_not_exist_ends_with_code_2(tmp_path: Path, bfrb: Bfrb) -> None:
    for command in (("check", tmp_path / "no"), ("ingest", tmp_path / "no", "--out", tmp_path / "store")):
        result = bfrb(*command)
        assert (result.code, result.out) == (2, "")
        assert "no such file" in result.err


def test_the_real_sample_and_its_demographics_are_found(real_data: Path, bfrb: Bfrb) -> None:
    result = bfrb("check", real_data / "cmi" / "train_sample.csv", "--json")
    assert result.code == 0
    assert result.json["subjects_without_demographics"] == []


def test_the_real_folders_are_ingested(real_data: Path, tmp_path: Path, bfrb: Bfrb) -> None:
    assert bfrb("ingest", real_data / "cmi", "--out", tmp_path / "cmi", "--json").json["recordings"] == 15
    watch = bfrb("ingest", real_data / "searle2021", "--out", tmp_path / "watch", "--json")
    assert watch.json["device"] == "galaxy_watch"
    assert "exp-5" in watch.err


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
    deadline = time.monotonic() + 60
    while sorted(study.parent.rglob("*")) == before and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert sorted(study.parent.rglob("*")) == before
