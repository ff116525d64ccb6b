"""What the tests of commands share."""

import pytest

from typed_commands import Bfrb, runner


@pytest.fixture
def bfrb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bfrb:
    return runner(monkeypatch, capsys)
