"""Requests of several parts, as forms with files send them."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import PurePosixPath

from bfrb.errors import DataError
from bfrb.read.bodies import ARROW, CSV, JSON, PARQUET, Part

FORM = "multipart/form-data"

_MAX_PARTS = 8

_ENDINGS = {".csv": CSV, ".json": JSON, ".parquet": PARQUET, ".arrow": ARROW, ".arrows": ARROW}
"""What a file is by its name, where its sender does not say: `curl --form rows=@test.csv` calls it any bytes."""


def parse_header(value: str) -> tuple[str, dict[str, str]]:
    """A header such as `text/csv; charset=utf-8` as its value, in lower case, and its parameters."""
    message = EmailMessage()
    message["content-type"] = " ".join(value.split())
    return message.get_content_type(), dict(message["content-type"].params)


def split_parts(body: bytes, boundary: str) -> dict[str, Part]:
    r"""The parts of a body by name (RFC 7578).

    Raises
    ------
    DataError
        If the body is not of this form, or cut off.

    Examples
    --------
    >>> head = b'--x\r\ncontent-disposition: form-data; name="rows"\r\ncontent-type: text/csv\r\n\r\n'
    >>> split_parts(head + b"acc_x,acc_y\r\n--x--", "x")
    {'rows': Part(body=b'acc_x,acc_y', media_type='text/csv')}
    """
    delimiter = b"\r\n--" + boundary.encode("latin-1", "replace")
    _, *parts = (b"\r\n" + body).split(delimiter, _MAX_PARTS)
    if not boundary or not parts or not parts.pop().startswith(b"--") or not parts:
        raise DataError("expected a whole multipart body, got none or only a part of it", remedy="send it again")
    return dict(_split_part(part) for part in parts)


def _split_part(part: bytes) -> tuple[str, Part]:
    head, gap, body = part.partition(b"\r\n\r\n")
    message = EmailMessage()
    for line in head.decode("latin-1").strip().split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() in ("content-disposition", "content-type"):
            message[name.strip()] = " ".join(value.split())
    disposition = message["content-disposition"]
    if not gap or disposition is None or "name" not in disposition.params:
        raise DataError("expected parts with a name", remedy='name them "rows" and "demographics"')
    return str(disposition.params["name"]), Part(body, _type_of(message, str(disposition.params.get("filename", ""))))


def _type_of(message: EmailMessage, file_name: str) -> str:
    named = message.get_content_type() if "content-type" in message else "application/octet-stream"
    if named != "application/octet-stream":
        return named
    return _ENDINGS.get(PurePosixPath(file_name).suffix.lower(), named)
