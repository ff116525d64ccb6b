"""Jobs as Ray tasks."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import ray

from bfrb.errors import BfrbError
from bfrb.jobs import LITTLE, POLL_S, Job, Need

Result = TypeVar("Result")

RETRIES = 20
"""How often a job is begun again whose machine was lost or took its memory away; what fails by itself is not."""

_WAITING = 4  # jobs handed to Ray for each core: enough to keep all busy, and few enough for a cluster's books
_CARD_MEMORY = 16 * 2**30  # bytes of a card that does not say how many it has

AGAIN = "repeat the same command, which goes on from here"


class Node(NamedTuple):
    """A machine of the cluster."""

    id: str
    name: str  # its host, and as much of its id as tells it apart
    cores: float
    memory: float  # bytes that jobs may need together
    cards: float
    card_memory: int  # bytes of the smallest of its cards
    versions: Mapping[str, str]
    lacks: tuple[str, ...]  # folders and files that it does not share with this machine


class RayTasks:
    """Runs jobs on the machines of a cluster, as they were at first and later ones: a `bfrb.jobs.Runner`.

    `workers` jobs run at a time; 0 means as many as there is room for. A job whose machine is lost is run again on
    another one. Jobs end with this process, however it ends.
    """

    def __init__(self, nodes: Sequence[Node], workers: int = 0) -> None:
        self.nodes = nodes
        self.workers = workers
        self.places: dict[str, str] = {}
        self._board: Any = None  # one for all that is run, for it takes a second to begin

    @property
    def cores(self) -> int:
        """Cores of all machines."""
        return max(1, int(sum(node.cores for node in self.nodes)))

    def memory(self, wanted: int) -> int:
        """Bytes to ask for; no more than the largest machine has, or Ray would wait for a larger one."""
        return min([wanted, int(max((node.memory for node in self.nodes), default=0)) or wanted])

    def run(self, jobs: Mapping[str, Job], tick: Callable[[], None], need: Need = LITTLE) -> None:
        """Run the jobs, calling `tick` a few times a second.

        BfrbError that of the first job that fails. The other jobs are stopped.
        """
        for _ in self.results(jobs, tick, need):
            pass

    def results(
        self, jobs: Mapping[str, Callable[[], Result]], tick: Callable[[], None] = lambda: None, need: Need = LITTLE
    ) -> Iterator[tuple[str, Result]]:
        """What jobs give that give something small, as they end; errors as of `run`."""
        self._board = self._board or ray.remote(_Board).options(num_cpus=0, max_restarts=-1).remote()
        needs = {"num_cpus": 1, "memory": self.memory(need.memory), "num_gpus": self._share(need)}
        remote = ray.remote(_do).options(max_retries=RETRIES, **needs)
        waiting, running = deque(jobs.items()), dict[Any, str]()
        most = self.workers or _WAITING * self.cores
        try:
            while waiting or running:
                while waiting and len(running) < most:
                    name, job = waiting.popleft()
                    running[remote.remote(name, job, self._board)] = name
                ended, _ = ray.wait(list(running), timeout=POLL_S)
                self._ask()
                tick()
                for task in ended:
                    name = running.pop(task)
                    yield name, take(name, task)
        finally:
            for task in running:
                ray.cancel(task, force=True)

    def _share(self, need: Need) -> float:
        """The share of a graphics card that a job takes; 0 if it needs none or there is none."""
        cards = [node.card_memory or _CARD_MEMORY for node in self.nodes if node.cards]
        if not cards or not need.card_memory:
            return 0.0
        return 1 / max(1, min(cards) // need.card_memory)

    def _ask(self) -> None:
        """Learn where jobs run; if the board has gone with its machine, it comes back."""
        asked = self._board.places.remote()
        done, _ = ray.wait([asked], timeout=POLL_S)
        try:
            self.places |= ray.get(asked) if done else {}
        except ray.exceptions.RayActorError:
            return


class _Board:
    def __init__(self) -> None:
        self._places: dict[str, str] = {}

    def tell(self, job: str, place: str) -> None:
        self._places[job] = place

    def places(self) -> dict[str, str]:
        return self._places


def _do(name: str, job: Callable[[], Any], board: Any) -> Any:
    """Do a job on a machine; errors that a user can mend are given, not raised, for they have to keep their words."""
    place = here()
    board.tell.remote(name, place)
    try:
        return job()
    except (BfrbError, OSError) as error:
        return as_told(error, place)


def here() -> str:
    """The machine that this runs on."""
    import platform

    return f"{platform.node()}/{ray.get_runtime_context().get_node_id()[:4]}"


def as_told(error: BfrbError | OSError, place: str) -> BfrbError:
    """An error of a machine in words that say which."""
    if isinstance(error, BfrbError):
        return type(error)(f"on the machine {place}: {error.problem}", remedy=error.remedy)
    what = f"{error.strerror or error}: {error.filename or ''}".rstrip(": ")
    return BfrbError(f"on the machine {place}: {what}", remedy=f"check path, rights and space there; then {AGAIN}")


def take(name: str, task: Any) -> Any:
    """What a task gave; an error that it gives is raised, and what Ray has to say about its end becomes one of ours."""
    try:
        found = ray.get(task)
    except ray.exceptions.OutOfMemoryError:
        raise BfrbError(f"{name} was ended for lack of memory", remedy=f"{AGAIN}, with fewer --workers") from None
    except ray.exceptions.RayTaskError as error:
        cause = error.cause
        raise BfrbError(f"{name} failed: {type(cause).__name__}: {cause}", remedy=AGAIN) from error
    except ray.exceptions.RayError as error:
        raise BfrbError(f"{name} was lost: {str(error).strip().partition(chr(10))[0]}", remedy=AGAIN) from None
    if isinstance(found, BfrbError):
        raise found
    return found
