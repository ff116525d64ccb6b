"""Who may ask: only the page itself, in a browser on this machine.

The server listens on the loopback interface alone. A page of another origin in the same browser could still send it
requests, or, by pointing a name of its own at 127.0.0.1 (DNS rebinding), even read the answers; so every request must
name this host, carry no other origin, and, to reach anything but the page's own files, the token of this start.
"""

import asyncio
import secrets
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

TOKEN_HEADER = "x-bfrb-token"

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
}
"""Sent with every answer: nothing from elsewhere is loaded, framed or kept."""


class Guard:
    """Refuses what does not come from the page; a token is the secret of one start."""

    def __init__(self, app: ASGIApp, port: int, token: str) -> None:
        self._app = app
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request; the server passes on nothing else."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        app = self._app
        if problem := self._refuse(scope["path"], Headers(scope=scope)):
            app = JSONResponse({"problem": problem, "remedy": "open the address that bfrb view printed"}, 403)
        try:
            await app(scope, receive, send_guarded)
        except asyncio.CancelledError:  # the server is stopped while an answer is computed
            answer = JSONResponse({"problem": "the viewer was stopped", "remedy": "start it again: bfrb view"}, 503)
            await answer(scope, receive, send_guarded)

    def _refuse(self, path: str, headers: Mapping[str, str]) -> str:
        """Why a request is refused; empty if it is not."""
        host = headers.get("host", "").lower()
        if host not in self._hosts:
            return "this host name is not served"
        if headers.get("origin", f"http://{host}") != f"http://{host}":
            return "another origin may not ask here"
        if not path.startswith("/api/"):
            return ""
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return "another site may not ask here"
        if not secrets.compare_digest(headers.get(TOKEN_HEADER, "").encode(), self._token.encode()):
            return "the token of this start is missing or wrong"
        return ""
