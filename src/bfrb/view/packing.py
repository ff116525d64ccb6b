"""Arrays on their way to the page: a short JSON header, then the bytes of every array.

The header's length comes first (4 bytes, little-endian). Header and arrays are filled up to multiples of 8 bytes, so
that the page can look at them in place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bfrb.arrays import Array

_ALIGNMENT = 8


def pack(arrays: Mapping[str, Array], **values: Any) -> bytes:
    """Arrays and plain values as one message.

    Examples
    --------
    >>> import numpy as np
    >>> message = pack({"x": np.float32([1, 2])}, rows=2)
    >>> len(message), message[4:12]
    (88, b'{"rows":')
    """
    placed, body = [], b""
    for name, array in arrays.items():
        placed.append({"name": name, "dtype": array.dtype.name, "shape": array.shape, "offset": len(body)})
        data = array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        body += data + b"\0" * (-len(data) % _ALIGNMENT)
    header = json.dumps(values | {"arrays": placed}, allow_nan=False, separators=(",", ":")).encode()
    header += b" " * (-(4 + len(header)) % _ALIGNMENT)
    return len(header).to_bytes(4, "little") + header + body
