"""Jobs in processes of their own, which leave Ctrl-C to their parent."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest

from bfrb import cli
from bfrb.errors import BfrbError, ConfigError
from bfrb.jobs import LocalProcesses
from bfrb.processes import available_memory, children_without_interrupts, usable_processors
from waiting import until

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")

TICKS_FOR_EVER = "import time\nwhile True:\n    open({path!r}, 'w').write(str(time.time()))\n    time.sleep(0.02)"

SCRIPT = """
import sys
from functools import partial
from runpy import run_path
from bfrb.jobs import LocalProcesses
LocalProcesses(1).run({"ticks": partial(run_path, sys.argv[1])}, tick=lambda: None)
"""


def write_process_id(path: Path) -> None:
    path.write_text(str(os.getpid()))


def refuse() -> None:
    raise ConfigError("a file is damaged", remedy="begin anew")


def end(code: signal.Signals | int, path: Path) -> None:
    """End without a word, once the other job runs too."""
    until(path.exists)
    if isinstance(code, signal.Signals):
        os.kill(os.getpid(), code)
    os._exit(code)


def sleep_after_writing(path: Path) -> None:
    path.write_text("here")
    time.sleep(60)


def test_every_job_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    ticks: list[int] = []
    jobs = {str(number): partial(write_process_id, tmp_path / str(number)) for number in range(3)}
    LocalProcesses(2).run(jobs, tick=lambda: ticks.append(1))
    processes = {path.read_text() for path in tmp_path.iterdir()}
    assert len(processes) == 3
    assert str(os.getpid()) not in processes
    assert ticks


def test_the_error_of_a_job_is_raised_and_the_others_are_stopped(tmp_path: Path) -> None:
    started = time.monotonic()
    with pytest.raises(ConfigError, match="a file is damaged") as raised:
        LocalProcesses(2).run({"sleeps": partial(time.sleep, 60), "refuses": refuse}, tick=lambda: None)
    assert raised.value.remedy == "begin anew"
    assert time.monotonic() - started < 50


def test_too_much_for_the_memory_is_told_by_the_job_and_by_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MemoryError, match="Unable to allocate 8") as raised:
        LocalProcesses(1).run({"huge": partial(np.zeros, 2**63 - 1, np.int8)}, tick=lambda: None)
    monkeypatch.setattr(cli, "app", Mock(side_effect=raised.value))
    with pytest.raises(SystemExit, match="2"):
        cli.main()


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (signal.SIGKILL, r"victim was killed by signal 9 \(Killed\); most likely there is too little memory for 2"),
        (3, r"victim ended with exit code 3\n"),
    ],
)
def test_a_process_that_ends_without_a_word_is_explained(code: signal.Signals | int, told: str, tmp_path: Path) -> None:
    jobs = {"sleeps": partial(sleep_after_writing, tmp_path / "x"), "victim": partial(end, code, tmp_path / "x")}
    with pytest.raises(BfrbError, match=told) as raised:
        LocalProcesses(2).run(jobs, tick=lambda: None)
    assert "the same command, which goes on from here" in raised.value.remedy
    assert ("fewer --workers" in raised.value.remedy) is (code == signal.SIGKILL)


def test_jobs_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    script, job, ticks = tmp_path / "script.py", tmp_path / "job.py", tmp_path / "ticks"
    script.write_text(SCRIPT)
    job.write_text(TICKS_FOR_EVER.format(path=str(ticks)))
    parent = subprocess.Popen([sys.executable, str(script), str(job)])
    until(ticks.exists)
    parent.kill()
    parent.wait()
    until(lambda: time.time() - ticks.stat().st_mtime > 0.5)  # it ticks no more


def hear_and_write(path: Path) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    path.write_text("went on")


def test_a_child_goes_on_when_ctrl_c_is_pressed(tmp_path: Path) -> None:
    process = get_context("spawn").Process(target=hear_and_write, args=(tmp_path / "written",))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the shell of these tests set
    with children_without_interrupts():
        process.start()
    signal.signal(signal.SIGINT, before)
    process.join(60)
    assert process.exitcode == 0
    assert (tmp_path / "written").read_text() == "went on"


@pytest.mark.parametrize(
    ("files", "processors"),
    [
        ({"cpu.max": "50000 100000"}, 1),
        ({"cpu.max": "max 100000"}, None),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, None),
        ({}, None),
        ({"cpu.max": "nonsense"}, None),
        ({"a/b/cpu.max": "max 100000", "a/cpu.max": "90000 100000"}, 1),  # a job's group and the one above it
        ({"cpu,cpuacct/c/d/cpu.cfs_quota_us": "50000", "cpu,cpuacct/c/d/cpu.cfs_period_us": "100000"}, 1),
    ],
)
def test_limits_of_containers_and_jobs_count(
    files: dict[str, str], processors: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = {"a/memory.max": "5000", "a/memory.current": "3000", "a/memory.stat": "anon 2000\ninactive_file 700"}
    for name, text in {**files, **memory, "own": "0::/a/b\n4:cpu,cpuacct:/c/d\n"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr("bfrb.processes._OWN_GROUPS", tmp_path / "own")
    assert usable_processors(tmp_path) == (processors or len(os.sched_getaffinity(0)))
    assert available_memory(tmp_path) == 5000 - 3000 + 700
    monkeypatch.setenv("BFRB_PROCESSORS", "0")
    with pytest.raises(ConfigError, match="1 or more"):
        usable_processors(tmp_path)
