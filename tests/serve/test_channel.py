"""Which port is taken, when not to start, and payloads as values: hostile bytes are refused, and no pickle is run."""

import io
import math
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bfrb.errors import BfrbError, ConfigError

pytest.importorskip("grpc")

from bfrb.serve import channel
from bfrb.serve.channel import choose_port, decode, is_free
from bfrb.serve.kaggle_pb2 import Payload, PayloadList
from kaggle_messages import payload

SOURCES = Path(__file__).resolve().parents[2] / "src"


@contextmanager
def listening(host: str = "127.0.0.1", port: int = 0) -> Iterator[int]:
    with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as server:
        yield server.getsockname()[1]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_a_port_on_which_something_listens_is_not_free(host: str) -> None:
    try:
        with listening(host) as port:
            assert not is_free(port)
    except OSError:
        pytest.skip(f"this machine has no {host}")
    assert is_free(port)


def test_the_first_free_port_that_the_gateway_tries_is_taken_but_not_beside_a_stale_server_unless_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert (50051, *range(60053, 60063)) == channel.PORTS
    # Free ports in place of the real ones, which another program may hold.
    with listening() as first, listening() as second, listening() as third:
        monkeypatch.setattr(channel, "PORTS", (first, second, third))
    with listening(port=second):
        assert choose_port() == choose_port(any_port=True) == first
    with listening(port=first), listening(port=second):
        with pytest.raises(ConfigError, match=f"{first}, {second}, .* instead of this server"):
            choose_port()
        assert not caplog.text
        assert choose_port(any_port=True) == choose_port(third) == third
        assert f"{first}, {second}" in caplog.text
        with listening(port=third):
            for port, taken in ((second, f"port {second} is taken"), (None, f"{first}, {second}, {third} is taken")):
                with pytest.raises(ConfigError, match=taken):
                    choose_port(port, any_port=True)


def test_the_generated_module_says_what_the_proto_file_says(tmp_path: Path) -> None:
    protoc = pytest.importorskip("grpc_tools.protoc")
    protoc.main(["protoc", f"--proto_path={SOURCES}", f"--python_out={tmp_path}", "bfrb/serve/kaggle.proto"])
    anew, kept = (folder.joinpath("bfrb/serve/kaggle_pb2.py").read_text() for folder in (tmp_path, SOURCES))
    # Other versions of protoc write other code round the same description.
    description = re.compile(r"AddSerializedFile\(b'.*'\)")
    assert description.search(anew)[0] == description.search(kept)[0]


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


@pytest.mark.parametrize("frame", [FRAME, FRAME.clear(), pl.DataFrame()])
@pytest.mark.parametrize("compression", ["lz4", "zstd", "uncompressed"])
def test_frames_come_as_they_were_also_in_parquet_from_old_packages(frame: pl.DataFrame, compression: Any) -> None:
    packed = io.BytesIO()
    frame.write_parquet(packed, compression=compression)
    for kind in ("polars_dataframe_value", "pandas_dataframe_value"):
        assert decode(Payload(**{kind: packed.getvalue()})).equals(frame)
    for level in (pl.CompatLevel.oldest(), pl.CompatLevel.newest()):
        file = io.BytesIO()
        frame.write_ipc_stream(file, compression=compression, compat_level=level)
        assert decode(Payload(polars_dataframe_value=file.getvalue())).equals(frame)


REFUSED = {
    "no value": Payload(),
    "no value in a list": Payload(list_value=PayloadList(payloads=[Payload()])),
    "an array": Payload(numpy_array_value=b"\x93NUMPY\x01\x00"),
    "a pickle for an array": Payload(numpy_array_value=b"\x80\x04\x95."),
    "a pickle for a frame": Payload(polars_dataframe_value=b"\x80\x04\x95."),
    "no bytes for a frame": Payload(polars_dataframe_value=b""),
    "half a Parquet": Payload(pandas_dataframe_value=b"PAR1"),
}


@pytest.mark.parametrize("message", REFUSED.values(), ids=REFUSED)
def test_what_is_no_value_of_its_kind_is_refused(message: Payload) -> None:
    with pytest.raises(BfrbError):
        decode(message)
