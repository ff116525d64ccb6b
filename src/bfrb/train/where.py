"""Run independent jobs: in this process, or in processes of their own on this machine.

A job is a picklable function of no arguments whose result lies in files, so that it does not matter where it ran and
a job that was stopped can be run again.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Mapping
from multiprocessing import connection
from multiprocessing.context import SpawnProcess
from typing import Protocol

from bfrb.processes import children_without_interrupts

Job = Callable[[], None]
Tick = Callable[[], None]

POLL_S = 0.25


class Executor(Protocol):
    """Something that runs jobs."""

    def run(self, jobs: Mapping[str, Job], tick: Tick) -> None:
        """Run all jobs; call `tick` a few times a second; raise RuntimeError when a job fails."""


class InProcess:
    """One job after the other in this process: for a graphics card, which the jobs would fight over."""

    def run(self, jobs: Mapping[str, Job], tick: Tick) -> None:
        """Run the jobs in order; `tick` is called between them."""
        for job in jobs.values():
            job()
            tick()


class LocalProcesses:
    """Several jobs at a time, each in a process of its own.

    Processes end with this one, however it ends, so that no job goes on writing unseen.

    Parameters
    ----------
    workers
        How many jobs run at a time.
    """

    def __init__(self, workers: int) -> None:
        self.workers = max(1, workers)

    def run(self, jobs: Mapping[str, Job], tick: Tick) -> None:
        """Run the jobs, `workers` at a time."""
        waiting = list(jobs.items())
        running: dict[str, SpawnProcess] = {}
        try:
            while waiting or running:
                while waiting and len(running) < self.workers:
                    name, job = waiting.pop(0)
                    running[name] = _start(name, job)
                connection.wait([process.sentinel for process in running.values()], timeout=POLL_S)
                for name in [name for name, process in running.items() if not process.is_alive()]:
                    _check_exit(name, running.pop(name))
                tick()
        finally:
            for process in running.values():
                process.terminate()
            for process in running.values():
                process.join()


def _start(name: str, job: Job) -> SpawnProcess:
    process = multiprocessing.get_context("spawn").Process(target=_run_in_child, args=(job,), name=name, daemon=True)
    with children_without_interrupts():
        process.start()
    return process


def _check_exit(name: str, process: SpawnProcess) -> None:
    process.join()
    if process.exitcode:
        raise RuntimeError(f"{name} ended with exit code {process.exitcode}; its error stands above")


def _run_in_child(job: Job) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    job()
    sys.stdout.flush()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
