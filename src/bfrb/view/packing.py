"""Arrays on their way to the page: a short JSON header, then the bytes of every array.

The header's length comes first (4 bytes, little-endian). Header and arrays are filled up to multiples of 8 bytes, so
that the page can look at them in place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from bfrb.arrays import Array

MEDIA_TYPE = "application/octet-stream"
_ALIGNMENT = 8


def pack(arrays: Mapping[str, Array], **values: Any) -> bytes:
    """Arrays and plain values as one message.

    Examples
    --------
    >>> message = pack({"x": np.float32([1, 2])}, rows=2)
    >>> len(message), message[4:12]
    (88, b'{"rows":')
    """
    placed, bodies, offset = [], [], 0
    for name, array in arrays.items():
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        placed.append({"name": name, "dtype": array.dtype.name, "shape": array.shape, "offset": offset})
        bodies.append(_filled(little.tobytes()))
        offset += len(bodies[-1])
    header = json.dumps(values | {"arrays": placed}, allow_nan=False, separators=(",", ":")).encode()
    header += b" " * (-(4 + len(header)) % _ALIGNMENT)
    return b"".join([len(header).to_bytes(4, "little"), header, *bodies])


def _filled(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % _ALIGNMENT)
