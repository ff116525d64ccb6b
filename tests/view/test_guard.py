"""Only the page itself may ask: no other host name, origin, site or path, and nothing without the token."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bfrb.view.guard import Guard
from viewing import OpenPage, Page

STATE = "/api/state"
LABEL = {"recording": "SEQ_000000", "start_s": 0.1, "end_s": 0.5, "label": "x"}


def test_the_page_itself_may_ask(shown: Page) -> None:
    own = f"http://127.0.0.1:{shown.server.port}"
    same = {"Origin": own, "Sec-Fetch-Site": "same-origin"}
    for headers in ({}, same, {"Host": own.replace("127.0.0.1", "localhost")[7:]}):
        assert shown.ask(STATE, headers=headers).status == 200


STRANGERS: list[dict[str, str | None]] = [
    *({"Host": host} for host in ("127.0.0.1", "127.0.0.1.evil.example:{port}", "evil.example:{port}", None)),
    *({"Origin": origin} for origin in ("http://evil.example", "null", "http://127.0.0.1:1")),
    *({"Sec-Fetch-Site": site} for site in ("cross-site", "same-site")),
    *({"X-Bfrb-Token": token} for token in (None, "", "wrong", "ü", "of another start")),
]


@pytest.mark.parametrize("headers", STRANGERS)
def test_strangers_can_neither_read_nor_label_and_learn_no_token(
    shown: Page, headers: dict[str, str | None], open_page: OpenPage, study: Path
) -> None:
    given = {name: value and value.format(port=shown.server.port) for name, value in headers.items()}
    if "of another start" in given.values():
        given["X-Bfrb-Token"] = open_page(study).server.token
        assert len(given["X-Bfrb-Token"]) >= 32
    preflight = {"Access-Control-Request-Method": "PUT", "X-Bfrb-Token": None}
    for method, path, more in (
        ("GET", STATE, {}),
        ("POST", "/api/labels", {}),
        ("PUT", "/api/labels/a", {}),
        ("DELETE", "/api/labels/a", {}),
        ("OPTIONS", "/api/labels/a", preflight),
        *((("GET", "/", {}), ("GET", "/assets/main.js", {})) if "Host" in given else ()),
    ):
        answer = shown.ask(path, method, LABEL, given | more)
        assert answer.status in (400, 403)
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert shown.server.token not in answer.text
    assert shown.ask("/api/labels").json["labels"] == []


OUTSIDE = "/assets/../app.py /assets/..%2fapp.py /assets//etc/passwd /assets/..\\app.py /study/train.csv /assets/"


@pytest.mark.parametrize("path", OUTSIDE.split())
def test_no_path_leads_to_a_file_outside(shown: Page, path: str) -> None:
    answer = shown.ask(path)
    assert (answer.status, "import" in answer.text, "root:" in answer.text) == (404, False, False)


def test_nothing_from_elsewhere_may_be_loaded(shown: Page) -> None:
    expected = {
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
    }
    for path in ("/", "/assets/main.js", STATE, "/absent"):
        headers = shown.ask(path).headers
        assert headers.items() >= expected.items()
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'")
        assert "frame-ancestors 'none'" in policy
        assert "http" not in policy
        assert "unsafe" not in policy


def test_a_page_that_waits_while_the_viewer_is_stopped_is_told_so() -> None:
    """A server that is stopped cancels what is still being computed; that is no fault of the application."""
    sent: list[Any] = []

    async def compute(*_: Any) -> None:
        await asyncio.sleep(60)

    async def keep(message: Any) -> None:
        sent.append(message)

    async def stop() -> None:
        scope = {"type": "http", "path": "/", "headers": [(b"host", b"localhost:1")]}
        asked = asyncio.create_task(Guard(compute, 1, "token")(scope, None, keep))  # type: ignore[arg-type]
        await asyncio.sleep(0)
        asked.cancel()
        await asked

    asyncio.run(stop())
    assert sent[0]["status"] == 503
    assert b"stopped" in sent[1]["body"]
