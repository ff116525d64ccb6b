"""Payloads to Python values and back, judged by Google's protobuf and by hostile bytes."""

from __future__ import annotations

import io
import math
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bfrb.errors import BfrbError
from bfrb.serve import codec
from bfrb.serve.codec import (
    decode_payload,
    decode_request,
    decode_response,
    encode_payload,
    encode_request,
    encode_response,
)
from bfrb.serve.wire import ProtocolError, bytes_field, read_fields, unzigzag, varint, zigzag
from kaggle_messages import messages

CAPTURED = ("request_predict_polars1.25.2_9batches.bin", "request_predict_polars2.1.0_1batch.bin")


@pytest.mark.parametrize(("name", "rows"), [(CAPTURED[0], 84), (CAPTURED[1], 63)])
def test_a_captured_request_holds_a_sequence_and_its_subject(captured: Path, name: str, rows: int) -> None:
    request = decode_request((captured / name).read_bytes())
    (sequence, demographics), kwargs = request.arguments()
    assert (request.name, kwargs) == ("predict", {})
    assert sequence.shape == (rows, 336)
    assert sequence["sequence_counter"].to_list() == list(range(rows))
    assert sequence["sequence_id"].n_unique() == 1
    assert demographics.shape == (1, 8)
    assert demographics["subject"].dtype == pl.String


@pytest.mark.parametrize("name", CAPTURED)
def test_protobuf_reads_a_captured_request_alike(captured: Path, name: str) -> None:
    data = (captured / name).read_bytes()
    judged = messages()["KaggleEvaluationRequest"].FromString(data)
    request = decode_request(data)
    assert judged.name == request.name
    assert [value.SerializeToString() for value in judged.args] == [bytes(value) for value in request.args]
    assert {value.WhichOneof("value") for value in judged.args} == {"polars_dataframe_value"}


def test_the_captured_reply_is_written_byte_for_byte(captured: Path) -> None:
    reply = (captured / "response_str.bin").read_bytes()
    assert encode_response("Text on phone") == reply
    assert encode_response(np.str_("Text on phone")) == reply
    assert decode_response(reply) == "Text on phone"


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
PLAIN = (
    st.none() | TEXTS | st.booleans() | st.integers(-(1 << 63), (1 << 63) - 1) | st.floats(width=32, allow_nan=False)
)
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=4) | st.lists(inner, max_size=4).map(tuple) | st.dictionaries(TEXTS, inner, max_size=4)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_values_come_back_as_they_were(value: Any) -> None:
    back = decode_payload(encode_payload(value))
    assert back == value
    assert type(back) is type(value)


FIELDS = {
    str: "str_value",
    bool: "bool_value",
    int: "int_value",
    float: "float_value",
    type(None): "none_value",
    list: "list_value",
    tuple: "tuple_value",
    dict: "dict_value",
}


def judged(value: Any) -> Any:
    """The value as a message of protobuf's."""
    payload = messages()["Payload"]()
    if isinstance(value, dict):
        payload.dict_value.SetInParent()
        for key, inner in value.items():
            payload.dict_value.payload_map[key].CopyFrom(judged(inner))
    elif isinstance(value, list | tuple):
        into = getattr(payload, FIELDS[type(value)])
        into.SetInParent()
        into.payloads.extend(map(judged, value))
    else:
        setattr(payload, FIELDS[type(value)], True if value is None else value)
    return payload


@given(VALUES)
def test_protobuf_writes_and_reads_values_alike(value: Any) -> None:
    expected = judged(value)
    assert messages()["Payload"].FromString(encode_payload(value)) == expected
    assert decode_payload(expected.SerializeToString()) == value


@given(TEXTS, st.lists(VALUES, max_size=3), st.dictionaries(TEXTS, VALUES, max_size=3))
def test_protobuf_reads_and_writes_requests_alike(name: str, args: list[Any], kwargs: dict[str, Any]) -> None:
    message = messages()["KaggleEvaluationRequest"](name=name, args=map(judged, args))
    for key, value in kwargs.items():
        message.kwargs[key].CopyFrom(judged(value))
    assert messages()["KaggleEvaluationRequest"].FromString(encode_request(name, args, kwargs)) == message
    request = decode_request(message.SerializeToString())
    assert request.name == name
    assert request.arguments() == (args, kwargs)


FRAME = pl.DataFrame(
    {
        "text": ["a", None, "ä"],
        "whole": [1, None, -3],
        "real": [0.5, None, math.inf],
        "truth": [True, False, None],
        "nothing": pl.Series([None] * 3, dtype=pl.Null),
        "text without values": pl.Series([None] * 3, dtype=pl.String),
    }
)


@pytest.mark.parametrize("frame", [FRAME, FRAME.clear(), FRAME.drop("nothing"), pl.DataFrame()])
def test_frames_come_back_as_they_were(frame: pl.DataFrame) -> None:
    assert decode_payload(encode_payload(frame)).equals(frame)


@pytest.mark.parametrize("compression", ["lz4", "zstd", "uncompressed"])
@pytest.mark.parametrize("old_texts", [True, False])
def test_arrow_streams_of_every_compression_are_read(compression: Any, old_texts: bool) -> None:
    file = io.BytesIO()
    level = pl.CompatLevel.oldest() if old_texts else pl.CompatLevel.newest()
    FRAME.write_ipc_stream(file, compression=compression, compat_level=level)
    assert decode_payload(bytes_field(codec.POLARS_FRAME, file.getvalue())).equals(FRAME)


@pytest.mark.parametrize("compression", ["lz4", "zstd", None])
def test_streams_of_several_batches_from_another_writer_are_read(compression: str | None) -> None:
    pa = pytest.importorskip("pyarrow")
    ipc = pytest.importorskip("pyarrow.ipc")
    file = io.BytesIO()
    table = pa.table({"text": pa.array(["a", None, "bb", "c"], pa.large_string()), "whole": [1, 2, None, 4]})
    with ipc.new_stream(file, table.schema, options=ipc.IpcWriteOptions(compression=compression)) as writer:
        for batch in table.to_batches(max_chunksize=1):
            writer.write_batch(batch)
    frame = decode_payload(bytes_field(codec.POLARS_FRAME, file.getvalue()))
    assert frame.to_dict(as_series=False) == {"text": ["a", None, "bb", "c"], "whole": [1, 2, None, 4]}


@pytest.mark.parametrize("compression", ["lz4", "zstd", "snappy", "uncompressed"])
def test_parquet_in_the_field_of_polars_frames_is_read(compression: Any) -> None:
    file = io.BytesIO()
    FRAME.write_parquet(file, compression=compression)
    assert decode_payload(bytes_field(codec.POLARS_FRAME, file.getvalue())).equals(FRAME)


def test_pandas_frames_and_series_come_back_as_they_were() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"text": ["a", "b"], "whole": [1, 2], "real": [0.5, math.nan]})
    pd.testing.assert_frame_equal(decode_payload(encode_payload(frame)), frame)
    pd.testing.assert_series_equal(decode_payload(encode_payload(frame["real"])), frame["real"])
    assert decode_payload(encode_payload(pd.Series([1, 2]))).tolist() == [1, 2]


def test_parquet_written_by_pandas_is_read() -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"text": ["a", None], "whole": [1, 2], "real": [0.5, None]})
    file = io.BytesIO()
    frame.to_parquet(file, compression="lz4", index=False)
    back = decode_payload(bytes_field(codec.PANDAS_FRAME, file.getvalue()))
    assert back["whole"].tolist() == [1, 2]
    assert back["text"][0] == "a"
    assert back.isna().to_numpy().tolist() == [[False] * 3, [True, False, True]]


def test_without_pandas_its_frames_come_as_those_of_polars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bfrb.read.frames.find_spec", lambda _: None)
    file = io.BytesIO()
    FRAME.write_parquet(file)
    assert decode_payload(bytes_field(codec.PANDAS_FRAME, file.getvalue())).equals(FRAME)


def test_series_come_back_as_they_were() -> None:
    series = pl.Series("name", ["a", None, "b"])
    assert decode_payload(encode_payload(series)).equals(series, check_names=True)


ARRAYS = [
    np.arange(6, dtype=np.int16).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.empty((0, 3), np.float32),
    np.array(["a", "bcd"]),
    np.array(3.5),
    np.array([(1, 2.0)], dtype=[("a", "i4"), ("b", "f8")]),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype}{array.shape}")
def test_arrays_come_back_as_they_were(array: Any) -> None:
    back = decode_payload(encode_payload(array))
    assert back.dtype == array.dtype
    assert back.flags.writeable
    np.testing.assert_array_equal(back, array)


@pytest.mark.parametrize("scalar", [np.float64(0.1), np.int8(-3), np.bool_(True)])
def test_scalars_of_numpy_stay_scalars_of_numpy(scalar: Any) -> None:
    back = decode_payload(encode_payload(scalar))
    assert back == scalar
    assert type(back) is type(scalar)


def test_files_in_memory_come_back_from_their_beginning() -> None:
    file = io.BytesIO(b"\x00\x01")
    file.read()
    assert decode_payload(encode_payload(file)).read() == b"\x00\x01"


def test_floats_are_single_on_the_wire() -> None:
    assert encode_payload(0.1) == bytes([codec.FLOAT << 3 | 5]) + np.float32(0.1).tobytes()
    assert decode_payload(encode_payload(0.1)) == float(np.float32(0.1))
    assert decode_payload(encode_payload(-1e300)) == -math.inf
    assert math.isnan(decode_payload(encode_payload(math.nan)))


@pytest.mark.parametrize(("value", "written"), [(0, "1800"), (-1, "1801"), (1, "1802"), (150, "18ac02")])
def test_whole_numbers_are_zigzag_on_the_wire(value: int, written: str) -> None:
    assert encode_payload(value).hex() == written
    assert unzigzag(zigzag(value)) == value


@pytest.mark.parametrize(
    "value", [1 << 63, -(1 << 63) - 1, object(), {1: 2}, b"x", {"a"}, 1j, "\ud800", np.array([object()]), print]
)
def test_what_the_protocol_cannot_carry_is_refused(value: Any) -> None:
    with pytest.raises(ProtocolError, match="cannot carry"):
        encode_payload(value)


def test_a_list_that_holds_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ProtocolError, match="deep"):
        encode_payload(endless)


# --- the wire format as every implementation reads it


def test_unknown_fields_and_groups_are_skipped() -> None:
    group = varint(20 << 3 | 3) + bytes_field(2, b"x") + varint(21 << 3 | 3) + varint(21 << 3 | 4) + varint(20 << 3 | 4)
    unknown = bytes_field(16, b"x") + varint(17 << 3) + varint(5) + varint(18 << 3 | 1) + bytes(8) + group
    payload = unknown + encode_payload("yes") + unknown
    assert decode_payload(payload) == "yes"
    assert messages()["Payload"].FromString(payload).str_value == "yes"
    request = unknown + encode_request("predict", ["a"]) + unknown
    assert decode_request(request).arguments() == (["a"], {})


def test_the_last_value_of_a_payload_counts_and_lists_are_joined() -> None:
    both = encode_payload("first") + encode_payload(2)
    assert decode_payload(both) == 2
    joined = encode_payload([1]) + encode_payload([2])
    assert decode_payload(joined) == [1, 2]
    assert len(messages()["Payload"].FromString(joined).list_value.payloads) == 2
    assert decode_payload(encode_payload([1]) + encode_payload("x") + encode_payload([2])) == [2]


def test_fields_of_another_wire_type_are_unknown_ones() -> None:
    payload = varint(codec.STR << 3) + varint(7) + encode_payload(5)
    assert decode_payload(payload) == 5
    assert messages()["Payload"].FromString(payload).int_value == 5


def test_entries_may_lack_a_key_and_keys_may_come_twice() -> None:
    def entry(*parts: bytes) -> bytes:
        return bytes_field(1, b"".join(parts))

    value = bytes_field(2, encode_payload(1))
    both = entry(bytes_field(1, b"k"), value) + entry(bytes_field(2, encode_payload(2)), bytes_field(1, b"k"))
    assert decode_payload(bytes_field(codec.DICT, entry(value))) == {"": 1}
    assert decode_payload(bytes_field(codec.DICT, both)) == {"k": 2}


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "without"),
        (b"\x0a\x05abc", "claims"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7fabc", "claims"),
        (b"\x0a", "number"),
        (b"\x18" + b"\xff" * 10, "number"),
        (b"\x0a\x02\xff\xfe", "UTF-8"),
        (b"\x25\x00\x00", "claims"),
        (b"\x00\x00", "field number"),
        (b"\x0f", "wire type"),
        (b"\x0b", "end of a group"),
        (b"\x0c", "group that began"),
        (b"\x0b" * 100, "groups"),
        (bytes_field(codec.LIST, bytes_field(1, b"")), "without"),
    ],
)
def test_bytes_that_are_no_payload_are_refused(payload: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        decode_payload(payload)


def test_a_response_without_payload_is_refused() -> None:
    with pytest.raises(ProtocolError, match="got none"):
        decode_response(b"")


# --- hostile bytes


def nest(depth: int, which: int = codec.LIST) -> bytes:
    payload = encode_payload(1)
    for _ in range(depth):
        payload = bytes_field(which, bytes_field(1, payload))
    return payload


def test_deep_nesting_is_refused_and_moderate_nesting_read() -> None:
    value = decode_payload(nest(codec.MAX_DEPTH))
    for _ in range(codec.MAX_DEPTH):
        (value,) = value
    assert value == 1
    for depth in (codec.MAX_DEPTH + 1, 2_000):
        with pytest.raises(ProtocolError, match="within each other"):
            decode_payload(nest(depth))


def test_a_flood_of_fields_is_refused() -> None:
    flood = bytes_field(codec.LIST, bytes_field(1, encode_payload(1)) * codec.MAX_FIELDS)
    with pytest.raises(ProtocolError, match="fields"):
        decode_payload(flood)


class Bomb:
    """Something that would run code if it was unpickled."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("a pickle was run",))


def npy(header: str, body: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    text = header.encode("latin1") + b"\n"
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text + body


def pickled_array() -> bytes:
    file = io.BytesIO()
    np.save(file, np.array([Bomb()], dtype=object), allow_pickle=True)
    return file.getvalue()


HOSTILE_ARRAYS = {
    "a pickle": pickled_array(),
    "many values": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"),
    "more than fits": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (%s,), }" % ("9" * 40)),
    "a negative length": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }"),
    "a truth value as length": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (True,), }", bytes(8)),
    "no size": npy("{'descr': '|S0', 'fortran_order': False, 'shape': (1000000000000,), }"),
    "objects": npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", bytes(8)),
    "hidden objects": npy("{'descr': [('a', '|O')], 'fortran_order': False, 'shape': (1,), }", bytes(8)),
    "many dimensions": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (%s), }" % ("1," * 80), bytes(8)),
    "empty and huge": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (0, %s), }" % ("9" * 40)),
    "brackets": npy("(" * 5_000),
    "a call": npy("__import__('os').getcwd()"),
    "another version": npy("{}", version=b"\x09\x00"),
    "nothing": b"",
}


@pytest.mark.parametrize("data", HOSTILE_ARRAYS.values(), ids=HOSTILE_ARRAYS)
@pytest.mark.parametrize("which", [codec.ARRAY, codec.SCALAR])
def test_hostile_arrays_are_refused(which: int, data: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_payload(bytes_field(which, data))


def every_kind() -> list[bytes]:
    """A payload of every kind."""
    values = ["text", True, -5, 0.5, None, [1, (2,)], {"k": [FRAME]}, FRAME, FRAME["text"]]
    payloads = [encode_payload(value) for value in [*values, *ARRAYS[:1], np.float32(1), io.BytesIO(b"abc")]]
    file = io.BytesIO()
    FRAME.write_parquet(file, compression="zstd")
    return [*payloads, *(bytes_field(which, file.getvalue()) for which in (codec.PANDAS_FRAME, codec.POLARS_FRAME))]


EVERY_KIND = every_kind()


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A payload with some bits flipped, a number overwritten, cut off, or with bytes put in."""
    data = bytearray(draw(st.sampled_from(EVERY_KIND)))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        kind = draw(st.sampled_from(["flip", "cut", "insert", "number"]))
        if kind == "flip" and data:
            data[place] ^= 1 << draw(st.integers(0, 7))
        elif kind == "cut":
            del data[place:]
        elif kind == "insert":
            data[place:place] = draw(st.binary(max_size=8))
        else:
            value = draw(st.sampled_from([0, -1, 1 << 31, (1 << 31) - 1, 1 << 40, (1 << 63) - 1, -(1 << 63)]))
            data[place : place + 8] = value.to_bytes(8, "little", signed=True)
    return bytes(data)


def decodes_or_refuses(decode: Any, data: bytes) -> None:
    tracemalloc.start()
    try:
        decode(data)
    except BfrbError:
        pass
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 20_000_000


@settings(max_examples=250, deadline=None)
@given(damaged())
def test_damaged_payloads_are_decoded_or_refused(data: bytes) -> None:
    decodes_or_refuses(decode_payload, data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_decoded_or_refused(data: bytes) -> None:
    decodes_or_refuses(decode_payload, data)
    decodes_or_refuses(lambda data: decode_request(data).arguments(), data)
    decodes_or_refuses(lambda data: list(read_fields(memoryview(data))), data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_protobuf_refuses_what_the_wire_format_forbids(data: bytes) -> None:
    """What protobuf takes for a request, the codec does as well; its own limits apart."""
    decode_error = pytest.importorskip("google.protobuf.message").DecodeError
    try:
        expected = messages()["KaggleEvaluationRequest"].FromString(data)
    except decode_error:
        return
    request = decode_request(data)
    assert request.name == expected.name
    assert len(request.args) == len(expected.args)
    assert set(request.kwargs) == set(expected.kwargs)
