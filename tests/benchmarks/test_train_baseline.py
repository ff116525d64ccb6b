"""The benchmark of the whole preset `baseline`, on the processor and with next to nothing to learn from."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from bfrb.read.store import write_store
from bfrb.train.presets import read_preset
from bundles import make_recordings

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "train_baseline.py"
TINY = [
    "folds=2",
    "networks=['two_branch']",
    "training.epochs=2",
    "training.batch_size=8",
    "two_branch.widths=[8, 8]",
    "two_branch.recurrent_units=4",
]


@pytest.fixture(scope="module")
def benchmark() -> ModuleType:
    described = importlib.util.spec_from_file_location("train_baseline", SCRIPT)
    assert described is not None
    assert described.loader is not None
    module = importlib.util.module_from_spec(described)
    sys.modules["train_baseline"] = module
    described.loader.exec_module(module)
    return module


def test_everything_runs_on_the_processor(tmp_path: Path) -> None:
    data = write_store([make_recordings(24, subjects=6)], tmp_path / "data", source="made up").path
    command = [sys.executable, str(SCRIPT), "--on-processor", "--data", str(data), "--workers", "2"]
    done = subprocess.run(
        [*command, *(part for change in TINY for part in ("--set", change))],
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


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a graphics card")
def test_without_a_card_the_whole_preset_is_not_begun(
    benchmark: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["train_baseline.py"])
    assert benchmark.main() == 0
    assert "skipped: there is no graphics card" in capsys.readouterr().out


def test_the_busiest_part_is_what_bounds(benchmark: ModuleType) -> None:
    step = benchmark.Step(wall_ms=5.0, card_ms=1.0, kernels=500.0, slowest=(("gemm", 0.4),))
    assert benchmark.name_bound(step, 16, 0.95) == "the card"
    assert benchmark.name_bound(step, 16, 0.6).startswith("taking turns")
    assert benchmark.name_bound(step, 3, 0.5).startswith("the processors")
    assert benchmark.name_bound(step, 2, None).startswith("the processor, which computes")


def test_what_the_card_says_of_itself_is_averaged(benchmark: ModuleType) -> None:
    assert benchmark.read_watched(["80, 1024\n", "100, 3072\n", "\n"]) == (0.9, 3.0)


def test_the_profile_of_a_step_has_its_slowest_operators(benchmark: ModuleType) -> None:
    spec = read_preset("baseline").updated(TINY)
    step = benchmark.profile_step(spec, torch.device("cpu"), steps=2)
    assert step.wall_ms > 0
    assert step.card_ms == step.kernels == 0
    assert len(step.slowest) == 5
    assert all(0 < share <= 1 for _, share in step.slowest)
