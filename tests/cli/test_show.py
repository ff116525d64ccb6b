"""What commands print."""

from __future__ import annotations

import json

import pytest

from bfrb.cli.show import print_json, print_table, progress


def test_a_table_shows_every_cell(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Scores [bold]", ("class", "f1", "support"), [("a/b", 0.12345, 7), ("c", None, 12)])
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.startswith("Scores [bold]")
    lines = [[cell.strip() for cell in line.strip("│\n").split("│")] for line in shown.out.splitlines() if "│" in line]
    assert lines == [["a/b", "0.123", "7"], ["c", "-", "12"]]


def test_numbers_are_aligned_right(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("", ("name", "n"), [("long name", 5), ("x", 1234)])
    out = capsys.readouterr().out
    assert "│ long name │    5 │" in out
    assert "│ x         │ 1234 │" in out


def test_a_table_may_be_empty(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("Nothing", ("a", "b"), [])
    assert "Nothing" in capsys.readouterr().out


def test_json_is_one_object_with_readable_letters(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"score": 0.5, "name": "é"}
    print_json(values)
    out = capsys.readouterr().out
    assert json.loads(out) == values
    assert "é" in out
    with pytest.raises(ValueError, match="JSON"):
        print_json({"score": float("nan")})


def test_no_bar_is_drawn_into_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("working") as show:
        show(0.5)
        show(1.0)
    assert capsys.readouterr() == ("", "")
