"""How Kaggle's gateway and its server meet: the ports that it tries, gRPC, and the protocol's payloads."""

import contextlib
import errno
import logging
import os
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from typing import Any

from bfrb.errors import BfrbError, ConfigError, DataError
from bfrb.read.frames import read_frame
from bfrb.serve.kaggle_pb2 import Payload

try:
    import grpc
except ImportError:
    raise ConfigError("Kaggle's protocol needs grpcio", remedy="pip install 'bfrb[kaggle]'") from None

log = logging.getLogger(__name__)

PORTS: tuple[int, ...] = (50051, *range(60053, 60063))  # the ports the gateway tries, in its order
RERUN = "KAGGLE_IS_COMPETITION_RERUN"  # environment variable that is set, be it to nothing, where Kaggle evaluates

_MAX_MESSAGE_BYTES = 256 << 20  # a sequence takes less than one of these megabytes

_SERVICE, _METHOD = "kaggle_evaluation_client.KaggleEvaluationService", "Send"
_OPTIONS = [
    ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1_000),
    # Two servers must not share a port: the gateway would ask now one, now the other.
    ("grpc.so_reuseport", 0),
]

Send = Callable[..., bytes]  # the one method of the protocol: a request's bytes to the response's
RpcError = grpc.RpcError


def is_rerun() -> bool:
    """Whether this process is evaluated by Kaggle."""
    return RERUN in os.environ


def is_free(port: int) -> bool:
    """Whether nothing listens on a port, on any interface."""
    dual = socket.has_dualstack_ipv6()
    family = socket.AF_INET6 if dual else socket.AF_INET
    try:
        socket.create_server(("", port), family=family, dualstack_ipv6=dual).close()
    except OSError as error:
        return error.errno != errno.EADDRINUSE
    return True


def choose_port(port: int | None = None, *, any_port: bool = False) -> int:
    """The port that is asked for, or the first free one of those that the gateway tries.

    ConfigError if it is taken, or, unless `any_port`, something on an earlier one would be asked instead.
    """
    tried = PORTS if port is None else (port,)
    taken = tuple(takewhile(lambda each: not is_free(each), tried))
    named = ", ".join(map(str, taken))
    if taken == tried:
        raise ConfigError(f"port {named} is taken", remedy="end the program that listens there, or name another port")
    if taken:
        problem = f"something listens on port {named}, and the gateway would ask it instead of this server"
        if not any_port:
            remedy = "end it (an earlier server?), or start all the same: --any-port or --port"
            raise ConfigError(problem, remedy=remedy)
        log.warning("warning: %s", problem)
    return tried[len(taken)]


def start_server(answer: Send, host: str, port: int) -> tuple[Any, int]:
    """A running server that takes one call at a time, and its port.

    A `BfrbError` of `answer` becomes the status UNKNOWN, in the protocol's words. ConfigError if it cannot listen.
    """

    def send(request: bytes, context: Any) -> bytes:
        try:
            return answer(request)
        except BfrbError as error:
            context.abort(grpc.StatusCode.UNKNOWN, f"Exception calling application: {error.problem}")
            raise

    # Without serialisers bytes are passed as they are.
    handler = grpc.method_handlers_generic_handler(_SERVICE, {_METHOD: grpc.unary_unary_rpc_method_handler(send)})
    server = grpc.server(ThreadPoolExecutor(1, "bfrb-kaggle"), handlers=(handler,), options=_OPTIONS)
    try:
        bound = server.add_insecure_port(f"{host}:{port}")
    except RuntimeError:
        raise ConfigError(f"cannot listen on {host}, port {port}", remedy="name another host or port") from None
    server.start()
    return server, bound


@contextlib.contextmanager
def connect(address: str) -> Iterator[Send]:
    """The method of the server at an address such as `127.0.0.1:50051`."""
    with grpc.insecure_channel(address, options=_OPTIONS) as channel:
        yield channel.unary_unary(f"/{_SERVICE}/{_METHOD}")


def decode(payload: Payload) -> Any:
    """The value of a payload (`kaggle.proto`), frames as polars ones; nothing is unpickled.

    DataError if there is none, it is of a kind that the gateway does not send, or it cannot be read.

    >>> decode(Payload(int_value=-3))
    -3
    """
    kind = payload.WhichOneof("value")
    if kind not in _DECODERS:
        raise DataError(f"expected a payload with a plain value or a frame, got {kind}", remedy="send a frame")
    return _DECODERS[kind](getattr(payload, kind))


_DECODERS: dict[str | None, Callable[[Any], Any]] = {
    **dict.fromkeys(("str_value", "bool_value", "int_value", "float_value"), lambda value: value),
    "none_value": lambda _: None,
    "list_value": lambda value: [decode(part) for part in value.payloads],
    "tuple_value": lambda value: tuple(decode(part) for part in value.payloads),
    "dict_value": lambda value: {key: decode(part) for key, part in value.payload_map.items()},
    "pandas_dataframe_value": read_frame,
    "polars_dataframe_value": read_frame,
}
