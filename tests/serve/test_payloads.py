"""Payloads as Python values, whatever wrote them; hostile bytes are refused, and no pickle is run."""

from __future__ import annotations

import io
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bfrb.errors import BfrbError
from bfrb.read import frames
from bfrb.serve.kaggle_pb2 import KaggleEvaluationRequest, Payload, PayloadList
from bfrb.serve.payloads import decode
from kaggle_messages import payload

SOURCES = Path(__file__).resolve().parents[2] / "src"
DESCRIPTION = re.compile(r"AddSerializedFile\(b'.*'\)")


def test_the_generated_module_says_what_the_proto_file_says(tmp_path: Path) -> None:
    protoc = pytest.importorskip("grpc_tools.protoc")
    protoc.main(["protoc", f"--proto_path={SOURCES}", f"--python_out={tmp_path}", "bfrb/serve/kaggle.proto"])
    anew, kept = (folder.joinpath("bfrb/serve/kaggle_pb2.py").read_text() for folder in (tmp_path, SOURCES))
    # Other versions of protoc write other code round the same description.
    assert DESCRIPTION.search(anew)[0] == DESCRIPTION.search(kept)[0]


@pytest.mark.parametrize(
    ("name", "rows"),
    [("request_predict_polars1.25.2_9batches.bin", 84), ("request_predict_polars2.1.0_1batch.bin", 63)],
)
def test_a_captured_request_holds_a_sequence_and_its_subject(captured: Path, name: str, rows: int) -> None:
    data = (captured / name).read_bytes()
    request = KaggleEvaluationRequest.FromString(data)
    sequence, demographics = map(decode, request.args)
    assert (request.name, dict(request.kwargs)) == ("predict", {})
    assert request.SerializeToString() == data
    assert sequence.shape == (rows, 336)
    assert sequence["sequence_counter"].to_list() == list(range(rows))
    assert demographics.shape == (1, 8)
    assert demographics["subject"].dtype == pl.String


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(width=32, allow_nan=False)
VALUES = st.recursive(
    st.none() | TEXTS | NUMBERS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple) | st.dictionaries(TEXTS, inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_plain_values_and_lists_tuples_and_dicts_of_them_come_as_they_were(value: Any) -> None:
    decoded = decode(Payload.FromString(payload(value).SerializeToString()))
    assert with_types(decoded) == with_types(value)


def with_types(value: Any) -> Any:
    """The value so that it is equal to none of another type: True is 1, and 1 is 1.0."""
    if isinstance(value, dict):
        return {key: with_types(part) for key, part in value.items()}
    return type(value), [with_types(part) for part in value] if isinstance(value, list | tuple) else value


FRAME = pl.DataFrame(
    {"text": ["a", None, "ä"], "whole": [1, None, -3], "real": [0.5, None, math.inf], "truth": [True, False, None]}
).with_columns(nothing=pl.lit(None), texts=pl.lit(None, pl.String))


def parquet(frame: pl.DataFrame, compression: Any = "lz4") -> bytes:
    file = io.BytesIO()
    frame.write_parquet(file, compression=compression)
    return file.getvalue()


@pytest.mark.parametrize("frame", [FRAME, FRAME.clear(), pl.DataFrame()])
@pytest.mark.parametrize("compression", ["lz4", "zstd", "uncompressed"])
def test_polars_frames_come_as_they_were_also_in_parquet_from_old_packages(
    frame: pl.DataFrame, compression: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = parquet(frame, compression)
    assert decode(Payload(polars_dataframe_value=packed)).equals(frame)
    for level in (pl.CompatLevel.oldest(), pl.CompatLevel.newest()):
        file = io.BytesIO()
        frame.write_ipc_stream(file, compression=compression, compat_level=level)
        assert decode(Payload(polars_dataframe_value=file.getvalue())).equals(frame)
    monkeypatch.setattr(frames, "find_spec", lambda _: None)  # as where pandas is missing
    assert decode(Payload(pandas_dataframe_value=packed)).equals(frame)


def test_polars_series_come_as_they_were() -> None:
    series = FRAME["text"]
    assert decode(Payload(polars_series_value=parquet(series.to_frame()))).equals(series, check_names=True)


def test_pandas_frames_and_series_come_as_pandas_reads_them() -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame(
        {
            "text": ["a", None],
            "whole": [1, 2],
            "real": [0.5, None],
            "truth": [True, False],
            "day": pd.to_datetime(["2025-05-29", None]),
            "kind": pd.Categorical(["x", "y"]),
            "maybe": pd.array([1, None], "Int64"),
        }
    )
    data = frame.to_parquet(None, compression="lz4", index=False)
    expected = pd.read_parquet(io.BytesIO(data))
    pd.testing.assert_frame_equal(decode(Payload(pandas_dataframe_value=data)), expected)
    column = frame[["real"]].to_parquet(None, compression="lz4", index=False)
    pd.testing.assert_series_equal(decode(Payload(pandas_series_value=column)), expected["real"])


def npy(array: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


ARRAYS = [
    np.arange(6, dtype=np.int16).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.empty((0, 3), np.float32),
    np.array(["a", "bcd"]),
    np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
    *map(np.array, (0.1, np.int8(-3), True, "a")),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_arrays_and_scalars_of_numpy_come_as_they_were(array: Any) -> None:
    decoded = decode(Payload(numpy_array_value=npy(array)))
    assert decoded.dtype == array.dtype
    assert decoded.flags.writeable
    np.testing.assert_array_equal(decoded, array)
    if array.shape == ():
        assert with_types(decode(Payload(numpy_scalar_value=npy(array)))) == with_types(array[()])


def test_files_come_as_files_in_memory() -> None:
    assert decode(Payload(bytes_io_value=b"\x00\x01")).read() == b"\x00\x01"


class Pickled:
    """Something that would run code if it was unpickled."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was run",))


def claim(header: str) -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


REFUSED = {
    "no value": Payload(),
    "no value in a list": Payload(list_value=PayloadList(payloads=[Payload()])),
    "a pickled array": Payload(numpy_array_value=npy(np.array([Pickled()], object), allow_pickle=True)),
    "a pickle for an array": Payload(numpy_array_value=b"\x80\x04\x95."),
    "a pickle for a frame": Payload(polars_dataframe_value=b"\x80\x04\x95."),
    "more values than there are": Payload(
        numpy_array_value=claim("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999,), }")
    ),
    "a negative length": Payload(numpy_array_value=claim("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }")),
    "a call for a header": Payload(numpy_scalar_value=claim("__import__('os').getcwd()")),
    "an archive": Payload(numpy_array_value=b"PK\x03\x04" + bytes(40)),
    "no bytes for an array": Payload(numpy_array_value=b""),
    "no bytes for a frame": Payload(polars_dataframe_value=b""),
    "a series of two columns": Payload(polars_series_value=parquet(FRAME)),
    "a series without columns": Payload(pandas_series_value=parquet(pl.DataFrame())),
}


@pytest.mark.parametrize("message", REFUSED.values(), ids=REFUSED)
def test_what_is_no_value_of_its_kind_is_refused(message: Payload) -> None:
    with pytest.raises(BfrbError):
        decode(message)
