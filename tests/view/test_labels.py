"""Only the page itself may ask; labels are in a file of their own, on the disk at every change, never lost."""

import asyncio
import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bfrb.read.annotations import Interval, read_intervals
from bfrb.view.guard import Guard
from bfrb.view.labels import LabelFile
from viewing import OpenPage, Page

STATE = "/api/state"
GIVEN = {"recording": "SEQ_000000", "start_s": 0.25, "end_s": 1.0, "label": "nail biting", "note": "left hand"}


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
    body = GIVEN if given.get("Host", "") is not None else None  # HTTP refuses that before it has read a body
    for method, path, more in (
        ("GET", STATE, {}),
        ("POST", "/api/labels", {}),
        ("PUT", "/api/labels/a", {}),
        ("DELETE", "/api/labels/a", {}),
        ("OPTIONS", "/api/labels/a", preflight),
        *((("GET", "/", {}), ("GET", "/assets/main.js", {})) if "Host" in given else ()),
    ):
        answer = shown.ask(path, method, body, given | more)
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


def save(page: Page, **changes: object) -> dict:
    answer = page.ask("/api/labels", "POST", GIVEN | changes)
    assert answer.status == 201, answer.body
    return answer.json


def test_a_label_is_in_its_file_when_the_answer_comes_and_training_reads_it(page: Page, study: Path) -> None:
    made = save(page)
    path = study.parent / "study.labels.csv"
    with path.open(newline="") as file:
        (row,) = csv.DictReader(file)
    assert {name: row[name] for name in GIVEN} == {name: str(value) for name, value in GIVEN.items()}
    assert row["key"] == made["key"]
    assert read_intervals(path) == [Interval(0.25, 1.0, "nail biting", "SEQ_000000", "left hand")]


def test_labels_are_corrected_and_removed_and_the_data_are_never_written_to(page: Page, study: Path) -> None:
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in study.iterdir()}
    kept, other = save(page), save(page, start_s=0.5)
    # The page sends back what it was given.
    changed = page.ask(f"/api/labels/{kept['key']}", "PUT", kept | {"key": "other", "end_s": 0.75})
    assert changed.status == 200
    assert page.ask(f"/api/labels/{other['key']}", "DELETE").status == 200
    (label,) = page.ask("/api/labels").json["labels"]
    assert (label["key"], label["end_s"]) == (kept["key"], 0.75)
    for method in ("PUT", "DELETE"):
        assert page.ask(f"/api/labels/{other['key']}", method, GIVEN).status == 422
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in study.iterdir()} == before


@pytest.mark.parametrize(
    "changes",
    [
        {"start_s": 1.0},
        {"start_s": -1},
        {"end_s": "1"},
        {"label": "  "},
        {"label": "a\nb"},
        {"label": "x" * 201},
        {"note": 3},
        {"recording": "SEQ_999999"},
        b"",
        b"null",
        b'{"start_s": NaN}',
        b"\xff",
    ],
)
def test_impossible_labels_are_refused(shown: Page, changes: dict | bytes) -> None:
    answer = shown.ask("/api/labels", "POST", GIVEN | changes if isinstance(changes, dict) else changes)
    assert (answer.status in (400, 422), set(answer.json)) == (True, {"problem", "remedy"})
    assert answer.json["problem"]
    assert shown.ask("/api/labels").json["labels"] == []


def test_a_file_that_cannot_be_read_is_left_as_it_is(page: Page, study: Path) -> None:
    path = study.parent / "study.labels.csv"
    path.write_text("these,are\nmy,notes\n")
    for answer in (page.ask("/api/labels"), page.ask("/api/labels", "POST", GIVEN)):
        assert answer.status == 422
        assert "study.labels.csv" in answer.json["problem"]
    assert path.read_text() == "these,are\nmy,notes\n"


def test_labels_lie_beside_a_file_or_a_folder(tmp_path: Path) -> None:
    (tmp_path / "study.v1").mkdir()
    for name, expected in (("a.csv", "a"), ("b.c.parquet", "b.c"), ("study.v1", "study.v1")):
        assert LabelFile.beside(tmp_path / name).path == tmp_path / f"{expected}.labels.csv"


WRITER = """
import sys
from pathlib import Path
from bfrb.view.labels import Label, LabelFile
for number in range(100000):
    LabelFile(Path(sys.argv[1])).put(Label(recording=f"{number:06d}", start_s=0.0, end_s=1.0, label="x" * 100))
    print(number, flush=True)
"""


def test_a_killed_writer_leaves_every_label_it_reported(tmp_path: Path) -> None:
    path = tmp_path / "x.labels.csv"
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    reported = [int(process.stdout.readline()) for _ in range(40)]
    process.kill()
    reported += [int(line) for line in process.stdout.read().split("\n")[:-1]]
    process.stdout.close()
    process.wait()
    kept = [int(label.recording) for label in LabelFile(path).read()]
    assert kept[: len(reported)] == reported
    assert len(kept) <= len(reported) + 1
