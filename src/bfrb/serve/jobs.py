"""Jobs done by a few threads, and no more of them accepted than can be done soon."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class BusyError(Exception):
    """There are as many jobs as may wait."""


class Jobs:
    """A pool of threads with a bounded queue, for use from one event loop.

    Parameters
    ----------
    workers
        How many jobs are done at a time.
    waiting
        How many more may wait.
    """

    def __init__(self, workers: int, waiting: int) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="bfrb-http")
        self._limit = workers + waiting
        self._lock = threading.Lock()
        self.accepted = 0

    async def run(self, job: Callable[[], T], limit_s: float) -> T:
        """The result of a job.

        Raises
        ------
        BusyError
            If as many jobs as may wait are there already.
        TimeoutError
            If it takes too long; a job that has begun still comes to its end, and counts until then.
        """
        with self._lock:
            if self.accepted >= self._limit:
                raise BusyError
            self.accepted += 1
        future = self._pool.submit(job)
        future.add_done_callback(self._release)
        return await asyncio.wait_for(asyncio.wrap_future(future), limit_s)

    def close(self) -> None:
        """Do no more jobs; those under way are not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _release(self, _: Future[Any]) -> None:
        with self._lock:
            self.accepted -= 1
