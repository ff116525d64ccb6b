"""Stores give back what was put in, in batches of any size, and refuse to be anything but whole."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bfrb.errors import DataError
from bfrb.read.ingest import ingest
from bfrb.read.store import Store, write_store
from bfrb.study.device import DEVICES, HELIOS, Device
from bfrb.study.recordings import Recordings
from cmi_files import assert_same, labelled_study, write_study
from made_up import random_recordings


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return write_store(labelled_study().batches(30), tmp_path / "store", source="made up")


@settings(max_examples=12, deadline=None)
@given(lengths=st.lists(st.integers(1, 9), min_size=1, max_size=6), put=st.integers(1, 30), got=st.integers(1, 30))
@pytest.mark.parametrize("device", DEVICES.values(), ids=list(DEVICES))
def test_what_comes_out_is_what_went_in(
    device: Device, lengths: list[int], put: int, got: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    study = random_recordings(device, lengths, np.random.default_rng(0))
    store = write_store(study.batches(put), tmp_path_factory.mktemp("store") / "s", source="made up")
    assert_same(store.read(), study)
    batches = list(store.batches(got))
    assert all(batch.n_rows <= got or len(batch) == 1 for batch in batches)
    assert_same(Recordings.concat(batches), study)


def test_labels_and_table_are_kept(store: Store) -> None:
    assert_same(store.read(), labelled_study())
    assert store.table.equals(labelled_study().table)
    assert store.device is HELIOS


@pytest.mark.parametrize("simulated", [True, False])
def test_a_store_knows_whether_it_is_simulated(simulated: bool, tmp_path: Path) -> None:
    write_study(tmp_path, labelled_study())
    if simulated:
        (tmp_path / "simulated.toml").touch()
    store = ingest(tmp_path, tmp_path / "store")
    assert store.simulated == store.read().simulated == simulated
    assert ("simulated" in store.describe()) == simulated


def test_a_store_says_where_it_comes_from_without_telling_the_folder(tmp_path: Path) -> None:
    path = write_study(tmp_path, labelled_study())
    manifest = ingest(tmp_path, tmp_path / "store").manifest
    assert (manifest.source, manifest.source_bytes) == ("train.csv", path.stat().st_size)
    assert str(tmp_path) not in (tmp_path / "store" / "store.json").read_text()


def test_readings_are_stored_as_small_types_under_their_column_names(store: Store) -> None:
    schema = pl.read_parquet_schema(store.path / "rows" / "part-00000.parquet")
    assert schema["tof_3_v17"] == pl.Int16
    assert schema["acc_x"] == pl.Float32
    frame = pl.read_parquet(store.path / "rows" / "part-00000.parquet")
    missing = frame["tof_1_v0"].null_count()
    assert missing
    assert frame["tof_1_v0"].min() >= -1


def test_progress_ends_at_the_whole(tmp_path: Path) -> None:
    write_study(tmp_path, labelled_study())
    shares: list[float] = []
    store = ingest(tmp_path, tmp_path / "store", progress=shares.append)
    assert shares[-1] == 1.0
    again: list[float] = []
    list(store.batches(20, again.append))
    assert again[-1] == 1.0


def failing() -> Iterator[Recordings]:
    yield labelled_study()
    raise KeyboardInterrupt


@pytest.mark.parametrize("overwrite", [False, True])
def test_work_that_is_stopped_leaves_everything_as_it_was(overwrite: bool, tmp_path: Path) -> None:
    if overwrite:
        write_store([labelled_study()[:1]], tmp_path / "store", source="before")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(KeyboardInterrupt):
        write_store(failing(), tmp_path / "store", source="made up", overwrite=overwrite)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_damaged_source_leaves_nothing(tmp_path: Path) -> None:
    path = write_study(tmp_path, labelled_study())
    path.write_bytes(path.read_bytes()[:-500])
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError):
        ingest(path, tmp_path / "store")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_store_is_replaced_only_when_that_is_asked_for(store: Store) -> None:
    with pytest.raises(DataError, match="a store already"):
        write_store([labelled_study()], store.path, source="new")
    replaced = write_store([labelled_study()[:2]], store.path, source="new", overwrite=True)
    assert len(replaced.read()) == 2
    assert [path.name for path in store.path.parent.iterdir()] == ["store"]


def test_something_that_is_no_store_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").touch()
    with pytest.raises(DataError, match="something else already"):
        write_store([labelled_study()], tmp_path / "thesis", source="new", overwrite=True)


def test_a_store_cannot_be_put_into_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no folder"):
        write_store([labelled_study()], tmp_path / "a" / "b", source="new")


def test_recordings_that_come_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="comes twice"):
        write_store([labelled_study(), labelled_study()], tmp_path / "store", source="new")
    assert not list(tmp_path.iterdir())


def test_no_recordings_make_no_store(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="got none"):
        write_store([], tmp_path / "store", source="new")
    assert not list(tmp_path.iterdir())


def change_manifest(folder: Path, **changes: object) -> None:
    path = folder / "store.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def flip_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


damages: dict[str, Callable[[Path], object]] = {
    "no manifest": lambda folder: (folder / "store.json").unlink(),
    "half a manifest": lambda folder: (folder / "store.json").write_text((folder / "store.json").read_text()[:200]),
    "a binary manifest": lambda folder: (folder / "store.json").write_bytes(bytes(range(256))),
    "a newer format": lambda folder: change_manifest(folder, format=99),
    "an unknown device": lambda folder: change_manifest(folder, device="abacus"),
    "other numbers": lambda folder: change_manifest(folder, rows=7),
    "no parts": lambda folder: change_manifest(folder, parts=[], rows=0, recordings=0),
    "a part missing": lambda folder: (folder / "rows" / "part-00001.parquet").unlink(),
    "a part cut off": lambda folder: (folder / "rows" / "part-00001.parquet").write_bytes(b"PAR1"),
    "a bit flipped in a part": lambda folder: flip_byte(folder / "rows" / "part-00000.parquet"),
    "a bit flipped in the table": lambda folder: flip_byte(folder / "recordings.parquet"),
}


@pytest.mark.parametrize("damage", damages)
def test_a_damaged_store_is_refused(damage: str, store: Store) -> None:
    damages[damage](store.path)
    with pytest.raises(DataError) as refused:
        Store.open(store.path).read()
    assert refused.value.remedy
    with pytest.raises(DataError):
        list(Store.open(store.path).batches())


def test_the_real_sample_comes_out_as_it_is_read(real_data: Path, tmp_path: Path) -> None:
    from bfrb.read.sources import read

    assert_same(ingest(real_data / "cmi", tmp_path / "store").read(), read(real_data / "cmi"))
