"""Threads that answer: as many as there are processors, shared by all predictors of a process."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from typing import TypeVar

from bfrb.processes import usable_processors

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 2


def start_threads() -> tuple[ThreadPoolExecutor, int]:
    """The threads of this process and their number; a forked child, which inherits none, gets its own."""
    return _start_threads(os.getpid())


@lru_cache(maxsize=1)
def _start_threads(process: int) -> tuple[ThreadPoolExecutor, int]:  # noqa: ARG001  one pool per process
    count = usable_processors()
    return ThreadPoolExecutor(count, thread_name_prefix="bfrb"), count


def share_out(function: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """What a function gives for every item, in order; this thread works as well, so that fewer have to be woken."""
    pool, count = start_threads()
    waiting = deque(enumerate(items))
    done: dict[int, Result] = {}

    def work() -> None:
        while True:
            try:
                number, item = waiting.popleft()
            except IndexError:
                return
            done[number] = function(item)

    jobs = [pool.submit(work) for _ in range(min(count, len(items)) - 1)]
    work()
    for job in jobs:
        if not job.cancel():  # one that has not begun has nothing left to do
            job.result()
    return [done[number] for number in range(len(items))]


def map_ahead(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    """Every item and what a function gives for it, in order; few items are taken before their results are wanted."""
    pool, count = start_threads()
    running: deque[tuple[Item, Future[Result]]] = deque()
    for item in items:
        running.append((item, pool.submit(function, item)))
        if len(running) > _AHEAD * count:
            taken, job = running.popleft()
            yield taken, job.result()
    while running:
        taken, job = running.popleft()
        yield taken, job.result()
