"""A command run as it is typed, for tests of the command line."""

import json
import sys
from collections.abc import Callable

import pytest


class Result:
    """Exit code and what was printed."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    @property
    def json(self) -> dict:
        return json.loads(self.out)

    def works(self) -> "Result":
        assert self.code == 0, self.err
        return self

    def refuses(self, *told: str) -> "Result":
        """It ended with code 2, and an error that says this."""
        said = " ".join(self.err.split())
        assert (self.code, [each for each in told if each not in said]) == (2, []), self.err
        return self


Bfrb = Callable[..., Result]


def runner(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bfrb:
    """Run a command in this process; a traceback would come out as the exception itself."""
    from bfrb.cli import main

    def run(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["bfrb", *map(str, arguments)])
        monkeypatch.setattr("logging.root.handlers", [])
        with pytest.raises(SystemExit) as stopped:
            main()
        return Result(int(stopped.value.code or 0), *capsys.readouterr())

    return run
