"""`bfrb view`, as it is typed."""

import re
import signal
import socket
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("uvicorn", reason="the viewer is not installed: pip install 'bfrb[view]'")

from cmi_files import labelled_study, write_study
from viewing import view_command


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_its_address_and_leaves_nothing_when_it_is_stopped(tmp_path: Path, stop: signal.Signals) -> None:
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    data = write_study(tmp_path, labelled_study())
    with view_command(data, folder=temporary) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/#token=[\w-]{32}", url)
        with urllib.request.urlopen(url.partition("#")[0], timeout=10) as answer:
            assert b"<title>bfrb view</title>" in answer.read()
        assert any(temporary.glob("bfrb*"))
        process.send_signal(stop)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in err
    assert url.partition("=")[2] not in err
    assert list(temporary.glob("bfrb*")) == []


def test_paths_that_lead_nowhere_and_taken_ports_are_refused(tmp_path: Path) -> None:
    data = write_study(tmp_path, labelled_study())
    (tmp_path / "broken.csv").write_bytes(b"a,b\n1,2\n")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for arguments, complaint in (
            ([tmp_path / "broken.csv"], "to do: "),
            ([tmp_path / "absent"], "no such file"),
            ([data, "--bundle", tmp_path], "bundle.json"),
            ([data, "--port", port], "cannot listen on"),
        ):
            with view_command(*arguments, folder=tmp_path) as process:
                out, err = process.communicate(timeout=60)
            assert (process.returncode, out) == (2, ""), err
            assert complaint in err
    assert list(tmp_path.glob("*bfrb*")) == []
