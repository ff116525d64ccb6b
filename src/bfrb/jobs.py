"""Jobs whose results lie in files, and where they run: in processes of this machine, or on a cluster (`bfrb.cluster`).

A job is a picklable function of no arguments. As its result lies in files, it does not matter where it ran, and one
that was stopped can be run again.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import MappingProxyType, ModuleType
from typing import NamedTuple, Protocol

from bfrb.errors import BfrbError
from bfrb.processes import children_without_interrupts

Job = Callable[[], None]

POLL_S = 0.25


class Need(NamedTuple):
    """What a job needs while it runs."""

    memory: int = 2**29  # bytes; beside one core
    card_memory: int = 0  # bytes of a graphics card's memory, where there are cards


LITTLE = Need()


class Runner(Protocol):
    """What runs jobs."""

    @property
    def places(self) -> Mapping[str, str]:
        """On which machine each job runs or ran, where that is told."""

    def run(self, jobs: Mapping[str, Job], tick: Callable[[], None], need: Need = LITTLE) -> None:
        """Run the jobs, calling `tick` a few times a second; the first error of a job is raised."""


class LocalProcesses:
    """So many jobs at a time, each in a new process of this machine.

    Processes end with this one, however it ends, so that no job goes on writing unseen. They do not import the script
    that called, so that it needs no `if __name__ == "__main__"`; a job has to come from a module.
    """

    places: Mapping[str, str] = MappingProxyType({})

    def __init__(self, workers: int) -> None:
        self.workers = max(1, workers)

    def run(self, jobs: Mapping[str, Job], tick: Callable[[], None], need: Need = LITTLE) -> None:  # noqa: ARG002
        """Run the jobs, `workers` at a time, calling `tick` a few times a second.

        The first BfrbError, OSError or MemoryError of a job is raised, and BfrbError if a process is killed, as happens
        when memory runs out. The other jobs are stopped.
        """
        waiting = list(reversed(list(jobs.items())))
        running: dict[Connection, tuple[str, BaseProcess]] = {}
        try:
            while waiting or running:
                while waiting and len(running) < self.workers:
                    name, job = waiting.pop()
                    told, process = _start(job)
                    running[told] = name, process
                ended = wait(list(running), POLL_S)
                tick()
                for told in [told for told in running if told in ended]:
                    self._finish(told, *running[told])
                    del running[told]
        finally:
            for _, process in running.values():
                process.kill()
                process.join()

    def _finish(self, told: Connection, name: str, process: BaseProcess) -> None:
        """Wait for the end of a process that has told an error, or whose end of the pipe is closed."""
        try:
            raise told.recv()
        except EOFError:
            process.join()
        code, how, remedy = process.exitcode or 0, "", "repeat the same command, which goes on from here"
        if code < 0:
            how = f"was killed by signal {-code} ({signal.strsignal(-code)})"
        if code == -signal.SIGKILL:
            how += f"; most likely there is too little memory for {self.workers} at a time"
            remedy += ", with fewer --workers"
        if code:
            raise BfrbError(f"{name} {how or f'ended with exit code {code}'}", remedy=remedy)


def _start(job: Job) -> tuple[Connection, BaseProcess]:
    """Start a process; meanwhile a main module without a file stands in for the script, which would be imported."""
    context = get_context("spawn")
    told, tell = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(job, tell))
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        with children_without_interrupts():
            process.start()
    finally:
        sys.modules["__main__"] = script
        tell.close()  # so that the pipe ends with the process
    return told, process


def _run(job: Job, tell: Connection) -> None:
    """Do a job; errors that a user can mend are told, others show their traceback."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        job()
    except (BfrbError, OSError, MemoryError) as error:
        tell.send(error)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
