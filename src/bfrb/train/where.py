"""Where independent jobs run: in processes of this machine, or wherever else an `Executor` can start them.

A job is a picklable function of no arguments whose result lies in files, so that it does not matter where it ran and
a job that was stopped can be run again.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import parent_process
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.queues import SimpleQueue
from types import ModuleType
from typing import Any, Protocol

from bfrb.errors import BfrbError
from bfrb.processes import children_without_interrupts

Job = Callable[[], None]
Tick = Callable[[], None]
Begun = SimpleQueue[tuple[str, int]]
"""Name and process of every job that has begun."""

POLL_S = 0.25


class Executor(Protocol):
    """Something that runs jobs."""

    def run(self, jobs: Mapping[str, Job], tick: Tick) -> None:
        """Run all jobs, calling `tick` a few times a second; the error of a job that fails is raised."""


class LocalProcesses:
    """Several jobs at a time, each in a new process of this machine.

    Processes end with this one, however it ends, so that no job goes on writing unseen. They do not import the script
    that called, so that it needs no `if __name__ == "__main__"`; a job has to come from a module.

    Parameters
    ----------
    workers
        How many jobs run at a time.
    """

    def __init__(self, workers: int) -> None:
        self.workers = max(1, workers)

    def run(self, jobs: Mapping[str, Job], tick: Tick) -> None:
        """Run the jobs, `workers` at a time.

        Raises
        ------
        BfrbError
            If a process is killed, as happens when memory runs out.
        """
        context = _Processes()
        begun: Begun = context.SimpleQueue()
        pool = ProcessPoolExecutor(self.workers, context, _begin, (begun,), max_tasks_per_child=1)
        waiting: set[Future[None]] = set()
        names: dict[int, str] = {}
        try:
            waiting |= {pool.submit(_run, name, job) for name, job in jobs.items()}
            while waiting:
                done, _ = wait(waiting, POLL_S, FIRST_COMPLETED)
                names |= _received(begun)
                tick()
                context.break_if_one_failed()
                for future in done:
                    future.result()
                waiting -= done
        except BrokenProcessPool:
            pool.shutdown()  # which waits until every process has its exit code
            raise _explain(context.started, names | _received(begun), self.workers) from None
        finally:
            _stop(waiting, context)
            pool.shutdown()


def _received(begun: Begun) -> dict[int, str]:
    """The jobs that have begun since, by process."""
    names = {}
    while not begun.empty():
        name, process = begun.get()
        names[process] = name
    return names


def _stop(futures: Iterable[Future[None]], context: _Processes) -> None:
    """End what still runs; a process that is killed takes the pool with it, and all it would have begun."""
    for future in futures:
        future.cancel()
    while not all(future.done() for future in futures):
        for process in context.started:
            process.kill()
        wait(futures, POLL_S)


class _Processes(SpawnContext):
    """Starts processes that neither hear Ctrl-C nor import the caller's script, and remembers them."""

    def __init__(self) -> None:
        self._made: list[SpawnProcess] = []

    @property
    def started(self) -> list[SpawnProcess]:
        """All that were started; the pool's own thread may be about to start another."""
        return [process for process in self._made if process.pid is not None]

    def Process(self, *args: Any, **options: Any) -> SpawnProcess:  # type: ignore[override]  # noqa: N802
        """A process that can be started."""
        process = _Process(*args, **options)
        self._made.append(process)
        return process

    def break_if_one_failed(self) -> None:
        """End all if one ended without a word: a pool does so too, but may not watch the process it started last.

        Python 3.11 wakes the pool's watcher before a process is started, not after; the end of another wakes it again.
        """
        if any(process.exitcode for process in self.started):
            for process in self.started:
                process.terminate()


class _Process(SpawnProcess):
    def start(self) -> None:
        """Start; meanwhile a main module without a file stands in for the script, which would be imported."""
        script = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            with children_without_interrupts():
                super().start()
        finally:
            sys.modules["__main__"] = script


def _explain(started: list[SpawnProcess], names: Mapping[int, str], workers: int) -> BfrbError:
    """What happened when processes of a pool ended without a word; the pool itself ends the others with SIGTERM."""
    ended = [(names.get(process.pid or 0, "a process"), process.exitcode) for process in started if process.exitcode]
    name, code = max(ended, key=lambda found: found[1] != -signal.SIGTERM)
    how = f"was killed by signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"ended with exit code {code}"
    is_memory = code == -signal.SIGKILL
    memory = f"; most likely there is too little memory for {workers} at a time" if is_memory else ""
    return BfrbError(
        f"{name} {how}{memory}",
        remedy="repeat the same command, which goes on from here" + (", with fewer --workers" if is_memory else ""),
    )


_begun: Begun | None = None


def _begin(begun: Begun) -> None:
    """Make a new process ready: it ends when its parent does."""
    global _begun  # noqa: PLW0603  what a process is given when it starts has no other place
    _begun = begun
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _run(name: str, job: Job) -> None:
    if _begun is not None:
        _begun.put((name, os.getpid()))
    job()
    sys.stdout.flush()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
