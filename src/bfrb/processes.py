"""Processors that may be used, and child processes that leave Ctrl-C to their parent."""

from __future__ import annotations

import math
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def usable_processors(cgroup: Path = _CGROUP) -> int:
    """How many processors this process may keep busy: those of its affinity, and no more than a container's quota.

    `taskset` restricts the affinity; `docker --cpus` and Kubernetes limits set a quota, which is rounded up.
    """
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
