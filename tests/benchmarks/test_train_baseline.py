"""The benchmark of the whole preset `baseline`, on the processor and with next to nothing to learn from."""

import subprocess
import sys
from pathlib import Path

from bfrb.read.store import write_store
from bundles import make_recordings
from studies import SIZES

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "train_baseline.py"
CHANGES = [
    "folds=2",
    "networks=['gated_two_branch']",
    "training.epochs=2",
    "training.batch_size=8",
    *(f"two_branch.{size}" for size in SIZES),
    *(f"gated_two_branch.{size}" for size in SIZES),
]


def test_everything_runs_on_the_processor(tmp_path: Path) -> None:
    data = write_store([make_recordings(24, subjects=6)], tmp_path / "data", source="made up").path
    command = [sys.executable, str(SCRIPT), "--on-processor", "--data", str(data), "--workers", "2"]
    done = subprocess.run(
        [*command, *(part for change in CHANGES for part in ("--set", change))],
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    assert "24 sequences, 2 networks: 4 epochs in" in done.stdout
    assert "one network alone:" in done.stdout
    assert "bound by the processor, which computes" in done.stdout
    assert "no bar applies" in done.stdout
