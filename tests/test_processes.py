"""Processes that leave Ctrl-C to their parent."""

import os
import signal
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path

import pytest

from bfrb.processes import children_without_interrupts, usable_processors

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals")


@pytest.fixture(autouse=True)
def heard_by_default() -> Iterator[None]:
    """Ctrl-C interrupts, even where the tests were started by a shell that goes on with something else."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def hear_and_write(path: Path) -> None:
    os.kill(os.getpid(), signal.SIGINT)
    path.write_text("went on")


def test_a_child_goes_on_when_ctrl_c_is_pressed(tmp_path: Path) -> None:
    process = get_context("spawn").Process(target=hear_and_write, args=(tmp_path / "written",))
    with children_without_interrupts():
        process.start()
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
    ],
)
def test_the_quota_of_a_container_counts(files: dict[str, str], processors: int | None, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert usable_processors(tmp_path) == (processors or len(os.sched_getaffinity(0)))
