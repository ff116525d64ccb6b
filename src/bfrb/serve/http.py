"""`bfrb serve --protocol http`: a web server, recordings in, labels with probabilities out."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated, Any

from pydantic import BaseModel, Field, ValidationError

from bfrb.errors import ConfigError, DataError
from bfrb.predict.predictions import target_probability
from bfrb.predict.predictor import Predictor
from bfrb.read.bodies import OPTIONAL, Columns, columns_of, read_csv, recordings_from_columns, unused_columns
from bfrb.read.quality import find_suspicions
from bfrb.serve.sockets import LOOPBACK, handling_signals, listen
from bfrb.study.device import Device

try:
    import uvicorn
    from fastapi import FastAPI, Query, Request
    from fastapi.exceptions import RequestValidationError
    from fastapi.responses import JSONResponse, Response
    from starlette.exceptions import HTTPException
    from starlette.middleware.base import BaseHTTPMiddleware
    from starlette.requests import ClientDisconnect
except ImportError:
    raise ConfigError("the web server is not installed", remedy="pip install 'bfrb[http]'") from None

log = logging.getLogger(__name__)

PORT = 8000
JSON, CSV = "application/json", "text/csv"
SIMULATED = "The bundle was trained on SIMULATED recordings: its answers are for trying things out."

PATHS = {
    "/": "this overview",
    "/predict": "POST recordings as CSV or JSON: the label of each, with all probabilities",
    "/model": "what the bundle is: device, columns, labels",
    "/health": "whether the server answers",
    "/openapi.json": "this interface as an OpenAPI document",
}

MAX_BYTES = 8 << 20  # largest body of a request
_MOST_READ = 64 << 20  # largest body that is read before it is refused
_WORKERS = 2  # requests that are predicted at a time; each uses all cores
_MOST_BRACKETS = 200_000  # lists and objects in JSON: each costs memory many times its two bytes
_LAST_ANSWERS_S = 40  # whatever is at work when the server ends is finished by then


class Body(BaseModel):
    """Recordings in JSON: a list with an object for every row, or an object with a list for every column."""

    rows: Annotated[list[dict[str, Any]], Field(fail_fast=True)] | dict[str, Any]


class Prediction(BaseModel):
    """The answer for one recording."""

    id: str
    label: str = Field(description="The class that is answered.")
    confidence: float = Field(description="Its probability.")
    target_probability: float = Field(description="Probability of all target behaviours together.")
    probabilities: dict[str, float]


class Answer(BaseModel):
    """The answers for all recordings of a request, in their order."""

    predictions: list[Prediction]
    simulated: bool = Field(description="Whether the bundle was trained on simulated recordings.")
    notes: list[str] = Field(description="What should be known about these answers.")


class Problem(BaseModel):
    """Why a request was refused."""

    detail: str = Field(description="What was expected, and what came.")
    remedy: str = Field(description="What to do about it.")


class RefusedError(HTTPException):
    """A request that is refused, with the status and the reason to answer with."""

    def __init__(self, status: int, problem: str, remedy: str) -> None:
        # Whoever sends more than is read cannot be understood any longer.
        super().__init__(status, problem, {"connection": "close"} if status == 413 else None)
        self.remedy = remedy


def make_server(predictor: Predictor) -> uvicorn.Server:
    """The server of a predictor; `server.run(sockets=[...])` serves."""
    service = _Service(predictor)
    refusals: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": HTTPStatus(status).phrase} for status in (413, 415, 422)
    }
    body = {"requestBody": {"required": True, "content": _contents(predictor.device)}}
    app = FastAPI(title="bfrb", version=version("bfrb"), docs_url=None, redoc_url=None, redirect_slashes=False)
    app.post("/predict", responses=refusals, openapi_extra=body)(service.predict)
    for path, give in (("/", service.index), ("/model", service.model), ("/health", service.health)):
        app.get(path)(give)
    for kind in (DataError, RequestValidationError, HTTPException, ClientDisconnect, Exception):
        app.add_exception_handler(kind, _show_problem)
    app.add_middleware(BaseHTTPMiddleware, dispatch=service.watch)
    config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None, access_log=False, server_header=False)
    config.timeout_graceful_shutdown = _LAST_ANSWERS_S
    return uvicorn.Server(config)


def serve_http(predictor: Predictor, host: str = LOOPBACK, port: int = PORT) -> None:
    """Answer requests with a bundle until the process gets SIGTERM or SIGINT; requests at work are finished then.

    It listens on one interface; nothing is encrypted, and nothing checks who asks. Port 0 is any that is free;
    ConfigError if the port is taken.
    """
    bound = listen(host, port)
    name, number = bound.getsockname()[:2]
    server = make_server(predictor)

    def stop(*_: object) -> None:
        server.should_exit = True

    # Uvicorn ends on these signals while it runs, and then raises them again for whoever waited for them before.
    with handling_signals(stop, signal.SIGTERM, signal.SIGINT):
        log.info("listening on http://%s:%d", f"[{name}]" if ":" in name else name, number)
        server.run(sockets=[bound])


class _Service:
    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="bfrb-http")

    async def predict(self, request: Request, handedness: Annotated[int | None, Query(ge=0, le=1)] = None) -> Answer:
        """The label of every recording, with the probabilities of all; `handedness` 0 is left, 1 right."""
        read, body = _reader(request), await _receive(request)
        work = asyncio.get_running_loop().run_in_executor(self._pool, lambda: self._answer(read(body), handedness))
        return await work

    async def index(self) -> dict[str, Any]:
        """What can be asked here."""
        notes = [SIMULATED] if self._predictor.simulated else []
        return {"service": "bfrb", "version": version("bfrb"), "notes": notes, "paths": PATHS}

    async def model(self) -> dict[str, Any]:
        """What the bundle is; nothing of the machine it was trained on."""
        manifest, device = self._predictor.bundle.manifest, self._predictor.device
        sensors = {sensor.name: {"unit": sensor.unit, "columns": sensor.columns} for sensor in device.sensors}
        return {
            "device": {"name": device.name, "row_rate_hz": device.row_rate_hz, "sensors": sensors},
            "label_set": manifest.label_set.model_dump(mode="json"),
            "members": len(manifest.members),
            "networks": sorted({member.network for member in manifest.members}),
            **{name: getattr(manifest, name) for name in ("max_length", "simulated", "version", "created")},
        }

    async def health(self) -> dict[str, str]:
        """Whether the server answers."""
        return {"status": "ok"}

    async def watch(self, request: Request, answer: Callable[..., Any]) -> Response:
        """Log an answer, without what stands in the query: it says something about a person."""
        status, start = 500, time.perf_counter()
        try:
            response: Response = await answer(request)
            status = response.status_code
        finally:
            took_ms = 1000 * (time.perf_counter() - start)
            log.info("%s %.100r %d, %.0f ms", request.method, request.url.path, status, took_ms)
        return response

    def _answer(self, columns: Columns, handedness: int | None) -> Answer:
        device, simulated = self._predictor.device, self._predictor.simulated
        recordings = recordings_from_columns(columns, device, handedness)
        found = self._predictor.predict(recordings)
        targets = target_probability(found.probabilities, found.label_set)
        answers = zip(found.ids, found.gestures, found.confidence, targets, found.probabilities, strict=True)
        predictions = [
            Prediction(
                id=name,
                label=label,
                confidence=float(confidence),
                target_probability=float(target),
                probabilities=dict(zip(found.label_set.classes, probabilities.tolist(), strict=True)),
            )
            for name, label, confidence, target, probabilities in answers
        ]
        unused = unused_columns(columns, device)
        notes = [SIMULATED] if simulated else []
        notes += [f"Columns that were not used: {', '.join(unused)[:200]}"] if unused else []
        notes += [f"{suspicion.problem}: {suspicion.remedy}" for suspicion in find_suspicions(recordings)]
        return Answer(predictions=predictions, simulated=simulated, notes=notes)


def _contents(device: Device) -> dict[str, Any]:
    """The bodies that `/predict` takes, for the OpenAPI document."""
    columns = [name for sensor in device.sensors for name in sensor.columns]
    some = ", ".join(columns[:16]) + (f" and {len(columns) - 16} more, see /model" if len(columns) > 16 else "")
    about = f"Columns of {device.name!r} at {device.row_rate_hz:g} rows a second: {some}."
    about += f" Beside them, if known: {', '.join(OPTIONAL)}."
    schemas = {JSON: Body.model_json_schema(), CSV: {"type": "string"}}
    return {kind: {"schema": schema | {"description": about}} for kind, schema in schemas.items()}


def _reader(request: Request) -> Callable[[bytes], Columns]:
    """What reads the body of a request, by its type."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    readers = {JSON: _read_json, CSV: read_csv}
    if kind not in readers or "content-encoding" in request.headers:
        problem = f"expected {CSV} or {JSON}, not compressed, got {kind[:60]!r}"
        raise RefusedError(415, problem, f"convert it, and send it with the header content-type: {CSV}")
    return readers[kind]


def _read_json(body: bytes) -> Columns:
    if body.count(b"[") + body.count(b"{") > _MOST_BRACKETS:
        problem = f"expected at most {_MOST_BRACKETS:,} lists and objects, got more"
        raise DataError(problem, remedy="send a list for every column, or CSV, or fewer recordings at a time")
    try:
        return columns_of(Body.model_validate_json(body).rows)
    except ValidationError as error:
        problem = f"expected a JSON object with rows, but: {error.errors(include_input=False)[0]['msg'][:200]}"
        remedy = 'send {"rows": [{...}, ...]} or {"rows": {"column": [...], ...}}'
        raise DataError(problem, remedy=remedy) from None


async def _receive(request: Request) -> bytes:
    """The body; one that is too large is read to its end, within bounds: a client that still sends reads no answer."""
    claimed = request.headers.get("content-length", "")
    body, size = bytearray(), 0
    total = int(claimed) if claimed.isdecimal() else 0
    chunks = request.stream()
    while max(size, total) <= _MOST_READ and (chunk := await anext(chunks, b"")):
        size += len(chunk)
        if size <= MAX_BYTES:
            body += chunk
    if max(size, total) > MAX_BYTES:
        problem = f"expected at most {MAX_BYTES:,} bytes, got {max(size, total):,}"
        raise RefusedError(413, problem, "send fewer recordings at a time")
    return bytes(body)


async def _show_problem(_: Request, error: Exception) -> Response:
    """The answer where none can be given. Whoever calls this logs errors that nobody expected, with their traceback."""
    status, headers = 500, None
    problem, remedy = "the request could not be answered", "the server's log says more"
    if isinstance(error, DataError):
        status, problem, remedy = 422, error.problem, error.remedy
    elif isinstance(error, RequestValidationError):
        first = error.errors()[0]
        status, problem, remedy = 422, f"{first['loc'][-1]}: {first['msg'][:100]}", "see /openapi.json"
    elif isinstance(error, HTTPException):
        status, headers, problem = error.status_code, error.headers, error.detail
        remedy = getattr(error, "remedy", f"ask one of {', '.join(PATHS)}")
    elif isinstance(error, ClientDisconnect):
        status = 400  # which nobody reads
    return JSONResponse(Problem(detail=problem, remedy=remedy).model_dump(), status, headers)
