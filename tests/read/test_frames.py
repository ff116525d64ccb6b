"""Frames of pandas, and bytes that are no frame."""

import io
from collections.abc import Callable
from contextlib import suppress

import polars as pl
import pytest

from bfrb.errors import DataError
from bfrb.read.frames import as_polars, read_frame, write_arrow

FRAME = pl.DataFrame({"text": ["a", None, "b"] * 40, "whole": range(120)})


def parquet(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file)
    return file.getvalue()


def test_texts_are_written_in_the_form_that_every_reader_knows() -> None:
    pa = pytest.importorskip("pyarrow")
    ipc = pytest.importorskip("pyarrow.ipc")
    table = ipc.open_stream(io.BytesIO(write_arrow(FRAME))).read_all()
    assert table.schema.field("text").type == pa.large_string()


@pytest.mark.parametrize("write", [write_arrow, parquet])
def test_frames_that_are_cut_off_or_altered_are_refused_or_read(write: Callable[[pl.DataFrame], bytes]) -> None:
    for data in (b"", b"\xff\xff\xff\xff", b"PAR1", b"PAR1" * 3, b"ARROW1\0\0", b"\x80\x04\x95."):
        with pytest.raises(DataError):
            read_frame(data)
    whole = write(FRAME)
    for place in range(0, len(whole) - 8, 31):
        altered = whole[:place] + (1 << 62).to_bytes(8, "little") + whole[place + 8 :]
        for data in (whole[:place], altered):
            with suppress(DataError):
                assert read_frame(data).height >= 0


def test_frames_of_pandas_become_those_of_polars_if_every_column_has_a_name_of_its_own() -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pl.DataFrame({"text": ["a", None], "whole": [1, None], "real": [0.5, 1.5], "truth": [True, False]})
    assert as_polars(frame.to_pandas(), "it").with_columns(pl.col("whole").cast(pl.Int64)).equals(frame)
    for names in (["a", "b", "a"], ["1", 1, "b"]):
        with pytest.raises(DataError, match=f"'{names[0]}' comes twice"):
            as_polars(pd.DataFrame([[1, 2, 3]], columns=names), "it")
    with pytest.raises(DataError, match="got dict"):
        as_polars({"acc_x": [1.0]}, "it")
