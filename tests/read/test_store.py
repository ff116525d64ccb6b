"""Stores give back what was put in, in batches of any size, and refuse to be anything but whole."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bfrb.errors import DataError
from bfrb.read import csv_blocks, sources
from bfrb.read.sources import ingest
from bfrb.read.store import Store, write_store
from bfrb.study.device import DEVICES, GALAXY_WATCH
from bfrb.study.recordings import Recordings
from cmi_files import assert_same, labelled_study, write_study
from made_up import random_recordings

WATCH = random_recordings(GALAXY_WATCH, [3, 9, 1, 5], np.random.default_rng(0))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return write_store(labelled_study().batches(30), tmp_path / "store", source="made up")


@pytest.mark.parametrize(("put", "got"), [(1, 30), (7, 3), (30, 1)])
@pytest.mark.parametrize("study", [labelled_study((3, 9, 1, 5)), WATCH], ids=list(DEVICES))
def test_what_comes_out_is_what_went_in(study: Recordings, put: int, got: int, tmp_path: Path) -> None:
    store = write_store(study.batches(put), tmp_path / "store", source="made up")
    assert_same(store.read(), study)
    assert (store.table.equals(study.table), store.lengths.tolist()) == (True, study.lengths.tolist())
    shares: list[float] = []
    batches = list(store.batches(got, shares.append))
    assert shares[-1] == 1.0
    assert all(batch.n_rows <= got or len(batch) == 1 for batch in batches)
    assert_same(Recordings.concat(batches), study)
    frame = pl.read_parquet(store.path / "rows" / "part-00000.parquet")
    assert {frame.schema[name] for name in frame.columns if name.startswith("tof")} <= {pl.Int16}
    assert frame.schema["acc_x"] == pl.Float32


def test_a_store_knows_where_it_comes_from_and_has_parts_of_enough_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = labelled_study(lengths=(20,) * 12)
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 40_000)
    monkeypatch.setattr(sources, "PART_ROWS", 70)
    path, shares = write_study(tmp_path, study), []
    (tmp_path / "simulated.toml").touch()
    store = ingest(path, tmp_path / "store", progress=shares.append)
    assert all(20 < part.rows <= 70 for part in store.manifest.parts[:-1])
    assert shares[-1] == 1.0
    assert_same(store.read(), study)
    assert store.simulated == store.read().simulated == ("simulated" in store.describe())
    assert (store.manifest.source, store.manifest.source_bytes) == ("train.csv", path.stat().st_size)
    assert str(tmp_path) not in (tmp_path / "store" / "store.json").read_text()


def stopped() -> Iterator[Recordings]:
    yield labelled_study()
    raise KeyboardInterrupt


def test_work_that_is_stopped_leaves_everything_as_it_was(store: Store, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    for name, overwrite in (("new", False), ("store", True)):
        write = partial(write_store, out=tmp_path / name, source="made up", overwrite=overwrite)
        with pytest.raises(KeyboardInterrupt):
            write(stopped())
        with pytest.raises(DataError, match="got none"):
            write([])
        with pytest.raises(DataError, match="comes twice"):
            write([labelled_study()] * 2)
    assert sorted(tmp_path.rglob("*")) == before


def test_only_a_store_is_replaced_if_told_to_and_never_by_what_is_made_of_it(store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert write_store([labelled_study()[:1]], tmp_path / "empty", source="new").manifest.recordings == 1
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "page").touch()
    for place, overwrite, told in (
        ("store", False, "--overwrite"),
        ("thesis", True, "something else"),
        ("absent/store", False, "no folder"),
    ):
        with pytest.raises(DataError, match=told):
            write_store([labelled_study()], tmp_path / place, source="new", overwrite=overwrite)
    write_study(store.path, labelled_study())  # a store that also holds a table
    for source in (store.path, store.path / "train.csv", store.path / "rows" / ".."):
        with pytest.raises(DataError, match="place of its source"):
            ingest(source, store.path, overwrite=True)
    assert_same(Store.open(store.path).read(), labelled_study())
    assert write_store([labelled_study()[:1]], store.path, source="new", overwrite=True).manifest.recordings == 1


def changed(**changes: object) -> Callable[[bytes], bytes]:
    return lambda text: json.dumps(json.loads(text) | changes).encode()


def flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


damages: dict[str, tuple[str, Callable[[bytes], bytes] | None]] = {
    "no manifest": ("store.json", None),
    "half a manifest": ("store.json", lambda text: text[:200]),
    "a binary manifest": ("store.json", lambda _: bytes(range(256))),
    "a newer format": ("store.json", changed(format=99)),
    "an unknown device": ("store.json", changed(device="abacus")),
    "other numbers": ("store.json", changed(rows=7)),
    "no parts": ("store.json", changed(parts=[], rows=0, recordings=0)),
    "a part missing": ("rows/part-00001.parquet", None),
    "a part cut off": ("rows/part-00001.parquet", lambda _: b"PAR1"),
    "a bit flipped in a part": ("rows/part-00000.parquet", flipped),
    "a bit flipped in the table": ("recordings.parquet", flipped),
}


@pytest.mark.parametrize("damage", damages)
def test_a_damaged_store_is_refused(damage: str, store: Store) -> None:
    name, change = damages[damage]
    data = (store.path / name).read_bytes()
    (store.path / name).unlink() if change is None else (store.path / name).write_bytes(change(data))
    for read in (Store.read, lambda opened: list(opened.batches()), lambda opened: list(opened.stretches())):
        with pytest.raises(DataError) as refused:
            read(Store.open(store.path))
        assert refused.value.remedy
