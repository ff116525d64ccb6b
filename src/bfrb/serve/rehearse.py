"""A rehearsal of Kaggle's evaluation on one machine: an own gateway, with every trap of the real one to choose."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bfrb.arrays import Floats
from bfrb.errors import BfrbError, ConfigError
from bfrb.read.gateway_files import GatewayFiles, no_rows, proximity_as_text, without_proximity
from bfrb.read.tables import make_table, write_table
from bfrb.serve import channel
from bfrb.serve.codec import decode_response, encode_request
from bfrb.study.labels import CMI_GESTURES

SUBMISSION = "submission.parquet"
ENDPOINT = "predict"

READY_S = 30.0
"""How long the gateway waits for its server."""

_LATER_CALLS_S = 1800.0


class EvaluationError(BfrbError):
    """An answer that ends an evaluation."""


@dataclass(frozen=True)
class Traps:
    """What may differ from a plain test set.

    Parameters
    ----------
    string_columns
        Thermopile and time-of-flight columns arrive as texts.
    all_null
        They arrive without any reading, for all sequences.
    repeat_calls
        Every sequence is asked for twice, as after a lost connection.
    empty_demographics
        Nothing is known about any subject.
    slow_client_s
        Pause before every call.
    imu_share
        Share of the sequences without thermopile and time-of-flight readings, chosen at random.
    """

    string_columns: bool = False
    all_null: bool = False
    repeat_calls: bool = False
    empty_demographics: bool = False
    slow_client_s: float = 0.0
    imu_share: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.imu_share <= 1.0:
            raise ConfigError(f"expected a share from 0 to 1, got {self.imu_share}", remedy="give 0.5 for one half")
        if not 0.0 <= self.slow_client_s < float("inf"):
            raise ConfigError(f"expected a pause in seconds, got {self.slow_client_s}", remedy="give 0 or more")

    def change(self, rows: Any, subject: Any, *, imu_only: bool) -> tuple[Any, Any]:
        """The two frames of a request as they are sent."""
        if self.string_columns or self.all_null:
            rows = proximity_as_text(rows)
        if self.all_null or imu_only:
            rows = without_proximity(rows)
        return rows, no_rows(subject) if self.empty_demographics else subject


@dataclass(frozen=True, eq=False)
class Gateway:
    """Asks a server as Kaggle's gateway does.

    Parameters
    ----------
    send
        The server's method: a request's bytes to the response's.
    """

    send: Callable[..., bytes]

    @classmethod
    @contextlib.contextmanager
    def connect(cls, target: str) -> Iterator[Gateway]:
        """A gateway that asks the server at an address such as `127.0.0.1:50051`."""
        with channel.connect(target) as connection:
            yield cls(channel.method_of(connection))

    def ask(self, *args: Any, deadline_s: float | None = None) -> str:
        """The server's answer.

        Raises
        ------
        EvaluationError
            If it is an error, or none of the 18 gestures.
        """
        try:
            response = self.send(encode_request(ENDPOINT, args), timeout=deadline_s, wait_for_ready=deadline_s is None)
        except channel.RpcError as error:
            details = f"{error.code().name}: {error.details()}"
            raise EvaluationError(f"the server answered with an error, {details}", remedy="see its log") from None
        answer = decode_response(response)
        if type(answer) is not str or answer not in CMI_GESTURES.classes:
            raise EvaluationError(
                f"expected one of the 18 gestures as answer, got {repr(answer)[:200]}",
                remedy="answer with the gesture as a plain text",
            )
        return answer


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """The answers of an evaluation.

    Parameters
    ----------
    ids, gestures
        (R,) Every sequence and its answer, in the order served.
    seconds
        (n,) How long each call took.
    changed
        Ids of the sequences that were answered differently when asked again.
    """

    ids: tuple[str, ...]
    gestures: tuple[str, ...]
    seconds: Floats
    changed: tuple[str, ...]

    def write(self, path: Path) -> None:
        """Write the submission, `sequence_id` and `gesture` as texts: whole or not at all.

        Raises
        ------
        DataError
            If nothing can be written there.
        """
        write_table(make_table({"sequence_id": list(self.ids), "gesture": list(self.gestures)}), path)


def rehearse(
    gateway: Gateway,
    files: GatewayFiles,
    traps: Traps = Traps(),
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
) -> Rehearsal:
    """Ask for every sequence of a test set, in random order.

    Parameters
    ----------
    gateway
        Asks the server.
    files
        The test set.
    traps
        What shall be unusual.
    seed
        Of the order, and of the choice of sequences without thermopiles and time of flight.
    progress
        Told the share done.

    Raises
    ------
    EvaluationError
        At the first answer that is an error or no gesture, as in the evaluation.
    """
    rng = np.random.default_rng(seed)
    order = [files.ids[index] for index in rng.permutation(len(files.ids))]
    imu_only = set(rng.permutation(order)[: round(traps.imu_share * len(order))].tolist())
    gestures: list[str] = []
    seconds: list[float] = []
    changed: list[str] = []
    for number, name in enumerate(order):
        frames = traps.change(*files.request(name), imu_only=name in imu_only)
        answers = []
        for _ in range(1 + traps.repeat_calls):
            time.sleep(traps.slow_client_s)
            start = time.perf_counter()
            answers.append(gateway.ask(*frames, deadline_s=_LATER_CALLS_S if seconds else None))
            seconds.append(time.perf_counter() - start)
        gestures.append(answers[0])
        changed += [name] * (len(set(answers)) > 1)
        if progress is not None:
            progress((number + 1) / len(order))
    return Rehearsal(tuple(order), tuple(gestures), np.array(seconds), tuple(changed))
