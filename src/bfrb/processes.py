"""Processors and memory that may be used, child processes that leave Ctrl-C to their parent, and forked ones."""

import math
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from pathlib import Path

from bfrb.errors import ConfigError

PROCESSORS = "BFRB_PROCESSORS"  # the environment variable that says how many processors a process may keep busy

_CGROUP = Path("/sys/fs/cgroup")
_MEMINFO = Path("/proc/meminfo")
_TASKS = "/proc/{}/task"  # the threads of a process, where the system is Linux


def usable_processors(cgroup: Path = _CGROUP) -> int:
    """How many processors this process may keep busy: those of its affinity, and no more than a container's quota.

    `taskset` restricts the affinity; `docker --cpus` and Kubernetes limits set a quota, which is rounded up. A process
    that shares a machine with others like it may be given a number (`PROCESSORS`).
    """
    if given := os.environ.get(PROCESSORS):
        return int(given)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = _quota(cgroup)
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def _quota(cgroup: Path) -> float | None:
    """Processors that the control group of this process grants, version 2 or 1; None without a limit."""
    try:
        if (cgroup / "cpu.max").is_file():
            quota, period = (cgroup / "cpu.max").read_text(encoding="ascii").split()
        else:
            quota = (cgroup / "cpu" / "cpu.cfs_quota_us").read_text(encoding="ascii")
            period = (cgroup / "cpu" / "cpu.cfs_period_us").read_text(encoding="ascii")
        processors = float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):  # no control groups, or "max": no limit
        return None
    return processors if processors > 0 else None


def available_memory(cgroup: Path = _CGROUP, meminfo: Path = _MEMINFO) -> int:
    """Bytes of memory that may still be used: what the machine has free, or what is left of a container's limit.

    Where the system does not say what is free, all of the machine's memory counts.
    """
    limits = [_free_memory(meminfo), _memory_left(cgroup)]
    return max(0, min(limit for limit in limits if limit is not None))


def _free_memory(meminfo: Path) -> int:
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):  # not Linux
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else sys.maxsize


def _memory_left(cgroup: Path) -> int | None:
    """What is left of the limit of this process's control group, version 2 or 1; files in memory can be given up."""
    for folder, limit, used in (
        (cgroup, "memory.max", "memory.current"),
        (cgroup / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        try:
            bounds = [int((folder / name).read_text(encoding="ascii")) for name in (limit, used)]
            statistics = (folder / "memory.stat").read_text(encoding="ascii").split()
            files = int(statistics[statistics.index("inactive_file") + 1])
        except (OSError, ValueError):  # no control groups, or "max": no limit
            continue
        return bounds[0] - bounds[1] + files
    return None


@contextmanager
def children_without_interrupts() -> Iterator[None]:
    """Processes that are started meanwhile never hear Ctrl-C, which reaches the whole group; this one hears it after.

    A child that hears it while it still imports would end with a traceback; the parent decides what becomes of it.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # its start, which the first child causes, would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_threads_lost = threading.Event()


def _find_lost_threads() -> None:
    """In a child that was forked: whether its parent had the threads of polars, which it lacks."""
    for task in Path(_TASKS.format(os.getppid())).glob("*/comm"):
        with suppress(OSError):  # a thread that has ended meanwhile
            if task.read_bytes() == b"polars-0\n":
                _threads_lost.set()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_find_lost_threads)


def check_threads() -> None:
    """Refuse to read in a forked child that would wait for threads that it lacks for ever: a ConfigError."""
    if _threads_lost.is_set():
        problem = "expected a process that can read files, got one forked from another that had read some with polars"
        remedy = 'start processes with multiprocessing.get_context("spawn"), or read in the parent'
        raise ConfigError(problem, remedy=remedy)
