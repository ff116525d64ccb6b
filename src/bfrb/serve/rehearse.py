"""A rehearsal of Kaggle's evaluation on one machine: an own gateway, with what may be unusual about the real one."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bfrb.arrays import Floats
from bfrb.errors import DataError
from bfrb.read.frames import write_arrow
from bfrb.read.gateway_files import Requests, proximity_as_text, without_proximity
from bfrb.read.tables import Table, make_table, write_table
from bfrb.serve.channel import RpcError, Send, connect, decode
from bfrb.serve.kaggle_pb2 import KaggleEvaluationRequest, KaggleEvaluationResponse, Payload
from bfrb.study.labels import CMI_GESTURES

SUBMISSION = "submission.parquet"
ENDPOINT = "predict"

_LATER_CALLS_S = 1800.0


@dataclass(frozen=True)
class Scenario:
    """What may differ from a plain test set."""

    string_columns: bool = False  # thermopile and time-of-flight columns arrive as texts
    all_null: bool = False  # they arrive without any reading, for all sequences
    empty_demographics: bool = False  # nothing is known about any subject
    imu_share: float = 0.0  # share of the sequences, chosen at random, without these readings

    def apply(self, rows: Table, subject: Table, *, imu_only: bool) -> tuple[Table, Table]:
        """The two frames of a request as they are sent."""
        if self.string_columns or self.all_null:
            rows = proximity_as_text(rows)
        if self.all_null or imu_only:
            rows = without_proximity(rows)
        return rows, subject.clear() if self.empty_demographics else subject


class Rehearsal(NamedTuple):
    """The answers of an evaluation."""

    answers: dict[str, str]  # by the id of the sequence, in the order served
    seconds: Floats  # (n,) how long each call took

    def times_ms(self) -> dict[str, float]:
        """Median, 95th percentile and largest of the times that calls took; none without a call."""
        shares = {"median_ms": 0.5, "p95_ms": 0.95, "max_ms": 1.0} if len(self.seconds) else {}
        return {name: 1000 * float(np.quantile(self.seconds, share)) for name, share in shares.items()}

    def write(self, path: Path) -> None:
        """Write the submission, `sequence_id` and `gesture` as texts: whole or not at all."""
        write_table(make_table({"sequence_id": list(self.answers), "gesture": list(self.answers.values())}), path)


def rehearse(
    address: str,
    requests: Requests,
    scenario: Scenario = Scenario(),
    seed: int = 0,
    progress: Callable[[float], None] = lambda _: None,
) -> Rehearsal:
    """Ask the server at an address such as `127.0.0.1:50051` for every sequence of a test set, in random order.

    The seed decides the order, and which sequences lack thermopiles and time of flight; `progress` is given the share
    done. DataError at the first answer that is an error or no gesture, as in the evaluation.
    """
    rng = np.random.default_rng(seed)
    order: list[str] = rng.permutation(list(requests)).tolist()
    imu_only = set(rng.permutation(order)[: round(scenario.imu_share * len(order))].tolist())
    answers: dict[str, str] = {}
    seconds: list[float] = []
    with connect(address) as send:
        for name in order:
            frames = scenario.apply(*requests[name], imu_only=name in imu_only)
            start = time.perf_counter()
            answers[name] = ask(send, frames, deadline_s=_LATER_CALLS_S if seconds else None)
            seconds.append(time.perf_counter() - start)
            progress(len(answers) / len(order))
    return Rehearsal(answers, np.array(seconds))


def ask(send: Send, frames: Sequence[Table], deadline_s: float | None = None) -> str:
    """The server's answer; without a deadline it is waited for until it listens. Errors are those of `rehearse`."""
    args = [Payload(polars_dataframe_value=write_arrow(frame)) for frame in frames]
    message = KaggleEvaluationRequest(name=ENDPOINT, args=args).SerializeToString()
    try:
        response = send(message, timeout=deadline_s, wait_for_ready=deadline_s is None)
    except RpcError as error:
        details = f"{error.code().name}: {error.details()}"
        raise DataError(f"the server answered with an error, {details}", remedy="see its log") from None
    return check_gesture(decode(KaggleEvaluationResponse.FromString(response).payload))


def check_gesture(answer: Any) -> str:
    """The answer, if Kaggle's gateway takes it: one of the 18 gestures as a plain text; DataError for anything else."""
    if type(answer) is str and answer in CMI_GESTURES.classes:
        return answer
    problem = f"expected one of the 18 gestures as answer, got {repr(answer)[:200]}"
    raise DataError(problem, remedy=f"answer with one of {'; '.join(CMI_GESTURES.classes)}")
