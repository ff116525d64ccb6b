"""Processors and memory that may be used, child processes that leave Ctrl-C to their parent, and forked ones."""

import math
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import product
from multiprocessing import resource_tracker
from pathlib import Path

from bfrb.errors import ConfigError

PROCESSORS = "BFRB_PROCESSORS"  # the environment variable that says how many processors a process may keep busy

_CGROUP = Path("/sys/fs/cgroup")
_OWN_GROUPS = Path("/proc/self/cgroup")
_MEMINFO = Path("/proc/meminfo")


def usable_processors(cgroup: Path = _CGROUP) -> int:
    """How many processors this process may keep busy: those of its affinity, and no more than a container's quota.

    `taskset` restricts the affinity; `docker --cpus` and Kubernetes limits set a quota, which is rounded up. A process
    that shares a machine with others like it may be given a number (`PROCESSORS`).
    """
    if given := os.environ.get(PROCESSORS):
        if not given.isdecimal() or not int(given):
            raise ConfigError(f"expected processors in {PROCESSORS}, got {given!r}", remedy="set it to 1 or more")
        return int(given)
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, min([allowed, *map(math.ceil, _quotas(cgroup))]))


def _groups(cgroup: Path) -> set[Path]:
    """Folders of the control groups that this process is in, of version 2 or 1: its own, and those above."""
    found = {cgroup, cgroup / "cpu", cgroup / "memory"}
    with suppress(OSError):  # not Linux
        for line in _OWN_GROUPS.read_text(encoding="utf-8", errors="replace").splitlines():
            _, controllers, place = line.split(":", 2)
            own = cgroup / controllers / place.strip("/")
            found |= {own, *(above for above in own.parents if above.is_relative_to(cgroup))}
    return found


def _quotas(cgroup: Path) -> Iterator[float]:
    """Processors that control groups grant, where there is a limit."""
    for group in _groups(cgroup):
        with suppress(OSError, ValueError, ZeroDivisionError):  # none of processors, or "max": no limit
            names = ("cpu.max",) if (group / "cpu.max").is_file() else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
            quota, period = " ".join((group / name).read_text(encoding="ascii") for name in names).split()
            if float(quota) > 0:
                yield float(quota) / float(period)


def available_memory(cgroup: Path = _CGROUP, meminfo: Path = _MEMINFO) -> int:
    """Bytes of memory that may still be used: what the machine has free, or what is left of a container's limit.

    Where the system does not say what is free, all of the machine's memory counts.
    """
    return max(0, min([_free_memory(meminfo), *_memory_left(cgroup)]))


def _free_memory(meminfo: Path) -> int:
    try:
        lines = meminfo.read_text(encoding="ascii").splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration):  # not Linux
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") if hasattr(os, "sysconf") else sys.maxsize


def _memory_left(cgroup: Path) -> Iterator[int]:
    """What is left of the limits of control groups; files in memory can be given up."""
    names = ("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")
    for group, (limit, used) in product(_groups(cgroup), names):
        with suppress(OSError, ValueError):  # none of memory, or "max": no limit
            bounds = [int((group / name).read_text(encoding="ascii")) for name in (limit, used)]
            statistics = (group / "memory.stat").read_text(encoding="ascii").split()
            files = int(statistics[statistics.index("inactive_file") + 1])
            yield bounds[0] - bounds[1] + files


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
    for task in Path(f"/proc/{os.getppid()}/task").glob("*/comm"):  # on Linux
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
