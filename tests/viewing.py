"""The viewer's page, asked over real sockets."""

import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bfrb.view.app import Server
from bfrb.view.viewer import Viewer


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


def unpack(message: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and arrays of a packed message, as the page reads them."""
    size = int.from_bytes(message[:4], "little")
    header, body = json.loads(message[4 : 4 + size]), message[4 + size :]
    arrays = {}
    for entry in header["arrays"]:
        count = int(np.prod(entry["shape"]))
        values = np.frombuffer(body, np.dtype(entry["dtype"]).newbyteorder("<"), count, entry["offset"])
        arrays[entry["name"]] = values.reshape(entry["shape"])
    return header, arrays


@dataclass
class Page:
    """A page that is served, and a client that knows its token."""

    server: Server
    viewer: Viewer

    def ask(
        self, path: str, method: str = "GET", body: Any = None, headers: dict[str, str | None] | None = None
    ) -> Answer:
        """One request; a header of None is left out, a body that is no bytes is sent as JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Host": f"127.0.0.1:{self.server.port}", "X-Bfrb-Token": self.server.token} | (headers or {})
        given |= {"Content-Type": "application/json"}
        with closing(http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)) as connection:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                if value is not None:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(data or b"")))
            connection.endheaders(data)
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())

    def first(self, path: str = "") -> Any:
        """JSON about the first recording."""
        answer = self.ask(f"/api/recordings/0{path}")
        assert answer.status == 200, answer.body
        return answer.json


@contextmanager
def serving(recordings: Path, bundle: Path | None = None) -> Iterator[Page]:
    with closing(Viewer(recordings, bundle)) as viewer:
        viewer.wait(30)
        server = Server(viewer)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield Page(server, viewer)
        finally:
            server.stop()
            thread.join(10)
            assert not thread.is_alive()


OpenPage = Callable[..., Page]


@pytest.fixture
def open_page() -> Iterator[OpenPage]:
    """Serve recordings and a bundle until the end of the test."""
    with ExitStack() as stack:
        yield lambda *given: stack.enter_context(serving(*given))


@pytest.fixture
def page(open_page: OpenPage, study: Path, bundle: Path) -> Page:
    """A page of five recordings and a bundle."""
    return open_page(study, bundle)


@contextmanager
def view_command(*arguments: object, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """`bfrb view` in a process of its own, with temporary files in a folder; its first line is its address."""
    command = [sys.executable, "-m", "bfrb", "view", *map(str, arguments), "--no-browser"]
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, text=True, env=os.environ | {"TMPDIR": str(folder)}, **pipes)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()
