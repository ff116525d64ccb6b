"""Studies of others, from their descriptions alone: from checking to a report, on a few people each."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from bfrb.view.collection import open_collection
from typed_commands import Bfrb

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "studies"
ROCKET = ("rocket.rows=24", "rocket.biases=1")
MICRO = ("networks=['micro']", "micro.widths=[8, 16]", "micro.kernel_s=0.3", "training.epochs=1")
LONGEST_DESCRIPTION = 25


FIRST_OF_ACTIVITY = pl.col("recording") == pl.col("recording").first().over("activity")
MINUTE = pl.int_range(pl.len()).over("recording") < 60 * 20
# Where each lies, which of its files (or folders) are taken, and which rows of these.
STUDIES: dict[str, tuple[str, list[str], pl.Expr | None]] = {
    "ha24": ("ha24_watch", ["user01", "user02"], FIRST_OF_ACTIVITY),
    "wisdm": ("wisdm_watch", ["1600", "1601"], FIRST_OF_ACTIVITY & MINUTE),
    "utd_mhad": ("utd_mhad_wrist", ["recordings"], pl.col("subject").is_in(["s1", "s2"])),
    "searle2021": ("searle2021", ["data/exp-1", "data/exp-2"], None),
}


@pytest.mark.usefixtures("jobs_here")
@pytest.mark.parametrize("study", STUDIES)
def test_a_study_of_others_goes_through_every_command(study: str, real_data: Path, bfrb: Bfrb, tmp_path: Path) -> None:
    place, names, kept = STUDIES[study]
    data, model = tmp_path / "data", tmp_path / "model"
    data.mkdir()
    for name in names:
        if kept is None:
            shutil.copytree(real_data / place / name, data / name)
        else:
            pl.read_parquet(real_data / place / f"{name}.parquet").filter(kept).write_parquet(data / f"{name}.parquet")
    own = EXAMPLES / f"{study}.toml"
    how = ("--description", own if own.is_file() else study)
    if own.is_file():
        assert len(own.read_text().splitlines()) <= LONGEST_DESCRIPTION

    checked = bfrb("check", data, *how, "--json")
    assert (checked.code, checked.json["verdict"]) == (0, "fine")
    bfrb("ingest", data, *how, "--out", tmp_path / "store").works()
    changes = ("folds=2", "windows.step_s=20", *(ROCKET if study == "ha24" else MICRO))
    settings = [part for change in changes for part in ("--set", change)]
    bfrb("train", data, *how, "--out", model, "--preset", "quick", *settings, "--no-report").works()
    bfrb("evaluate", model, data, *how, "--json").works()
    page = tmp_path / "page.html"
    bfrb("report", model, "--data", data, *how, "--out", page).works()
    assert page.stat().st_size > 20_000
    shown = open_collection(data, tmp_path, str(how[1]))
    assert len(shown) == checked.json["recordings"]
    assert shown.panels(0)
    if study == "ha24":
        ready, out = tmp_path / "ready", tmp_path / "events.csv"
        calibrated = bfrb("calibrate", model, data, *how, "--out", ready, "--set", "step_s=10", "--json").works()
        assert calibrated.json["subjects"] == 2
        found = bfrb("detect", ready, data / "user01.parquet", *how, "--out", out, "--json").works()
        assert (found.json["recordings"], found.json["counts"]["windows"] > 100) == (15, True)
