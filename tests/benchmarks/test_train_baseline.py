"""The benchmark of the whole preset `baseline`, on the processor and with next to nothing to learn from."""

import sys
from pathlib import Path

import pytest

import train_baseline
from bfrb.read.store import write_store
from bundles import make_recordings
from studies import SIZES
from typed_commands import Bfrb

CHANGES = [
    "folds=2",
    "networks=['gated_two_branch']",
    "training.epochs=2",
    "training.batch_size=8",
    *(f"two_branch.{size}" for size in SIZES),
    *(f"gated_two_branch.{size}" for size in SIZES),
]


@pytest.mark.usefixtures("jobs_here")
def test_everything_runs_on_the_processor(
    bfrb: Bfrb, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    data = write_store([make_recordings(24, subjects=6)], tmp_path / "data", source="made up").path
    command = ["train_baseline.py", "--on-processor", "--data", str(data), "--workers", "2"]
    monkeypatch.setattr(sys, "argv", [*command, *(part for change in CHANGES for part in ("--set", change))])
    monkeypatch.setattr(train_baseline, "bfrb", lambda *arguments: bfrb(*arguments).works())
    assert train_baseline.main() == 0
    shown = capsys.readouterr().out
    assert "24 sequences, 2 networks: 4 epochs in" in shown
    assert "one network alone:" in shown
    assert "bound by the processor, which computes" in shown
    assert "no bar applies" in shown
