"""The web application and its server: the page's files, and what it asks about recordings, answers and labels."""

import mimetypes
import secrets
import threading
from collections.abc import Callable
from importlib.resources import files
from typing import Annotated, Any

import uvicorn
from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from bfrb.errors import BfrbError
from bfrb.serve.sockets import LOOPBACK, listen
from bfrb.study.recordings import Recordings
from bfrb.view import answers, traces
from bfrb.view.guard import Guard
from bfrb.view.labels import Label
from bfrb.view.traces import pack
from bfrb.view.viewer import Viewer, describe_error

_ASSETS = f"{files('bfrb.view')}/assets"
_PACKED = "application/octet-stream"

router = APIRouter(prefix="/api")


def make_app(viewer: Viewer, port: int, token: str) -> Guard:
    """The application of a viewer, guarded against whoever does not come from this port's page with its token."""
    mimetypes.add_type("text/javascript", ".js")  # a system's own table may say that scripts are plain text
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    app.state.viewer = viewer
    for kind in (BfrbError, OSError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _show_problem)
    app.include_router(router)
    app.mount("/assets", StaticFiles(directory=_ASSETS))
    app.get("/")(lambda: FileResponse(f"{_ASSETS}/index.html"))
    return Guard(app, port, token)


async def _show_problem(_: Request, error: Exception) -> JSONResponse:
    status, told = 500, describe_error(error)
    if isinstance(error, HTTPException):
        status, told = error.status_code, {"problem": str(error.detail), "remedy": "load the page again"}
    elif isinstance(error, RequestValidationError):
        first = error.errors()[0]
        told = {"problem": f"{first['loc'][-1]}: {first['msg']}", "remedy": "correct it, or load the page again"}
    is_ours = isinstance(error, BfrbError | OSError | RequestValidationError)
    return JSONResponse(told, 422 if is_ours else status)


async def _viewer(request: Request) -> Viewer:
    viewer: Viewer = request.app.state.viewer
    return viewer


Opened = Annotated[Viewer, Depends(_viewer)]


def _recording(number: int, viewer: Opened) -> Recordings:
    return viewer.collection.recording(number)


One = Annotated[Recordings, Depends(_recording)]
_ALL = "/recordings"
_ONE = _ALL + "/{number}"


@router.get("/state")
def _state(viewer: Opened) -> dict[str, Any]:
    return viewer.describe()


@router.get(_ALL)
def _page(request: Request, viewer: Opened, first: int = 0, size: int = 100) -> dict[str, Any]:
    return viewer.collection.page(request.query_params, first, size)


@router.get(_ONE)
def _describe(number: int, viewer: Opened, recording: One) -> dict[str, Any]:
    return traces.describe(recording) | {"row": viewer.collection.row(number)}


@router.get(_ONE + "/traces")
def _traces(number: int, viewer: Opened, start: int = 0, stop: int | None = None, width: int = 1000) -> Response:
    panels = viewer.collection.panels(number)
    rows = len(panels[0].values)
    start, stop = traces.check_rows(start, rows if stop is None else stop, rows)
    arrays, described = traces.draw(panels, start, stop, width)
    return Response(pack(arrays, panels=described, start=start, stop=stop), media_type=_PACKED)


@router.get(_ONE + "/frames")
def _frames(recording: One, start: int = 0, stop: int | None = None) -> Response:
    arrays = traces.read_frames(recording, start, start + traces.MAX_FRAMES if stop is None else stop)
    return Response(pack(arrays, start=max(0, start)), media_type=_PACKED)


@router.get(_ONE + "/answer")
def _answer(viewer: Opened, recording: One) -> dict[str, Any]:
    return answers.answer(viewer.predictor, recording)


@router.get(_ONE + "/answers")
def _answers(viewer: Opened, recording: One) -> dict[str, Any]:
    return answers.answer_over_time(viewer.predictor, recording)


@router.get("/labels")
def _labels(viewer: Opened, recording: str | None = None) -> dict[str, Any]:
    file = viewer.label_file()
    return {"file": file.path.name, "labels": [each for each in file.read() if recording in (None, each.recording)]}


@router.post("/labels", status_code=201)
def _add_label(viewer: Opened, label: Label) -> Label:
    return viewer.label_file(label.recording).put(label)


@router.put("/labels/{key}")
def _change_label(viewer: Opened, key: str, label: Label) -> Label:
    return viewer.label_file(label.recording).put(label, key)


@router.delete("/labels/{key}")
def _remove_label(viewer: Opened, key: str) -> dict[str, Any]:
    viewer.label_file().remove(key)
    return {}


_LAST_ANSWERS_S = 2


class Server:
    """A page that is served on this machine; port 0 is any that is free, ConfigError if it is taken."""

    def __init__(self, viewer: Viewer, port: int = 0) -> None:
        self._socket = listen(LOOPBACK, port)
        self.port: int = self._socket.getsockname()[1]
        self.token = secrets.token_urlsafe(24)
        app = make_app(viewer, self.port, self.token)
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none", server_header=False)
        config.timeout_graceful_shutdown = _LAST_ANSWERS_S
        self._server = uvicorn.Server(config)

    @property
    def url(self) -> str:
        """The address of the page. The token is in the part that a browser sends to nobody."""
        return f"http://{LOOPBACK}:{self.port}/#token={self.token}"

    def run(self, when_ready: Callable[[], object] | None = None) -> None:
        """Serve until it is stopped."""
        if when_ready is not None:
            threading.Thread(target=when_ready, daemon=True).start()
        self._server.run(sockets=[self._socket])

    def stop(self) -> None:
        """Let `run` come to its end."""
        self._server.should_exit = True
