from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from bfrb.train.where import InProcess, LocalProcesses

WAITS = """
import sys, time
from functools import partial
from pathlib import Path
from bfrb.train.where import LocalProcesses
def tick_for_ever(path):
    while True:
        path.write_text(str(time.time()))
        time.sleep(0.02)
if __name__ == "__main__":
    LocalProcesses(1).run({"ticks": partial(tick_for_ever, Path(sys.argv[1]))}, tick=lambda: None)
"""


def write_process_id(path: Path) -> None:
    path.write_text(str(os.getpid()))


def fail() -> None:
    raise ValueError("this job fails")


def test_every_job_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    ticks: list[int] = []
    jobs = {str(number): partial(write_process_id, tmp_path / str(number)) for number in range(3)}
    LocalProcesses(2).run(jobs, tick=lambda: ticks.append(1))
    processes = {path.read_text() for path in tmp_path.iterdir()}
    assert len(processes) == 3
    assert str(os.getpid()) not in processes
    assert ticks


def test_jobs_can_run_in_this_process(tmp_path: Path) -> None:
    InProcess().run({"one": partial(write_process_id, tmp_path / "one")}, tick=lambda: None)
    assert (tmp_path / "one").read_text() == str(os.getpid())


def test_a_failing_job_ends_the_run_and_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        LocalProcesses(1).run({"broken": fail}, tick=lambda: None)
    assert "this job fails" in capfd.readouterr().err


def test_jobs_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script, ticks = tmp_path / "waits.py", tmp_path / "ticks"
    script.write_text(WAITS)
    parent = subprocess.Popen([sys.executable, str(script), str(ticks)])
    deadline = time.monotonic() + 30
    while not ticks.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert ticks.exists()
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    before = None
    while (now := ticks.read_text()) != before and time.monotonic() < deadline:
        before = now
        time.sleep(0.5)
    assert now == before
