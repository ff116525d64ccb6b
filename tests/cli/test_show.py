"""What commands print."""

import json

import pytest

from bfrb.cli.show import print_json, print_table, progress


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


def test_no_bar_is_drawn_into_a_file(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("working") as show:
        show(0.5)
        show(1.0)
    assert capsys.readouterr() == ("", "")
