"""The messages of Kaggle's evaluation without the package's codec: by protobuf, and by hand."""

from __future__ import annotations

import io
import re
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl
import pytest

PROTO = Path(__file__).resolve().parents[1] / "src/bfrb/serving/kaggle.proto"

SCALARS = {"string": 9, "bool": 8, "sint64": 18, "float": 2, "bytes": 12}
MESSAGE = 11
_DECLARATION = re.compile(r"^\s*(repeated )?(?:map<string, (\w+)>|(\w+)) (\w+) = (\d+);")


@cache
def messages() -> dict[str, Any]:
    """A class for every message of the file, by name."""
    pool_module = pytest.importorskip("google.protobuf.descriptor_pool")
    descriptors = pytest.importorskip("google.protobuf.descriptor_pb2")
    factory = pytest.importorskip("google.protobuf.message_factory")
    text = PROTO.read_text()
    file = descriptors.FileDescriptorProto(name="kaggle.proto", syntax="proto3")
    file.package = re.search(r"package (\w+);", text)[1]
    for name, body in re.findall(r"^message (\w+) \{(.*?)^\}", text, re.MULTILINE | re.DOTALL):
        _declare(file.message_type.add(name=name), body, f".{file.package}.")
    pool = pool_module.DescriptorPool()
    pool.Add(file)
    return {
        message.name: factory.GetMessageClass(pool.FindMessageTypeByName(f"{file.package}.{message.name}"))
        for message in file.message_type
    }


def _declare(message: Any, body: str, package: str) -> None:
    if "oneof" in body:
        message.oneof_decl.add(name="value")
    for line in body.splitlines():
        found = _DECLARATION.match(line)
        if found is None:
            continue
        repeated, value_type, kind, name, number = found.groups()
        field = message.field.add(name=name, number=int(number), label=3 if repeated or value_type else 1)
        if value_type:
            entry = "".join(part.capitalize() for part in name.split("_")) + "Entry"
            _declare_entry(message, entry, package + value_type)
            field.type, field.type_name = MESSAGE, f"{package}{message.name}.{entry}"
        elif kind in SCALARS:
            field.type = SCALARS[kind]
        else:
            field.type, field.type_name = MESSAGE, package + kind
        if "oneof" in body:
            field.oneof_index = 0


def _declare_entry(message: Any, name: str, value_type: str) -> None:
    entry = message.nested_type.add(name=name)
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=1, type=SCALARS["string"])
    entry.field.add(name="value", number=2, label=1, type=MESSAGE, type_name=value_type)


def size(number: int) -> bytes:
    """A length as the wire format writes it."""
    head = bytes([number & 127 | 128 * (number > 127)])
    return head + size(number >> 7) if number > 127 else head


def request(name: str, *frames: Any, tag: int = 0x52) -> bytes:
    """A request written without the package's codec: a name, and frames or bytes as payloads of one kind."""
    written = b"\x0a" + size(len(name.encode())) + name.encode()
    for frame in frames:
        data = frame if isinstance(frame, bytes) else arrow(frame)
        payload = bytes([tag]) + size(len(data)) + data
        written += b"\x12" + size(len(payload)) + payload
    return written


def arrow(frame: pl.DataFrame) -> bytes:
    file = io.BytesIO()
    frame.write_ipc_stream(file, compression="lz4", compat_level=pl.CompatLevel.oldest())
    return file.getvalue()
