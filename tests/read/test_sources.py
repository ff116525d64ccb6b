"""Any source is recognised by what lies there, and read whole, in batches, or some rows at a time."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import bfrb
from bfrb.errors import ConfigError, DataError
from bfrb.read.sources import HeldSource, Source, ingest, open_source
from bfrb.study.device import HELIOS
from bfrb.study.recordings import Recordings
from cmi_files import assert_same, labelled_study, write_study

places: dict[str, Callable[[Path], Source]] = {
    "a file": lambda folder: open_source(folder / "train.csv"),
    "a folder": lambda folder: open_source(str(folder)),
    "a store": lambda folder: open_source(ingest(folder, folder / "store").path),
    "a store of a store": lambda folder: ingest(ingest(folder, folder / "store").path, folder / "copy"),
    "memory": lambda _: HeldSource(labelled_study(), "memory"),
}


@pytest.mark.parametrize("place", places)
def test_the_same_recordings_from_anywhere_are_the_same(place: str, tmp_path: Path) -> None:
    study = labelled_study()
    write_study(tmp_path, study)
    source = places[place](tmp_path)
    assert source.device == HELIOS
    assert_same(source.read(), study)
    assert_same(Recordings.concat(list(source.batches(max_rows=20))), study)
    found = list(source.stretches(max_rows=8))
    assert [part.id for part in found if part.begins] == study.ids
    assert all(len(part.sensors["acc"]) <= 8 for part in found)
    for name, values in study.sensors.items():
        np.testing.assert_array_equal(np.concatenate([part.sensors[name] for part in found]), values)


def test_a_description_names_the_files(tmp_path: Path) -> None:
    path = write_study(tmp_path, labelled_study())
    assert open_source(tmp_path).describe() == f"{path} as cmi with train_demographics.csv"
    assert open_source(tmp_path).paths == (path, tmp_path / "train_demographics.csv")
    (tmp_path / "mine.csv").write_text("subject,age\nSUBJ_000000,99\n")
    named = bfrb.read(path, demographics=tmp_path / "mine.csv")
    assert set(named.table["age"].drop_nulls()) == {99.0}
    (tmp_path / "train_demographics.csv").unlink()
    assert open_source(tmp_path).describe() == f"{path} as cmi with no demographics"


def test_what_cannot_be_read_is_refused_with_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(DataError, match=r"(?s)store\.json.*train.*exp-.*holiday\.jpg"):
        open_source(tmp_path)
    with pytest.raises(DataError, match="no such file or folder"):
        open_source(tmp_path / "nothing")
    with pytest.raises(ConfigError, match="'mnist'"):
        open_source(tmp_path, "mnist")
    write_study(tmp_path, labelled_study())
    with pytest.raises(DataError, match="exp-"):  # a description that is named is not guessed
        open_source(tmp_path, "searle2021").read()
