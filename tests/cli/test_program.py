"""What `bfrb` does without a command."""

from __future__ import annotations

import bfrb as package
from typed_commands import Bfrb


def test_it_tells_its_version(bfrb: Bfrb) -> None:
    result = bfrb("--version")
    assert (result.code, result.out, result.err) == (0, f"bfrb {package.__version__}\n", "")


def test_it_tells_what_it_is_for_and_its_commands(bfrb: Bfrb) -> None:
    result = bfrb("--help")
    assert result.code == 0
    assert "Recognise body-focused repetitive behaviours" in result.out
    assert all(command in result.out for command in ("check", "ingest", "train", "evaluate", "predict"))
