"""What `bfrb` does without a command."""

import subprocess
import sys
from pathlib import Path

import pytest
import typer

import bfrb as package
import bfrb.__main__ as program
from bfrb.cli import COMMANDS, app
from bfrb.train.presets import read_preset
from typed_commands import Bfrb


def test_it_tells_its_version_and_what_it_is_for(bfrb: Bfrb) -> None:
    result = bfrb("--version")
    assert (result.code, result.out, result.err) == (0, f"bfrb {package.__version__}\n", "")
    shown = bfrb("--help")
    assert (shown.code, "Recognise body-focused repetitive behaviours" in shown.out) == (0, True)
    assert all(command in shown.out for command in ("check", "ingest", "train", "evaluate", "predict"))


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


def test_the_settings_of_a_training_are_shown_as_they_can_be_given(bfrb: Bfrb, tmp_path: Path) -> None:
    shown = bfrb("train", "--show-spec", "--preset", "quick", "--set", "training.epochs=7").out
    (tmp_path / "mine.toml").write_text(shown)
    assert read_preset(str(tmp_path / "mine.toml")) == read_preset("quick").updated(["training.epochs=7"])


@pytest.mark.parametrize(("given", "lacks"), [((), "recordings"), (("study",), "--out")])
def test_training_without_recordings_or_a_place_for_the_bundle_is_refused(
    bfrb: Bfrb, given: tuple[str, ...], lacks: str
) -> None:
    done = bfrb("train", *given)
    assert (done.code, f"expected {lacks}" in done.err) == (2, True)
