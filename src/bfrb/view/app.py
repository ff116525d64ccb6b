"""The web application: the page's files, and the questions it asks about recordings, answers and labels."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from bfrb.errors import BfrbError, DataError
from bfrb.study.recordings import Recordings
from bfrb.view import answers, traces
from bfrb.view.guard import Guard
from bfrb.view.labels import LabelFile, parse_label
from bfrb.view.listing import Search
from bfrb.view.packing import MEDIA_TYPE, pack
from bfrb.view.pending import explain
from bfrb.view.viewer import MAX_UPLOAD_BYTES, Viewer

MAX_LABEL_BYTES = 10_000
UPLOAD_SUFFIXES = (".csv", ".parquet")

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
    questions = _Questions(viewer)
    base, one = "/api/collections/{collection:int}/recordings", "/{number:int}"
    routes = [
        Route("/", _Page(read_assets())),
        Route("/assets/{name:path}", _Page(read_assets())),
        Route("/api/state", questions.state),
        Route(base, questions.list),
        Route(base + one, questions.describe),
        Route(base + one + "/traces", questions.traces),
        Route(base + one + "/frames", questions.frames),
        Route(base + one + "/answer", questions.answer),
        Route(base + one + "/answers", questions.answers),
        Route("/api/live", questions.live),
        Route("/api/labels", questions.labels, methods=["GET"]),
        Route("/api/labels", questions.add_label, methods=["POST"]),
        Route("/api/labels/{key}", questions.change_label, methods=["PUT"]),
        Route("/api/labels/{key}", questions.remove_label, methods=["DELETE"]),
        Route("/api/uploads", questions.upload, methods=["POST"]),
    ]
    handlers: Any = {BfrbError: _refused, OSError: _refused, 404: _absent, 500: _refused}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), port, token)


def read_assets() -> dict[str, bytes]:
    """The page's files by name; nothing else can be asked for."""
    folder = Path(str(files("bfrb.view"))) / "assets"
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in _MEDIA_TYPES
    }


class _Page:
    """Gives the page's own files, read once."""

    def __init__(self, assets: dict[str, bytes]) -> None:
        self._assets = assets

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        name = request.path_params.get("name", "index.html")
        body = self._assets.get(name)
        answer = await _absent(request) if body is None else Response(body, media_type=_MEDIA_TYPES[Path(name).suffix])
        await answer(scope, receive, send)


async def _refused(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse(explain(error), 422 if isinstance(error, BfrbError | OSError) else 500)


async def _absent(*_: Any) -> JSONResponse:
    return JSONResponse({"problem": "there is nothing here", "remedy": "load the page again"}, 404)


class _Questions:
    """One method per question of the page. Those that are plain functions run in threads."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer

    def _recording(self, request: Request) -> Recordings:
        return self._viewer.opened(request.path_params["collection"]).collection.recording(
            request.path_params["number"]
        )

    def state(self, _: Request) -> JSONResponse:
        return JSONResponse(self._viewer.describe())

    def list(self, request: Request) -> JSONResponse:
        listing = self._viewer.opened(request.path_params["collection"]).listing
        names = ("text", "subject", "gesture", "orientation", "missing")
        search = Search(**{name: request.query_params.get(name, "") for name in names})
        return JSONResponse(listing.page(search, _number(request, "first", 0), _number(request, "size", 100)))

    def describe(self, request: Request) -> JSONResponse:
        listing = self._viewer.opened(request.path_params["collection"]).listing
        described = traces.describe(self._recording(request))
        return JSONResponse(described | {"row": listing.row(request.path_params["number"])})

    def traces(self, request: Request) -> Response:
        panels = self._viewer.opened(request.path_params["collection"]).panels(request.path_params["number"])
        rows = max((len(panel.values) for panel in panels), default=0)
        start, stop = traces.check_rows(_number(request, "start", 0), _number(request, "stop", rows), rows)
        width = min(max(1, _number(request, "width", 1000)), traces.MAX_WIDTH)
        wanted = request.query_params.get("only")
        arrays, described = {}, []
        for panel in panels:
            if wanted is None or panel.name == wanted:
                arrays["rows"], arrays[panel.name] = traces.reduce_rows(panel.values, start, stop, width)
                described.append({name: getattr(panel, name) for name in ("name", "title", "unit", "channels")})
        return Response(pack(arrays, panels=described, start=start, stop=stop), media_type=MEDIA_TYPE)

    def frames(self, request: Request) -> Response:
        recording = self._recording(request)
        start = _number(request, "start", 0)
        arrays = traces.read_frames(recording, start, _number(request, "stop", start + traces.MAX_FRAMES))
        return Response(pack(arrays, start=max(0, start)), media_type=MEDIA_TYPE)

    def answer(self, request: Request) -> JSONResponse:
        return JSONResponse(answers.answer(self._viewer.predictor(), self._recording(request)))

    def answers(self, request: Request) -> JSONResponse:
        return JSONResponse(answers.answer_over_time(self._viewer.predictor(), self._recording(request)))

    def live(self, request: Request) -> Response:
        width = min(max(1, _number(request, "width", 1000)), traces.MAX_WIDTH)
        wearer, span_s = request.query_params.get("wearer", ""), float(_number(request, "span", 60))
        arrays, values = self._viewer.feed.look(wearer, span_s, width)
        return Response(pack(arrays, **values), media_type=MEDIA_TYPE)

    def _label_file(self) -> LabelFile:
        if self._viewer.labels is None:
            raise DataError(
                "labels are saved beside the opened data, and none is open", remedy="start with: bfrb view RECORDINGS"
            )
        return self._viewer.labels

    def labels(self, request: Request) -> JSONResponse:
        wanted = request.query_params.get("recording")
        found = [asdict(label) for label in self._label_file().read() if wanted in (None, label.recording)]
        return JSONResponse({"file": self._label_file().path.name, "labels": found})

    async def add_label(self, request: Request) -> JSONResponse:
        return await self._save_label(request, None)

    async def change_label(self, request: Request) -> JSONResponse:
        return await self._save_label(request, request.path_params["key"])

    async def _save_label(self, request: Request, key: str | None) -> JSONResponse:
        label = parse_label(await _read_json(request), key)
        await run_in_threadpool(self._check_label, label.recording, key)
        await run_in_threadpool(self._label_file().put, label)
        return JSONResponse(asdict(label), 200 if key else 201)

    def _check_label(self, recording: str, key: str | None) -> None:
        """Labels are for recordings of the opened data, and only labels that exist are changed."""
        if recording not in self._viewer.opened(0).collection.columns["id"]:
            raise DataError(f"there is no recording {recording!r} in the opened data", remedy="choose one of the list")
        if key is not None and key not in {label.key for label in self._label_file().read()}:
            raise DataError(f"there is no label {key!r}", remedy="load the page again: it may be gone already")

    def remove_label(self, request: Request) -> JSONResponse:
        self._label_file().remove(request.path_params["key"])
        return JSONResponse({})

    async def upload(self, request: Request) -> JSONResponse:
        name = request.query_params.get("name", "")
        suffix = Path(name).suffix.lower()
        if suffix not in UPLOAD_SUFFIXES:
            raise DataError(
                f"expected a file that ends in {' or '.join(UPLOAD_SUFFIXES)}, got {name!r:.80}",
                remedy="drop the recordings as CSV or Parquet",
            )
        with self._viewer.upload_folder() as folder:
            file = folder / f"dropped{suffix}"
            await _save(request, file)
            return JSONResponse(await run_in_threadpool(self._viewer.take_in, file, name), 201)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name, str(default))
    try:
        return int(text)
    except ValueError:
        raise DataError(f"expected a whole number for {name}, got {text!r:.40}", remedy="load the page again") from None


async def _read_json(request: Request) -> Any:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_LABEL_BYTES:
            raise DataError(f"expected a label of at most {MAX_LABEL_BYTES} bytes", remedy="shorten it")
    try:
        return json.loads(body)
    except ValueError as error:
        raise DataError(f"expected JSON, but {error}", remedy="load the page again") from None


async def _save(request: Request, file: Path) -> None:
    """Write a request's body to a file, up to the limit."""
    size = 0
    with file.open("wb") as out:
        async for chunk in request.stream():
            size += len(chunk)
            if size > MAX_UPLOAD_BYTES:
                raise DataError(
                    f"expected a file of at most {MAX_UPLOAD_BYTES >> 20} MB",
                    remedy="start the viewer with the file instead: bfrb view FILE",
                )
            out.write(chunk)
