"""The server that Kaggle's gateway asks for the gesture of one sequence after the other."""

import contextlib
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent import futures
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError

from bfrb.errors import BfrbError, ConfigError, DataError
from bfrb.predict.predictor import Predictor
from bfrb.read.described_source import recordings_from_frame
from bfrb.read.findings import Findings
from bfrb.read.gateway_files import read_requests
from bfrb.serve.channel import choose_port, decode, is_rerun, start_server
from bfrb.serve.kaggle_pb2 import KaggleEvaluationRequest, KaggleEvaluationResponse, Payload
from bfrb.serve.rehearse import ENDPOINT, SUBMISSION, check_gesture, rehearse
from bfrb.serve.sockets import LOOPBACK, handling_signals
from bfrb.study.device import HELIOS
from bfrb.study.labels import CMI_GESTURES

log = logging.getLogger(__name__)

FALLBACK_GESTURE = "Text on phone"  # the answer where none can be given: the most frequent gesture that is no target

STOP_S = 1.0  # how long a call that is under way may go on when the server ends
_SHOWN = 300  # most characters of a message that come from a request


class InferenceServer:
    """Answers Kaggle's gateway with a function, as the server of the `kaggle_evaluation` package does.

    `predict` is given the rows of a sequence and the row of its subject, both polars frames, and returns one of the 18
    gestures. A request that cannot be predicted is answered with the fallback, or, if `strict`, with the protocol's
    error. By default it listens on this machine only, or on all interfaces where Kaggle evaluates, and on the first
    free port of those that the gateway tries; 0 is any port. With `any_port` it starts although something listens on a
    port that the gateway tries earlier; by default only where Kaggle evaluates, where not to start would end it.

    >>> server = InferenceServer(lambda sequence, demographics: "Wave hello")
    >>> server.serve()  # blocks where Kaggle evaluates, and only there  # doctest: +SKIP
    >>> server.run_local_gateway(("test.csv", "test_demographics.csv"))  # doctest: +SKIP
    """

    def __init__(
        self,
        predict: Callable[..., Any],
        *,
        strict: bool = False,
        fallback: str = FALLBACK_GESTURE,
        host: str | None = None,
        port: int | None = None,
        any_port: bool | None = None,
    ) -> None:
        self.predict, self.strict, self.fallback = predict, strict, check_gesture(fallback)
        self.host, self.port, self.any_port = host, port, any_port
        self.failures = 0
        self._caller = futures.ThreadPoolExecutor(1, "bfrb-predict")
        self._server: Any = None

    def serve(self) -> None:
        """Listen; where Kaggle evaluates, until the process is asked to end, and else in the background.

        ConfigError if there is no port to listen on, or something else would be asked in this server's place.
        """
        self.start()
        if is_rerun():
            self.wait()

    def run_local_gateway(self, data_paths: Sequence[str | Path]) -> Path:
        """Ask for every sequence of a test set, in random order, and write `submission.parquet`; its path.

        The CSV files are the test set, and the demographics of its subjects. DataError if one cannot be read, or the
        server answers with an error.
        """
        requests = read_requests(*map(Path, data_paths))
        out = Path.cwd() / SUBMISSION
        # A port of its own: whatever listens elsewhere is not asked by mistake.
        server = InferenceServer(self.predict, strict=self.strict, fallback=self.fallback, host=LOOPBACK, port=0)
        with server.running() as address:
            rehearse(address, requests).write(out)
        return out

    def start(self) -> int:
        """Listen in the background; the port. Errors are those of `serve`."""
        if self._server is not None:
            raise ConfigError("the server is running already", remedy="stop it first, or make another one")
        host = self.host or ("[::]" if is_rerun() else LOOPBACK)
        any_port = is_rerun() if self.any_port is None else self.any_port
        port = 0 if self.port == 0 else choose_port(self.port, any_port=any_port)
        self._server, bound = start_server(self.answer, host, port)
        log.info("listening on %s, port %d%s", host, bound, "" if host == LOOPBACK else " (open to other machines)")
        return bound

    def stop(self) -> None:
        """Stop listening; calls that are under way may go on for `STOP_S`."""
        server, self._server = self._server, None
        if server is not None:
            server.stop(STOP_S).wait(STOP_S + 0.3)

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        """Listen while the context lasts; yields the address for clients on this machine."""
        try:
            yield f"localhost:{self.start()}"
        finally:
            self.stop()

    def wait(self) -> None:
        """Go on until SIGTERM, Ctrl-C or `stop` from another thread; a call that does not end ends with the process."""
        # Only the main thread can be interrupted.
        numbers = (signal.SIGTERM, signal.SIGINT) if threading.current_thread() is threading.main_thread() else ()
        with handling_signals(signal.default_int_handler, *numbers), contextlib.suppress(KeyboardInterrupt):
            if self._server is not None:
                self._server.wait_for_termination()
        log.info("stopping")
        self.stop()
        if futures.wait([self._caller.submit(int)], timeout=0.1).not_done:
            logging.shutdown()
            os._exit(0)

    def answer(self, message: bytes) -> bytes:
        """The response to a request.

        DataError if the bytes are no request, there is no such endpoint, or, if strict, it cannot be predicted.
        """
        try:
            request = KaggleEvaluationRequest.FromString(message)
        except DecodeError as error:
            raise DataError(_line(error), remedy="send a message as kaggle.proto describes it") from None
        if request.name != ENDPOINT:
            name = request.name[:_SHOWN]
            raise DataError(f"No listener for {name} was registered", remedy=f"ask the endpoint {ENDPOINT!r}")
        # A future keeps whatever is raised, `SystemExit` and panics of native code too: nothing may go unanswered.
        attempt = self._caller.submit(self._gesture, request)
        failure = attempt.exception()
        gesture = attempt.result() if failure is None else self._fall_back(failure)
        return bytes(KaggleEvaluationResponse(payload=Payload(str_value=gesture)).SerializeToString())

    def _gesture(self, request: Any) -> str:
        """The function's answer; an array or scalar of NumPy that holds one text counts as that."""
        keywords = {name: decode(value) for name, value in request.kwargs.items()}
        answer = self.predict(*map(decode, request.args), **keywords)
        if isinstance(answer, np.generic | np.ndarray) and answer.size == 1:
            answer = answer.item()
        return check_gesture(answer)

    def _fall_back(self, error: BaseException) -> str:
        self.failures += 1
        unexpected = None if isinstance(error, BfrbError) else error
        if self.strict:
            log.error("answered an error: %s", _line(error), exc_info=unexpected)
            raise DataError(_line(error), remedy="correct the request or the function") from None
        log.error("answered %r, since: %s", self.fallback, _line(error), exc_info=unexpected)
        return self.fallback


def _line(error: BaseException) -> str:
    text = error.problem if isinstance(error, BfrbError) else str(error) or type(error).__name__
    return " ".join(text.split()).encode("ascii", "backslashreplace").decode()[:_SHOWN]


def bundle_server(predictor: Predictor, *, strict: bool = False, **options: Any) -> InferenceServer:
    """A server that answers with a bundle; the options are those of `InferenceServer`.

    Unless it is strict, impossible readings and demographics count as not known, so that the rest of a damaged
    recording is still predicted.

    ConfigError if the bundle tells other things apart than the 18 gestures, or is for another device.
    """
    if not set(predictor.label_set.classes) <= set(CMI_GESTURES.classes) or predictor.device.name != HELIOS.name:
        wanted = f"a bundle for {HELIOS.name!r} that answers with gestures of the CMI study"
        problem = f"expected {wanted}, got one for {predictor.device.name!r} with {predictor.label_set.name!r}"
        raise ConfigError(problem, remedy="serve a bundle that was trained on the CMI data")
    predict = predictor.predict_one if strict else partial(_predict_damaged, predictor)
    return InferenceServer(predict, strict=strict, **options)


def _predict_damaged(predictor: Predictor, sequence: Any = None, demographics: Any = None) -> str:
    found = Findings()
    recordings = recordings_from_frame(sequence, demographics, found)
    if len(recordings) != 1:
        raise DataError(f"expected the rows of one recording, got {len(recordings)}", remedy="send one recording")
    for finding in found.of("error"):
        log.warning("%s: taken as not known: %s", recordings.ids[0], " ".join(finding.sentence.split())[:_SHOWN])
    return str(predictor.predict(recordings).gestures[0])
