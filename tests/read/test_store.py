"""Stores give back what was put in, in batches of any size, and refuse to be anything but whole."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bfrb.errors import DataError
from bfrb.read import csv_blocks, sources
from bfrb.read.sources import ingest
from bfrb.read.store import Store, write_store
from bfrb.study.device import DEVICES, Device
from bfrb.study.recordings import Recordings
from cmi_files import assert_same, labelled_study, write_study
from made_up import random_recordings


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return write_store(labelled_study().batches(30), tmp_path / "store", source="made up")


@pytest.mark.parametrize(("put", "got"), [(1, 30), (7, 3), (30, 1)])
@pytest.mark.parametrize("device", DEVICES.values(), ids=list(DEVICES))
def test_what_comes_out_is_what_went_in(device: Device, put: int, got: int, tmp_path: Path) -> None:
    study = random_recordings(device, [3, 9, 1, 5], np.random.default_rng(0))
    store = write_store(study.batches(put), tmp_path / "store", source="made up")
    assert_same(store.read(), study)
    shares: list[float] = []
    batches = list(store.batches(got, shares.append))
    assert shares[-1] == 1.0
    assert all(batch.n_rows <= got or len(batch) == 1 for batch in batches)
    assert_same(Recordings.concat(batches), study)


def test_labels_and_table_are_kept_and_readings_stored_as_small_types(store: Store) -> None:
    assert_same(store.read(), labelled_study())
    assert store.table.equals(labelled_study().table)
    assert store.lengths.tolist() == labelled_study().lengths.tolist()
    frame = pl.read_parquet(store.path / "rows" / "part-00000.parquet")
    assert (frame.schema["tof_3_v17"], frame.schema["acc_x"]) == (pl.Int16, pl.Float32)
    assert frame["tof_1_v0"].null_count()
    assert frame["tof_1_v0"].min() >= -1


@pytest.mark.parametrize("simulated", [True, False])
def test_a_store_knows_where_it_comes_from(simulated: bool, tmp_path: Path) -> None:
    path = write_study(tmp_path, labelled_study())
    if simulated:
        (tmp_path / "simulated.toml").touch()
    store = ingest(tmp_path, tmp_path / "store")
    assert store.simulated == store.read().simulated == simulated
    assert ("simulated" in store.describe()) == simulated
    assert (store.manifest.source, store.manifest.source_bytes) == ("train.csv", path.stat().st_size)
    assert str(tmp_path) not in (tmp_path / "store" / "store.json").read_text()


def test_batches_of_a_source_are_joined_to_parts_of_enough_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = labelled_study(lengths=(20,) * 12)
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 40_000)
    monkeypatch.setattr(sources, "PART_ROWS", 70)
    shares: list[float] = []
    store = ingest(write_study(tmp_path, study), tmp_path / "store", progress=shares.append)
    rows = [part.rows for part in store.manifest.parts]
    assert sum(rows) == 240
    assert all(20 < part <= 70 for part in rows[:-1])
    assert shares[-1] == 1.0
    assert_same(store.read(), study)


def failing(error: BaseException) -> Iterator[Recordings]:
    yield labelled_study()
    raise error


@pytest.mark.parametrize("overwrite", [False, True])
def test_work_that_is_stopped_leaves_everything_as_it_was(overwrite: bool, tmp_path: Path) -> None:
    if overwrite:
        write_store([labelled_study()[:1]], tmp_path / "store", source="before")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(KeyboardInterrupt):
        write_store(failing(KeyboardInterrupt()), tmp_path / "store", source="made up", overwrite=overwrite)
    with pytest.raises(DataError, match="got none"):
        write_store([], tmp_path / "store", source="made up", overwrite=overwrite)
    with pytest.raises(DataError, match="comes twice"):
        write_store([labelled_study()] * 2, tmp_path / "store", source="made up", overwrite=overwrite)
    assert sorted(tmp_path.rglob("*")) == before


def test_only_a_store_is_replaced_and_only_when_told_to(store: Store, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--overwrite"):
        write_store([labelled_study()], store.path, source="new")
    assert write_store([labelled_study()[:1]], store.path, source="new", overwrite=True).manifest.recordings == 1
    (tmp_path / "thesis").mkdir()
    with pytest.raises(DataError, match="something else"):
        write_store([labelled_study()], tmp_path / "thesis", source="new", overwrite=True)
    with pytest.raises(DataError, match="no folder"):
        write_store([labelled_study()], tmp_path / "absent" / "store", source="new")


def test_a_store_never_takes_the_place_of_what_it_is_made_of(store: Store) -> None:
    write_study(store.path, labelled_study())  # a store that also holds a table
    for source in (store.path, store.path / "train.csv", store.path / "rows" / ".."):
        with pytest.raises(DataError, match="place of its source"):
            ingest(source, store.path, overwrite=True)
    assert_same(Store.open(store.path).read(), labelled_study())


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
    for read in (Store.read, lambda opened: list(opened.batches()), lambda opened: list(opened.stretches())):
        with pytest.raises(DataError) as refused:
            read(Store.open(store.path))
        assert refused.value.remedy
