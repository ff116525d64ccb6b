"""Frames from bytes that claim more than they hold."""

from __future__ import annotations

import io
import struct
from typing import Any

import polars as pl
import pytest

from bfrb.errors import DataError
from bfrb.read import claims
from bfrb.read.frames import as_pandas, from_pandas, read_arrow, read_frame, read_parquet, write_arrow, write_parquet

FRAME = pl.DataFrame({"text": ["a", None, "b"] * 40, "whole": range(120)})


def stream(frame: pl.DataFrame, compression: Any = "zstd") -> bytes:
    file = io.BytesIO()
    frame.write_ipc_stream(file, compression=compression, compat_level=pl.CompatLevel.oldest())
    return file.getvalue()


def parquet(frame: pl.DataFrame, **options: Any) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file, compression="zstd", **options)
    return file.getvalue()


def test_texts_are_written_in_the_form_that_every_reader_knows() -> None:
    pa = pytest.importorskip("pyarrow")
    ipc = pytest.importorskip("pyarrow.ipc")
    table = ipc.open_stream(io.BytesIO(write_arrow(FRAME))).read_all()
    assert table.schema.field("text").type == pa.large_string()


@pytest.mark.parametrize("data", [b"", b"\xff\xff\xff\xff", b"PAR1", b"PAR1" * 3, b"ARROW1\0\0", b"\x80\x04\x95."])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(DataError):
        read_frame(data)


@pytest.mark.parametrize("write", [stream, parquet])
def test_frames_that_are_cut_off_are_refused_or_lack_whole_batches(write: Any) -> None:
    data = write(FRAME)
    for end in range(0, len(data) - 1, 7):
        try:
            frame = read_frame(data[:end])
        except DataError:
            continue
        assert frame.height == 0 or frame.equals(FRAME)


BOMB_ROWS = 30_000_000


@pytest.mark.parametrize("value", [0, None])
@pytest.mark.parametrize("write", [stream, parquet])
def test_a_few_bytes_that_unpack_to_many_values_are_refused(write: Any, value: int | None) -> None:
    data = write(pl.select(pl.repeat(value, BOMB_ROWS, dtype=pl.Int8)))
    assert len(data) < 1_000_000
    with pytest.raises(DataError, match="20,000,000 values"):
        read_frame(data)


@pytest.mark.parametrize("write", [stream, parquet])
def test_a_few_bytes_that_unpack_to_many_bytes_are_refused(write: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "MAX_UNPACKED_BYTES", 1 << 20)
    monkeypatch.setattr(
        claims.Budget, "__init__", lambda budget: budget.__dict__.update(values=99, unpacked_bytes=1 << 20)
    )
    data = write(pl.DataFrame({"text": ["x" * 2_000_000]}))
    assert len(data) < 10_000
    with pytest.raises(DataError, match="1 MiB unpacked"):
        read_frame(data)


def test_a_packed_buffer_may_not_claim_more_than_is_allowed() -> None:
    data = bytearray(stream(FRAME.select("whole"), "lz4"))
    place = data.index(struct.pack("<q", 8 * FRAME.height), data.index(b"whole") + 100)
    for claim in (1 << 40, (1 << 63) - 1, -2):
        struct.pack_into("<q", data, place, claim)
        with pytest.raises(DataError, match="unpacked"):
            read_arrow(bytes(data))


def test_a_record_batch_may_not_claim_many_rows() -> None:
    pa = pytest.importorskip("pyarrow")
    ipc = pytest.importorskip("pyarrow.ipc")
    file = io.BytesIO()
    table = pa.table({"nothing": pa.nulls(1_000_000_000)})
    with ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    assert len(file.getvalue()) < 1000
    with pytest.raises(DataError, match="20,000,000 values"):
        read_arrow(file.getvalue())


RARE = {
    "lists": pl.DataFrame({"x": [[1, 2], [3]]}),
    "structs": pl.DataFrame({"x": [{"a": 1}]}),
    "arrays": pl.DataFrame({"x": pl.Series([[1, 2]], dtype=pl.Array(pl.Int8, 2))}),
    "categories": pl.DataFrame({"x": pl.Series(["a", "b"], dtype=pl.Categorical)}),
}


@pytest.mark.parametrize("frame", RARE.values(), ids=RARE)
def test_columns_that_are_not_plain_are_refused_in_streams(frame: pl.DataFrame) -> None:
    with pytest.raises(DataError, match="plain columns"):
        read_arrow(stream(frame))


@pytest.mark.parametrize("name", ["lists", "structs", "arrays"])
def test_columns_that_are_not_plain_are_refused_in_parquet(name: str) -> None:
    with pytest.raises(DataError, match="plain columns"):
        read_parquet(parquet(RARE[name]))


def test_columns_of_an_extension_type_are_refused() -> None:
    pa = pytest.importorskip("pyarrow")
    ipc = pytest.importorskip("pyarrow.ipc")
    field = pa.field("x", pa.int64(), metadata={"ARROW:extension:name": "POLARS_EXTENSION_TYPE"})
    file = io.BytesIO()
    with ipc.new_stream(file, pa.schema([field])) as writer:
        writer.write_batch(pa.record_batch([pa.array([1])], schema=pa.schema([field])))
    with pytest.raises(DataError, match="extension"):
        read_arrow(file.getvalue())


@pytest.mark.parametrize("options", [{}, {"row_group_size": 50}, {"statistics": False}, {"data_page_size": 64}])
def test_parquet_of_every_shape_is_read(options: dict[str, Any]) -> None:
    assert read_frame(parquet(FRAME, **options)).equals(FRAME)
    assert read_frame(parquet(FRAME.clear(), **options)).equals(FRAME.clear())


@pytest.mark.parametrize("options", [{}, {"data_page_version": "2.0"}, {"use_dictionary": False}, {"version": "1.0"}])
@pytest.mark.parametrize("compression", ["lz4", "snappy", "zstd", "gzip", None])
def test_parquet_of_another_writer_is_read(options: dict[str, Any], compression: Any) -> None:
    pa = pytest.importorskip("pyarrow")
    pq = pytest.importorskip("pyarrow.parquet")
    file = io.BytesIO()
    pq.write_table(pa.table(FRAME.to_dict(as_series=False)), file, compression=compression, **options)
    assert read_frame(file.getvalue()).equals(FRAME)


def test_frames_of_pandas_and_back() -> None:
    pd = pytest.importorskip("pandas")
    frame = pl.DataFrame({"text": ["a", None], "whole": [1, None], "real": [0.5, 1.5], "truth": [True, False]})
    back = as_pandas(frame)
    assert isinstance(back, pd.DataFrame)
    assert from_pandas(back).with_columns(pl.col("whole").cast(pl.Int64)).equals(frame)


def test_texts_too_long_for_pandas_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pandas")
    monkeypatch.setattr("bfrb.read.frames.MAX_UNPACKED_BYTES", 1000)
    with pytest.raises(DataError, match="short texts"):
        as_pandas(pl.DataFrame({"x": ["a" * 600] * 2}))


def test_parquet_is_written_for_every_reader() -> None:
    pq = pytest.importorskip("pyarrow.parquet")
    assert pq.read_table(io.BytesIO(write_parquet(FRAME))).to_pydict() == FRAME.to_dict(as_series=False)
