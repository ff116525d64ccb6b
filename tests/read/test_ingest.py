"""Ingest: how the batches of a source become the parts of a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from bfrb.read import csv_blocks
from bfrb.read import ingest as ingesting
from bfrb.read.ingest import ingest
from cmi_files import assert_same, labelled_study, write_study


def test_batches_are_joined_to_parts_of_enough_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = labelled_study(lengths=(20,) * 12)
    path = write_study(tmp_path, study)
    monkeypatch.setattr(csv_blocks, "BLOCK_BYTES", 40_000)
    monkeypatch.setattr(ingesting, "PART_ROWS", 70)
    store = ingest(path, tmp_path / "store")
    rows = [part.rows for part in store.manifest.parts]
    assert sum(rows) == 240
    assert len(rows) > 1
    assert all(70 <= part < 140 for part in rows[:-1])
    assert_same(store.read(), study)
