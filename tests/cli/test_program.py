"""What `bfrb` does without a command."""

from __future__ import annotations

import subprocess
import sys

import pytest
import typer

import bfrb as package
import bfrb.__main__ as program
from bfrb.cli import COMMANDS, app
from typed_commands import Bfrb


def test_it_tells_its_version(bfrb: Bfrb) -> None:
    result = bfrb("--version")
    assert (result.code, result.out, result.err) == (0, f"bfrb {package.__version__}\n", "")


def test_it_tells_what_it_is_for_and_its_commands(bfrb: Bfrb) -> None:
    result = bfrb("--help")
    assert result.code == 0
    assert "Recognise body-focused repetitive behaviours" in result.out
    assert all(command in result.out for command in ("check", "ingest", "train", "evaluate", "predict"))


def test_ctrl_c_ends_it_quietly_even_while_it_loads(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture
) -> None:
    def interrupted(_name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "import_module", interrupted)
    with pytest.raises(SystemExit) as end:
        program.main()
    assert end.value.code == 130
    assert capfd.readouterr() == ("", "")


def test_python_runs_the_package() -> None:
    found = subprocess.run([sys.executable, "-m", "bfrb", "--version"], capture_output=True, text=True, check=True)
    assert found.stdout == f"bfrb {package.__version__}\n"


@pytest.mark.parametrize("example", [example for commands in COMMANDS.values() for example in commands.values()])
def test_every_command_has_an_example_in_its_help_that_can_be_typed(bfrb: Bfrb, example: str) -> None:
    _, name, *arguments = example.split()
    typer.main.get_command(app).commands[name].make_context(name, arguments)
    assert example in " ".join(bfrb(name, "--help").out.split())
