"""What `bfrb` does without a command, what commands show, how variants are compared, and the page about a bundle."""

import json
import logging
import signal
from pathlib import Path
from typing import Any

import pytest
import typer

import bfrb as package
import bfrb.__main__ as program
from bfrb import parts
from bfrb.cli import COMMANDS, _stopping, app, show
from bfrb.cli.show import print_json, print_table, progress
from bfrb.cli.train import read_variants, show_comparison, show_trained
from bfrb.errors import ConfigError
from bfrb.read.sources import open_source
from bfrb.train.presets import read_preset
from page_checks import Page, check_self_contained, check_well_made
from typed_commands import Bfrb


def test_it_tells_its_version_and_what_it_is_for(bfrb: Bfrb) -> None:
    result = bfrb("--version")
    assert (result.code, result.out, result.err) == (0, f"bfrb {package.__version__}\n", "")
    shown = bfrb("--help")
    assert (shown.code, "Recognise body-focused repetitive behaviours" in shown.out) == (0, True)
    assert all(command in shown.out for command in ("check", "ingest", "train", "evaluate", "predict"))


def test_ctrl_c_ends_it_quietly_while_it_loads(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> None:
    def interrupted(_name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "import_module", interrupted)
    with pytest.raises(SystemExit) as end:
        program.main()
    assert end.value.code == 130
    assert capfd.readouterr() == ("", "")


def swallow_ctrl_c() -> None:
    """As polars does, where Ctrl-C comes while it asks for a type."""
    with _stopping():
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise TypeError("<unprintable str object> is not a data type") from None


def test_ctrl_c_ends_it_though_a_library_makes_another_error_of_it() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(SystemExit) as end:
        swallow_ctrl_c()
    assert (end.value.code, signal.getsignal(signal.SIGINT)) == (130, before)


@pytest.mark.parametrize("example", [example for commands in COMMANDS.values() for example in commands.values()])
def test_every_command_has_an_example_in_its_help_that_can_be_typed(bfrb: Bfrb, example: str) -> None:
    _, name, *arguments = example.split()
    typer.main.get_command(app).commands[name].make_context(name, arguments)
    assert example in " ".join(bfrb(name, "--help").out.split())


def test_settings_of_training_are_shown_as_they_can_be_given_and_what_lacks_is_told(bfrb: Bfrb, tmp_path: Path) -> None:
    shown = bfrb("train", "--show-spec", "--preset", "quick", "--set", "training.epochs=7").out
    (tmp_path / "mine.toml").write_text(shown)
    assert read_preset(str(tmp_path / "mine.toml")) == read_preset("quick").updated(["training.epochs=7"])
    for given, lacks in (((), "recordings"), (("study",), "--out")):
        bfrb("train", *given).refuses(f"expected {lacks}")


def test_a_table_shows_every_cell_and_numbers_aligned_right(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Scores [bold]", ("class", "f1", "support"), [("a/b", 0.12345, 7), ("c", None, 1234)])
    print_table("Nothing", ("a", "b"), [])
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.startswith("Scores [bold]")
    assert "Nothing" in shown.out
    assert [line for line in shown.out.splitlines() if "│" in line] == [
        "│ a/b   │ 0.123 │       7 │",
        "│ c     │     - │    1234 │",
    ]


def test_json_is_one_object_with_readable_letters(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"score": 0.5, "name": "é"})
    out = capsys.readouterr().out
    assert (json.loads(out), "é" in out) == ({"score": 0.5, "name": "é"}, True)
    with pytest.raises(ValueError, match="JSON"):
        print_json({"score": float("nan")})


def test_a_fault_of_the_program_has_an_exit_code_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="70"), _stopping():
        raise RuntimeError("a fault")
    assert "RuntimeError: a fault" in capsys.readouterr().err


def test_a_file_gets_lines_now_and_then_and_no_bar(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    with caplog.at_level("INFO", "bfrb.cli"), progress("working") as tell:
        tell(0.1)
        monkeypatch.setattr(show, "_TELL_EVERY_S", 0.0)
        tell(0.5)
    assert capsys.readouterr() == ("", "")
    assert caplog.messages == ["working: 50 %"]


def found(score: float, difference: tuple[float, float, float] | None = None) -> dict[str, Any]:
    scores: dict[str, Any] = {"score": score, "interval": [score - 0.1, score + 0.1]}
    if difference is not None:
        scores |= {"difference": difference[0], "difference_interval": list(difference[1:])}
    return {"changes": {}, "scenarios": {"all": scores}}


RESULTS = {
    "simulated": True,
    "recordings": 90,
    "subjects": 12,
    "reference": "plain",
    "variants": {
        "plain": found(0.5),
        "better": found(0.6, (0.1, 0.02, 0.18)),
        "perhaps": found(0.51, (0.01, -0.05, 0.07)),
    },
}


def test_a_comparison_says_what_is_sure_and_that_it_is_simulated(capsys: pytest.CaptureFixture[str]) -> None:
    show_comparison(RESULTS)
    shown = capsys.readouterr().out
    assert "90 SIMULATED recordings of 12 subjects" in shown
    lines = {line.split()[1]: line for line in shown.splitlines() if line.startswith("│")}
    assert all(told in lines["better"] for told in ("+0.100", "+0.020 to +0.180", "yes"))
    assert "no" in lines["perhaps"]
    assert "yes" not in lines["plain"]
    show_comparison(RESULTS | {"subjects": 5})
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "better" in line]
    assert "too few people to be sure" in line


def test_variants_come_from_a_file_or_from_the_sensors(tmp_path: Path) -> None:
    sensors = read_variants(None, sensors=True, preset="baseline", changes=["training.epochs=2"])
    assert list(sensors.variants) == ["imu", "imu_thm", "imu_tof", "all"]
    assert sensors.run("imu").training.epochs == 2
    path = tmp_path / "variants.toml"
    path.write_text('changes = ["folds=4"]\n[variants]\na = []\nb = ["seed=3"]\n')
    spec = read_variants(path, sensors=False, preset=None, changes=["seed=1"])
    assert (spec.run("a").folds, spec.run("a").seed, spec.run("b").seed) == (4, 1, 3)
    for both in (True, False):
        with pytest.raises(ConfigError, match="--sensors"):
            read_variants(path if both else None, sensors=both, preset=None, changes=[])


def test_a_page_about_real_recordings_is_written_beside_the_bundle(bfrb: Bfrb, bundle: Path, real_data: Path) -> None:
    bfrb("report", bundle, "--data", real_data / "cmi" / "train_sample.csv").works()
    page = Page(bundle.with_name("model.report.html").read_text(encoding="utf-8"))
    check_self_contained(page)
    check_well_made(page)
    assert "On people who were not in training" in page.visible
    assert "15" in page.visible


def test_training_goes_on_without_a_report(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, real_data: Path
) -> None:
    source = open_source(real_data / "cmi" / "train_sample.csv")
    with caplog.at_level(logging.INFO), monkeypatch.context() as missing:
        missing.setattr(parts, "find_spec", lambda _: None)
        show_trained(bundle, source, as_json=True)
    assert "report could not be written" in caplog.text
    assert "bfrb[report]" in caplog.text
