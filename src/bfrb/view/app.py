"""The web application: the page's files, and the questions it asks about recordings, answers and labels."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bfrb.errors import BfrbError, DataError
from bfrb.study.recordings import Recordings
from bfrb.view import answers, traces
from bfrb.view.background import describe_error
from bfrb.view.collection import Collection
from bfrb.view.guard import Guard
from bfrb.view.labels import LabelFile, parse_label
from bfrb.view.packing import MEDIA_TYPE, pack
from bfrb.view.viewer import MAX_UPLOAD_BYTES, Viewer

MAX_LABEL_BYTES = 10_000
UPLOAD_SUFFIXES = (".csv", ".parquet")

# Not left to the system's own table, which may say that scripts are plain text.
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


def make_app(viewer: Viewer, port: int, token: str) -> Guard:
    """The application, guarded against everything that is not its own page.

    Parameters
    ----------
    viewer
        What is open.
    port
        The port it will be reached at.
    token
        The secret that the page has to know.
    """
    endpoints = _Endpoints(viewer)
    recordings = "/api/collections/{collection:int}/recordings"
    one = recordings + "/{number:int}"
    routes = [
        Route("/", endpoints.asset),
        Route("/assets/{name:path}", endpoints.asset),
        Route("/api/state", endpoints.state),
        Route(recordings, endpoints.list),
        Route(one, endpoints.describe),
        Route(one + "/traces", endpoints.traces),
        Route(one + "/frames", endpoints.frames),
        Route(one + "/answer", endpoints.answer),
        Route(one + "/answers", endpoints.answers),
        Route("/api/live", endpoints.live),
        Route("/api/labels", endpoints.labels, methods=["GET"]),
        Route("/api/labels", endpoints.save_label, methods=["POST"]),
        Route("/api/labels/{key}", endpoints.save_label, methods=["PUT"]),
        Route("/api/labels/{key}", endpoints.remove_label, methods=["DELETE"]),
        Route("/api/uploads", endpoints.upload, methods=["POST"]),
    ]
    handlers: Any = {BfrbError: _refused, OSError: _refused, 404: _absent, 500: _refused}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), port, token)


def read_assets() -> dict[str, bytes]:
    """The page's files by name; nothing else can be asked for."""
    folder = Path(str(files("bfrb.view"))) / "assets"
    found = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix in _MEDIA_TYPES]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


async def _refused(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse(describe_error(error), 422 if isinstance(error, BfrbError | OSError) else 500)


async def _absent(*_: Any) -> JSONResponse:
    return JSONResponse({"problem": "there is nothing here", "remedy": "load the page again"}, 404)


class _Endpoints:
    """One method per question of the page. Those that are plain functions run in threads."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._assets = read_assets()

    def _collection(self, request: Request) -> Collection:
        return self._viewer.listing(request.path_params["collection"]).collection

    def _recording(self, request: Request) -> Recordings:
        return self._collection(request).recording(request.path_params["number"])

    async def asset(self, request: Request) -> Response:
        name = request.path_params.get("name", "index.html")
        if name not in self._assets:
            raise HTTPException(404)
        return Response(self._assets[name], media_type=_MEDIA_TYPES[Path(name).suffix])

    def state(self, _: Request) -> JSONResponse:
        return JSONResponse(self._viewer.describe())

    def list(self, request: Request) -> JSONResponse:
        listing = self._viewer.listing(request.path_params["collection"])
        first, size = _number(request, "first", 0), _number(request, "size", 100)
        return JSONResponse(listing.page(request.query_params, first, size))

    def describe(self, request: Request) -> JSONResponse:
        described = traces.describe(self._recording(request))
        row = self._viewer.listing(request.path_params["collection"]).row(request.path_params["number"])
        return JSONResponse(described | {"row": row})

    def traces(self, request: Request) -> Response:
        panels = self._collection(request).panels(request.path_params["number"])
        rows = max((len(panel.values) for panel in panels), default=0)
        start, stop = traces.check_rows(_number(request, "start", 0), _number(request, "stop", rows), rows)
        arrays, described = traces.draw(panels, start, stop, _width(request))
        return Response(pack(arrays, panels=described, start=start, stop=stop), media_type=MEDIA_TYPE)

    def frames(self, request: Request) -> Response:
        start = _number(request, "start", 0)
        stop = _number(request, "stop", start + traces.MAX_FRAMES)
        arrays = traces.read_frames(self._recording(request), start, stop)
        return Response(pack(arrays, start=max(0, start)), media_type=MEDIA_TYPE)

    def answer(self, request: Request) -> JSONResponse:
        return JSONResponse(answers.answer(self._viewer.predictor(), self._recording(request)))

    def answers(self, request: Request) -> JSONResponse:
        return JSONResponse(answers.answer_over_time(self._viewer.predictor(), self._recording(request)))

    def live(self, request: Request) -> Response:
        wearer, span_s = request.query_params.get("wearer", ""), float(_number(request, "span", 60))
        arrays, values = self._viewer.feed.snapshot(wearer, span_s, _width(request))
        return Response(pack(arrays, **values), media_type=MEDIA_TYPE)

    def _label_file(self) -> LabelFile:
        if self._viewer.labels is None:
            problem = "labels are saved beside the opened data, and none is open"
            raise DataError(problem, remedy="start with: bfrb view RECORDINGS")
        return self._viewer.labels

    def labels(self, request: Request) -> JSONResponse:
        wanted = request.query_params.get("recording")
        found = [asdict(label) for label in self._label_file().read() if wanted in (None, label.recording)]
        return JSONResponse({"file": self._label_file().path.name, "labels": found})

    async def save_label(self, request: Request) -> JSONResponse:
        """Add a label, or change the one whose key is named."""
        key = request.path_params.get("key")
        label = parse_label(_parse_json(await _read_body(request, MAX_LABEL_BYTES, "shorten the label")), key)
        await run_in_threadpool(self._check_label, label.recording, key)
        await run_in_threadpool(self._label_file().put, label)
        return JSONResponse(asdict(label), 200 if key else 201)

    def _check_label(self, recording: str, key: str | None) -> None:
        """Labels are for recordings of the opened data, and only labels that exist are changed."""
        if recording not in self._viewer.listing(0).collection.columns["id"]:
            raise DataError(f"there is no recording {recording!r} in the opened data", remedy="choose one of the list")
        if key is not None and key not in {label.key for label in self._label_file().read()}:
            raise DataError(f"there is no label {key!r}", remedy="load the page again: it may be gone already")

    def remove_label(self, request: Request) -> JSONResponse:
        self._label_file().remove(request.path_params["key"])
        return JSONResponse({})

    async def upload(self, request: Request) -> JSONResponse:
        name = request.query_params.get("name", "")
        if Path(name).suffix.lower() not in UPLOAD_SUFFIXES:
            problem = f"expected a file that ends in {' or '.join(UPLOAD_SUFFIXES)}, got {name!r:.80}"
            raise DataError(problem, remedy="drop the recordings as CSV or Parquet")
        remedy = "start the viewer with the file instead: bfrb view FILE"
        body = await _read_body(request, MAX_UPLOAD_BYTES, remedy)
        return JSONResponse(await run_in_threadpool(self._viewer.add_upload, body, name), 201)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    try:
        return int(text)
    except ValueError:
        raise DataError(f"expected a whole number for {name}, got {text!r:.40}", remedy="load the page again") from None


def _width(request: Request) -> int:
    """Pixels that traces are reduced to."""
    return min(max(1, _number(request, "width", 1000)), traces.MAX_WIDTH)


async def _read_body(request: Request, most_bytes: int, remedy: str) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most_bytes:
            raise DataError(f"expected at most {most_bytes:,} bytes", remedy=remedy)
    return bytes(body)


def _parse_json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError as error:
        raise DataError(f"expected JSON, but {error}", remedy="load the page again") from None
