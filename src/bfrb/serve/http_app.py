"""The web application: recordings in, gestures out."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bfrb.errors import BfrbError, DataError
from bfrb.predict.decision import target_probability
from bfrb.predict.predictions import Predictions
from bfrb.predict.predictor import Predictor
from bfrb.read.bodies import MEDIA_TYPES, Part, read_body
from bfrb.serve import metrics, openapi
from bfrb.serve.jobs import BusyError, Jobs
from bfrb.serve.multipart import FORM, parse_header, split_parts

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"

PATHS = ("/predict", "/health", "/model", "/metrics", "/openapi.json")


@dataclass(frozen=True)
class Limits:
    """What one server takes on.

    Parameters
    ----------
    body_bytes
        Largest body of a request.
    pending_bytes
        Most bytes of all bodies that are being received or wait.
    read_s
        Longest time in which a request has to arrive.
    answer_s
        Longest time until a whole request is answered.
    workers
        Requests that are predicted at a time; each uses all cores.
    waiting
        Requests that may wait for that.
    connections
        Most connections at a time.
    """

    body_bytes: int = 16 << 20
    pending_bytes: int = 64 << 20
    read_s: float = 10.0
    answer_s: float = 30.0
    workers: int = 2
    waiting: int = 32
    connections: int = 128


class ProblemError(Exception):
    """A request that is refused, with the status and the reason to answer with."""

    def __init__(self, status: HTTPStatus, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.status, self.problem, self.remedy = status, problem, remedy

    def response(self) -> Response:
        """The answer, in the form of RFC 9457."""
        content = {"title": self.status.phrase, "status": self.status, "detail": self.problem, "remedy": self.remedy}
        # Whoever sends more than is read cannot be understood any longer.
        stopped = {"connection": "close"} if self.status in _CLOSING else {}
        later = {"retry-after": "1"} if self.status == HTTPStatus.SERVICE_UNAVAILABLE else {}
        return Response(json.dumps(content), self.status, stopped | later, PROBLEM)


_CLOSING = (HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.SERVICE_UNAVAILABLE)
_TOO_BUSY = ProblemError(HTTPStatus.SERVICE_UNAVAILABLE, "too many requests at a time", "ask again in a second")


def make_app(predictor: Predictor, limits: Limits) -> ASGIApp:
    """The application of a predictor."""
    service = _Service(predictor, limits)
    routes = [
        Route("/predict", service.predict, methods=["POST"]),
        Route("/health", service.health),
        Route("/model", service.model),
        Route("/metrics", service.metrics),
        Route("/openapi.json", service.openapi),
    ]
    handlers: Any = {ProblemError: _refused, BfrbError: _refused, HTTPException: _refused, Exception: _failed}
    return _Counted(Starlette(routes=routes, exception_handlers=handlers), service.counts)


class _Service:
    """The answers to all paths."""

    def __init__(self, predictor: Predictor, limits: Limits) -> None:
        self._predictor = predictor
        self._limits = limits
        self._jobs = Jobs(limits.workers, limits.waiting)
        self._pending_bytes = 0
        self.counts = metrics.Metrics(lambda: self._jobs.accepted)

    async def predict(self, request: Request) -> Response:
        """`POST /predict`."""
        media_type, boundary = _media_type(request.headers)
        body = await self._receive(request)
        measures = dict(request.query_params)
        self._pending_bytes += len(body)
        try:
            start = time.perf_counter()
            predictions = await self._jobs.run(
                lambda: self._answer(body, media_type, boundary, measures), self._limits.answer_s
            )
            self.counts.count_predictions(predictions.gestures.tolist(), time.perf_counter() - start)
        except BusyError:
            raise _TOO_BUSY from None
        except TimeoutError:
            raise ProblemError(
                HTTPStatus.SERVICE_UNAVAILABLE,
                f"not answered within {self._limits.answer_s:g} s",
                "send fewer recordings at a time",
            ) from None
        finally:
            self._pending_bytes -= len(body)
        return JSONResponse(self._show(predictions))

    async def health(self, _: Request) -> Response:
        """`GET /health`."""
        return JSONResponse({"status": "ok"})

    async def model(self, _: Request) -> Response:
        """`GET /model`."""
        return JSONResponse(_describe(self._predictor))

    async def metrics(self, _: Request) -> Response:
        """`GET /metrics`."""
        return Response(self.counts.render(), media_type=metrics.MEDIA_TYPE)

    async def openapi(self, _: Request) -> Response:
        """`GET /openapi.json`."""
        return JSONResponse(openapi.describe(self._predictor.label_set.classes))

    def _answer(self, body: bytes, media_type: str, boundary: str, measures: Mapping[str, str]) -> Predictions:
        parts = split_parts(body, boundary) if media_type == FORM else {"rows": Part(body, media_type)}
        return self._predictor.predict(read_body(*_known_parts(parts), measures))

    def _show(self, predictions: Predictions) -> dict[str, Any]:
        targets = target_probability(predictions.probabilities, predictions.label_set)
        answers = zip(predictions.ids, predictions.gestures, predictions.probabilities.tolist(), targets, strict=True)
        return {
            "predictions": [
                {
                    "id": name,
                    "gesture": gesture,
                    "confidence": max(probabilities),
                    "target_probability": float(target),
                    "probabilities": dict(zip(predictions.label_set.classes, probabilities, strict=True)),
                }
                for name, gesture, probabilities, target in answers
            ],
            "simulated": self._predictor.simulated,
        }

    async def _receive(self, request: Request) -> bytes:
        """The whole body, if it is not too large, and comes in time."""
        claimed = int(request.headers.get("content-length", 0))
        self._check_room(claimed)
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.read_s):
                async for chunk in request.stream():
                    self._check_room(len(body) + len(chunk))
                    body += chunk
                    self._pending_bytes += len(chunk)
        except TimeoutError:
            problem = f"the request did not arrive within {self._limits.read_s:g} s"
            raise ProblemError(HTTPStatus.REQUEST_TIMEOUT, problem, "send it faster, or less at a time") from None
        finally:
            self._pending_bytes -= len(body)
        return bytes(body)

    def _check_room(self, size: int) -> None:
        if size > self._limits.body_bytes:
            problem = f"expected at most {self._limits.body_bytes:,} bytes, got {size:,} or more"
            raise ProblemError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE, problem, "send fewer recordings at a time, or Parquet"
            )
        if self._pending_bytes > self._limits.pending_bytes:
            raise _TOO_BUSY


def _media_type(headers: Headers) -> tuple[str, str]:
    """Type of the body, and what is between its parts."""
    value = headers.get("content-type", "")
    media_type, parameters = parse_header(value) if value.isprintable() else ("", {})
    if media_type not in (*MEDIA_TYPES, FORM) or not value:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"expected a known content-type, got {value[:100]!r}",
            f"send {', '.join((*MEDIA_TYPES, FORM))}",
        )
    if "content-encoding" in headers:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a content-encoding is not understood", "send the body as it is"
        )
    return media_type, parameters.get("boundary", "")


def _known_parts(parts: Mapping[str, Part]) -> tuple[Part, Part | None]:
    if "rows" not in parts or set(parts) - {"rows", "demographics"}:
        raise DataError(
            f"expected the parts rows and, maybe, demographics, got {', '.join(parts)[:100]}",
            remedy="name the file with the recordings rows",
        )
    for name, part in parts.items():
        if part.media_type not in MEDIA_TYPES:
            raise DataError(
                f"expected a known content-type for the part {name}, got {part.media_type[:100]!r}",
                remedy=f"give each part one of the types {', '.join(MEDIA_TYPES)}",
            )
    return parts["rows"], parts.get("demographics")


def _describe(predictor: Predictor) -> dict[str, Any]:
    """What a client may know of the model; nothing of the machine it was trained on."""
    manifest = predictor.bundle.manifest
    return {
        "device": manifest.device,
        "row_rate_hz": manifest.row_rate_hz,
        "label_set": manifest.label_set.model_dump(mode="json"),
        "members": len(manifest.members),
        "networks": sorted({member.network for member in manifest.members}),
        "max_length": manifest.max_length,
        "simulated": manifest.simulated,
        "version": manifest.version,
        "created": manifest.created,
    }


async def _refused(_: Request, error: Exception) -> Response:
    if isinstance(error, DataError):
        error = ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, error.problem, error.remedy)
    elif isinstance(error, HTTPException):
        error = ProblemError(HTTPStatus(error.status_code), error.detail, f"ask one of {', '.join(PATHS)}")
    if not isinstance(error, ProblemError):
        return await _failed(_, error)
    return error.response()


async def _failed(_: Request, error: Exception) -> Response:
    log.error("a request failed: %s", error)
    problem = "the request could not be answered"
    return ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, problem, "the server's log says more").response()


class _Counted:
    """Counts answers by path and status; a client that leaves early is not an error."""

    def __init__(self, app: ASGIApp, counts: metrics.Metrics) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._counts.count_answer(path if path in PATHS else "other", message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_counted)
        except ClientDisconnect:
            log.debug("a client left before its request was whole")
