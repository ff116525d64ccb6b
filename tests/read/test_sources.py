"""Any source is recognised by what lies there."""

from __future__ import annotations

from pathlib import Path

import pytest

from bfrb.errors import ConfigError, DataError
from bfrb.read.ingest import ingest
from bfrb.read.sources import open_source, read
from bfrb.study.device import GALAXY_WATCH, HELIOS
from bfrb.study.recordings import Recordings
from cmi_files import assert_same, labelled_study, write_study


def test_a_file_a_folder_and_a_store_of_the_same_recordings_give_the_same(tmp_path: Path) -> None:
    path = write_study(tmp_path, labelled_study())
    store = ingest(path, tmp_path / "store")
    for place in (path, str(tmp_path), store.path):
        source = open_source(place)
        assert source.device is HELIOS
        assert_same(source.read(), labelled_study())
        assert_same(Recordings.concat(list(source.batches(max_rows=20))), labelled_study())


def test_a_description_names_the_files(tmp_path: Path) -> None:
    path = write_study(tmp_path, labelled_study())
    assert open_source(tmp_path).describe() == f"{path} with train_demographics.csv"
    (tmp_path / "train_demographics.csv").unlink()
    assert open_source(tmp_path).describe() == f"{path} with no demographics"


def test_other_demographics_may_be_named(tmp_path: Path) -> None:
    path = write_study(tmp_path, labelled_study())
    (tmp_path / "mine.csv").write_text("subject,age\nSUBJ_000000,99\n")
    table = open_source(path, demographics=tmp_path / "mine.csv").read().table
    assert set(table["age"].drop_nulls()) == {99.0}


def test_a_store_can_be_ingested_again(tmp_path: Path) -> None:
    store = ingest(write_study(tmp_path, labelled_study()), tmp_path / "store")
    assert_same(ingest(store.path, tmp_path / "copy").read(), labelled_study())


def test_the_real_folders_are_recognised(real_data: Path) -> None:
    assert open_source(real_data / "cmi").device is HELIOS
    assert open_source(real_data / "searle2021").device is GALAXY_WATCH
    assert open_source(real_data / "searle2021" / "data").device is GALAXY_WATCH


def test_a_folder_of_something_else_says_what_was_looked_for_and_found(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(DataError, match=r"(?s)store\.json.*train\.csv.*exp-1.*holiday\.jpg"):
        open_source(tmp_path)


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file or folder"):
        open_source(tmp_path / "nothing")


def test_a_dataset_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'mnist'"):
        open_source(tmp_path, "mnist")


def test_a_dataset_that_is_named_is_not_guessed(tmp_path: Path) -> None:
    write_study(tmp_path, labelled_study())
    with pytest.raises(DataError, match="exp-1"):
        open_source(tmp_path, "searle2021").read()
    assert_same(open_source(tmp_path, "cmi").read(), read(tmp_path))
