"""gRPC as the evaluation protocol uses it: one method, bytes in and bytes out, one call at a time."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, cast

from bfrb.errors import BfrbError, ConfigError
from bfrb.serve.ports import PortError

try:
    import grpc
except ImportError:
    raise ConfigError("Kaggle's protocol needs grpcio", remedy="pip install 'bfrb[kaggle]'") from None

SERVICE = "kaggle_evaluation_client.KaggleEvaluationService"
METHOD = "Send"

OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1_000),
    (
        "grpc.service_config",
        json.dumps(
            {
                "methodConfig": [
                    {
                        "name": [{}],
                        "retryPolicy": {
                            "maxAttempts": 5,
                            "initialBackoff": "0.1s",
                            "maxBackoff": "1s",
                            "backoffMultiplier": 2,
                            "retryableStatusCodes": ["UNAVAILABLE"],
                        },
                    }
                ]
            }
        ),
    ),
]
"""Options of both sides of a connection."""

_ALONE = ("grpc.so_reuseport", 0)
"""Two servers must not share a port: the gateway would ask now one, now the other."""

Answer = Callable[[bytes], bytes]


def start_server(answer: Answer, host: str, port: int) -> tuple[Any, int]:
    """A running server, and its port.

    Parameters
    ----------
    answer
        Response to a request; a `BfrbError` becomes the status UNKNOWN, with its problem in the protocol's words.
    host
        The interface to listen on.
    port
        The port; 0 for any that is free.

    Raises
    ------
    PortError
        If it cannot listen there.
    """

    def send(request: bytes, context: Any) -> bytes:
        try:
            return answer(request)
        except BfrbError as error:
            context.abort(grpc.StatusCode.UNKNOWN, f"Exception calling application: {error.problem}")
            raise

    # No serialisers: the bytes are passed as they are.
    handler = grpc.method_handlers_generic_handler(SERVICE, {METHOD: grpc.unary_unary_rpc_method_handler(send)})
    server = grpc.server(cast("Any", _Worker()), handlers=(handler,), options=[*OPTIONS, _ALONE])
    try:
        taken = server.add_insecure_port(f"{host}:{port}")
    except RuntimeError:
        taken = 0
    if not taken:
        raise PortError(f"cannot listen on {host}, port {port}", remedy="name another host or port")
    server.start()
    return server, taken


def connect(target: str) -> Any:
    """A channel to a server."""
    return grpc.insecure_channel(target, options=OPTIONS)


def method_of(channel: Any) -> Callable[..., bytes]:
    """The method of the server at the other end of a channel: request to response, in bytes."""
    return cast("Callable[..., bytes]", channel.unary_unary(f"/{SERVICE}/{METHOD}"))


RpcError = grpc.RpcError


class _Worker:
    """One thread that does one job after the other.

    Unlike those of the standard library it does not keep the process from ending while a job goes on.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="bfrb-kaggle", daemon=True).start()

    def submit(self, job: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Have a job done."""
        future: Future[Any] = Future()
        self._jobs.put((future, lambda: job(*args, **kwargs)))
        return future

    def _work(self) -> None:
        while True:
            future, job = self._jobs.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(job())
                except Exception as error:  # noqa: BLE001  it is the future's, as in any executor
                    future.set_exception(error)
