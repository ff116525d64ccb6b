"""Studies of others, from their descriptions alone: from checking to a report, on a few people each."""

import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from bfrb.view.collection import open_collection
from typed_commands import Bfrb

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "studies"
SETTINGS = ("folds=2", "rocket.rows=24", "rocket.biases=1", "windows.step_s=20")
LONGEST_DESCRIPTION = 25


def _some_of(people: list[str], recordings: int) -> Callable[[Path, Path], None]:
    """Copies the first recordings of every activity of some people, a file each."""

    def copy(source: Path, folder: Path) -> None:
        for name in people:
            frame = pl.read_parquet(source / f"{name}.parquet")
            by_activity = frame.group_by("activity", maintain_order=True).agg(
                pl.col("recording").unique(maintain_order=True)
            )
            kept = by_activity["recording"].list.head(recordings).explode()
            frame.filter(pl.col("recording").is_in(kept.implode())).write_parquet(folder / f"{name}.parquet")

    return copy


def _some_of_utd(source: Path, folder: Path) -> None:
    frame = pl.read_parquet(source / "recordings.parquet")
    frame.filter(pl.col("subject").is_in(["s1", "s2", "s3"])).write_parquet(folder / "recordings.parquet")


def _some_of_searle(source: Path, folder: Path) -> None:
    for name in ("exp-1", "exp-2"):
        shutil.copytree(source / "data" / name, folder / "data" / name)


STUDIES: dict[str, tuple[str, Callable[[Path, Path], None]]] = {
    "ha24": ("ha24_watch", _some_of(["user01", "user02"], 1)),
    "wisdm": ("wisdm_watch", _some_of(["1600", "1601"], 1)),
    "utd_mhad": ("utd_mhad_wrist", _some_of_utd),
    "searle2021": ("searle2021", _some_of_searle),
}


@pytest.mark.usefixtures("trained_here")
@pytest.mark.parametrize("study", STUDIES)
def test_a_study_of_others_goes_through_every_command(study: str, real_data: Path, bfrb: Bfrb, tmp_path: Path) -> None:
    place, copy = STUDIES[study]
    data, model = tmp_path / "data", tmp_path / "model"
    data.mkdir()
    copy(real_data / place, data)
    own = EXAMPLES / f"{study}.toml"
    how = ("--description", own if own.is_file() else study)
    if own.is_file():
        assert len(own.read_text().splitlines()) <= LONGEST_DESCRIPTION

    checked = bfrb("check", data, *how, "--json")
    assert (checked.code, checked.json["verdict"]) == (0, "fine")
    bfrb("ingest", data, *how, "--out", tmp_path / "store").works()
    settings = [text for each in SETTINGS for text in ("--set", each)]
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
