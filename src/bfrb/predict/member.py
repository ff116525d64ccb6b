"""`Member`: one network of an ensemble, ready to answer; which are asked about a recording; threads that answer.

A member is asked if every sensor that it requires measured something in the recording; one image or one thermopile of
several is enough. Where no member can be asked by that rule, all are, and the answer is doubtful: commands
refuse to give it, unless they are told to.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TypeVar

import numpy as np
import onnxruntime

from bfrb.arrays import Array, Bools, Floats32
from bfrb.errors import BundleError, ConfigError
from bfrb.features.pipeline import available
from bfrb.features.sequences import Batch
from bfrb.networks.specs import SPECS, NetworkSpec
from bfrb.predict.bundle import Bundle, MemberSpec
from bfrb.processes import usable_processors
from bfrb.study.recordings import Recordings

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


def route(recordings: Recordings, requirements: Sequence[Sequence[str]]) -> Bools:
    """(M, R) Whether each of M members is asked about each recording; parameters as of `find_able`."""
    asked = find_able(recordings, requirements)
    asked[:, ~asked.any(axis=0)] = True
    return asked


def find_able(recordings: Recordings, requirements: Sequence[Sequence[str]]) -> Bools:
    """(M, R) Whether each of M members, by the sensors it requires, has all of them in each recording."""
    measured = {name: recordings.measured(name) for name in sorted({name for names in requirements for name in names})}
    everything = np.ones(len(recordings), dtype=bool)
    able = {
        names: np.logical_and.reduce([everything, *(measured[name] for name in names)])
        for names in set(map(tuple, requirements))
    }
    return np.array([able[tuple(names)] for names in requirements])


LENGTHS = "lengths"
"""The input of a graph with the number of rows of every recording."""


def unpadded_name(graph: str) -> str:
    """Where a bundle keeps the unpadded form of a member's graph."""
    return str(PurePosixPath(graph).with_suffix(".unpadded.onnx"))


@dataclass(frozen=True, eq=False)
class Member:
    """One network of the ensemble, ready to answer about recordings of one length."""

    name: str
    session: onnxruntime.InferenceSession
    inputs: tuple[str, ...]  # what its graph takes in: branches, and perhaps lengths
    classes: int
    together: int  # recordings that it is asked about at once

    def answer(self, batch: Batch) -> Floats32:
        """(B, K) probabilities. BundleError if the graph fails, or gives something else than finite probabilities."""
        known: dict[str, Array] = {**batch.inputs, LENGTHS: batch.lengths}
        some = [slice(first, first + self.together) for first in range(0, len(batch.lengths), self.together)]
        try:
            feeds = [{name: known[name][rows] for name in self.inputs} for rows in some]
            found: Floats32 = np.concatenate([self.session.run(["probabilities"], feed)[0] for feed in feeds])
        except Exception as error:  # noqa: BLE001  onnxruntime's errors have no base class of their own
            raise self._unusable(f"its graph fails: {_first_line(error)}") from None
        if found.shape != (len(batch.lengths), self.classes) or not np.isfinite(found).all():
            raise self._unusable("its graph gives no finite probabilities of the right shape")
        return found

    def _unusable(self, problem: str) -> BundleError:
        return BundleError(f"the member {self.name!r} cannot answer: {problem}", remedy="train the bundle anew")


def load_member(bundle: Bundle, spec: MemberSpec) -> Member:
    """A member of a bundle, from its unpadded graph if the bundle has it.

    BundleError if its graph cannot be loaded or does not fit the bundle.
    """
    quick = bundle.file(unpadded_name(spec.graph))
    graph = quick if quick.is_file() else bundle.file(spec.graph)
    try:
        session = onnxruntime.InferenceSession(graph, _session_options(), providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  onnxruntime's errors have no base class of their own
        problem = f"the graph {spec.graph} of the bundle {bundle.path} cannot be loaded: {_first_line(error)}"
        raise BundleError(problem, remedy="install a later onnxruntime, or train the bundle anew") from None
    inputs = tuple(given.name for given in session.get_inputs())
    if not set(inputs) <= {LENGTHS, *bundle.manifest.branches}:
        expected, found = ", ".join(bundle.manifest.branches), ", ".join(inputs)
        problem = f"expected the graph {spec.graph} to take lengths and {expected}, got {found}"
        raise BundleError(problem, remedy="train the bundle anew")
    return Member(spec.name, session, inputs, len(bundle.label_set), SPECS.get(spec.network, NetworkSpec).TOGETHER)


def _session_options() -> onnxruntime.SessionOptions:
    options = onnxruntime.SessionOptions()
    # The members run side by side, each in one thread: sessions with threads of their own fight for the cores, and
    # a forked child would miss them.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # An arena in every session would keep the memory of the largest batch for good, and saves no time.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    return options


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def check_features(bundle: Bundle) -> None:
    """Refuse a bundle one of whose features is not there: one's own are imported. BundleError if one is not."""
    for names in bundle.manifest.branches.values():
        try:
            available(names, bundle.device)
        except ConfigError as error:
            problem = f"the bundle {bundle.path} needs a feature that is not here: {error.problem}"
            raise BundleError(problem, remedy="install the package that has it, or add it to PYTHONPATH") from None
