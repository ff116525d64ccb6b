"""Messages of Kaggle's evaluation, as the gateway builds them."""

import io
from typing import Any

import polars as pl

from bfrb.serve.kaggle_pb2 import KaggleEvaluationRequest, KaggleEvaluationResponse, Payload, PayloadList, PayloadMap

METHOD = "/kaggle_evaluation_client.KaggleEvaluationService/Send"


def payload(value: Any) -> Payload:
    """A payload for a polars frame, or a plain value of Python."""
    fields = {str: "str_value", bool: "bool_value", int: "int_value", float: "float_value"}
    if value is None:
        return Payload(none_value=True)
    if isinstance(value, pl.DataFrame):
        value.write_ipc_stream(file := io.BytesIO(), compression="lz4", compat_level=pl.CompatLevel.oldest())
        return Payload(polars_dataframe_value=file.getvalue())
    if isinstance(value, dict):
        return Payload(dict_value=PayloadMap(payload_map={key: payload(part) for key, part in value.items()}))
    if isinstance(value, list | tuple):
        return Payload(**{f"{type(value).__name__}_value": PayloadList(payloads=map(payload, value))})
    return value if isinstance(value, Payload) else Payload(**{fields[type(value)]: value})


def request(*args: Any, name: str = "predict", **kwargs: Any) -> bytes:
    """A request for an endpoint; arguments are values or payloads."""
    entries = {key: payload(value) for key, value in kwargs.items()}
    return KaggleEvaluationRequest(name=name, args=map(payload, args), kwargs=entries).SerializeToString()


def reply(gesture: str) -> bytes:
    """The bytes of a reply, written by hand."""
    return bytes([0x0A, len(gesture) + 2, 0x0A, len(gesture)]) + gesture.encode()


def answer_of(response: bytes) -> str:
    """The text of a reply."""
    text: str = KaggleEvaluationResponse.FromString(response).payload.str_value
    return text
