"""Only the page itself may ask: no other host name, origin, site or path, and nothing without the token."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bfrb.view.guard import Guard
from cmi_files import labelled_study, write_study
from viewing import OpenPage, Page, serving

STATE = "/api/state"
LABEL = {"recording": "SEQ_000000", "start_s": 0.1, "end_s": 0.5, "label": "x"}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """One page for all tests here: none of them changes anything."""
    folder = tmp_path_factory.mktemp("guard") / "study"
    folder.mkdir()
    write_study(folder, labelled_study())
    with serving(folder) as served:
        yield served


def test_the_page_itself_may_ask(page: Page) -> None:
    own = f"http://127.0.0.1:{page.server.port}"
    for headers in (
        {},
        {"Origin": own, "Sec-Fetch-Site": "same-origin"},
        {"Host": own.replace("127.0.0.1", "localhost")[7:]},
    ):
        assert page.ask(STATE, headers=headers).status == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1.evil.example:{port}", "evil.example:{port}", None])
def test_other_host_names_are_refused_even_for_the_pages_files(page: Page, host: str | None) -> None:
    named = None if host is None else host.format(port=page.server.port)
    for path in (STATE, "/", "/assets/main.js"):
        assert page.ask(path, headers={"Host": named}).status in (400, 403)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_other_origins_and_sites_can_neither_read_nor_label(page: Page, headers: dict[str, str]) -> None:
    given = {name: value.format(port=page.server.port) for name, value in headers.items()}
    preflight = {"Access-Control-Request-Method": "PUT", "X-Bfrb-Token": None}
    for answer in (
        page.ask(STATE, headers=given),
        page.ask("/api/labels", "POST", LABEL, given),
        page.ask("/api/labels/abc", "OPTIONS", headers=given | preflight),
    ):
        assert answer.status == 403
        assert not [name for name in answer.headers if name.startswith("access-control")]
    assert page.ask("/api/labels").json["labels"] == []


@pytest.mark.parametrize("token", [None, "", "wrong", "ü", "of another start"])
def test_nothing_is_told_or_changed_without_the_token(
    page: Page, token: str | None, open_page: OpenPage, study: Path
) -> None:
    if token == "of another start":
        token = open_page(study).server.token
        assert len(token) >= 32
    for method, path in (
        ("GET", STATE),
        ("POST", "/api/labels"),
        ("PUT", "/api/labels/a"),
        ("DELETE", "/api/labels/a"),
    ):
        answer = page.ask(path, method, LABEL, {"X-Bfrb-Token": token})
        assert answer.status == 403
        assert page.server.token not in answer.body.decode()


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../app.py",
        "/assets/..%2fapp.py",
        "/assets//etc/passwd",
        "/assets/..\\app.py",
        "/study/train.csv",
        "/assets/",
    ],
)
def test_no_path_leads_to_a_file_outside(page: Page, path: str) -> None:
    answer = page.ask(path)
    assert answer.status == 404
    assert b"import" not in answer.body
    assert b"root:" not in answer.body


def test_nothing_from_elsewhere_may_be_loaded(page: Page) -> None:
    expected = {
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
    }
    for path in ("/", "/assets/main.js", STATE, "/absent"):
        headers = page.ask(path).headers
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
