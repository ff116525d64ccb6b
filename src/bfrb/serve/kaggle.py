"""The server that Kaggle's gateway asks for the gesture of one sequence after the other."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import numpy as np

from bfrb.errors import BfrbError, ConfigError, DataError
from bfrb.predict.predictor import Predictor
from bfrb.read.cmi import recordings_from_frame
from bfrb.read.findings import Findings
from bfrb.read.gateway_files import GatewayFiles, still_recording
from bfrb.serve import channel
from bfrb.serve.codec import Request, decode_request, encode_request, encode_response
from bfrb.serve.ports import LOOPBACK, choose_port, default_host, is_rerun
from bfrb.serve.rehearse import SUBMISSION, Gateway, rehearse
from bfrb.study.device import HELIOS
from bfrb.study.labels import CMI_GESTURES

log = logging.getLogger(__name__)

FALLBACK_GESTURE = "Text on phone"
"""The answer where none can be given: the most frequent gesture that is no target."""

ENDPOINT = "predict"
STOP_S = 1.0
"""How long a call that is under way may go on when the server ends."""

_TURN_S = 0.1
"""How often a waiting server looks whether it was asked to end."""

_SHOWN = 300
"""Most characters of a message that come from a request."""

Predict = Callable[..., Any]


@dataclass(frozen=True)
class ServerOptions:
    """How a server answers and listens.

    Parameters
    ----------
    strict
        Whether a request that cannot be predicted is answered with the protocol's error, not with the fallback.
    fallback
        The answer to a request that cannot be predicted.
    host
        The interface to listen on; by default this machine only, or all interfaces where Kaggle evaluates.
    port
        The port; by default the first free one of those that the gateway tries.
    any_port
        Whether to start although something listens on a port that the gateway tries earlier; by default only where
        Kaggle evaluates, since not to start would end the evaluation.
    """

    strict: bool = False
    fallback: str = FALLBACK_GESTURE
    host: str | None = None
    port: int | None = None
    any_port: bool | None = None

    def __post_init__(self) -> None:
        if self.fallback not in CMI_GESTURES.classes:
            raise ConfigError(
                f"expected a fallback among the 18 gestures, got {self.fallback!r}",
                remedy=f"choose among: {'; '.join(CMI_GESTURES.classes)}",
            )


class RequestError(BfrbError):
    """A request that is answered with the protocol's error."""


class InferenceServer:
    """Answers Kaggle's gateway with a function, as the server of the `kaggle_evaluation` package does.

    Parameters
    ----------
    predict
        Given the rows of a sequence and the row of its subject, both polars frames, returns one of the 18 gestures.
    options
        How to answer and listen.

    Examples
    --------
    >>> server = InferenceServer(lambda sequence, demographics: "Wave hello")
    >>> server.serve()  # blocks where Kaggle evaluates, and only there  # doctest: +SKIP
    >>> server.run_local_gateway(("test.csv", "test_demographics.csv"))  # doctest: +SKIP
    """

    def __init__(self, predict: Predict, options: ServerOptions | None = None) -> None:
        self.predict = predict
        self.options = options or ServerOptions()
        self.failures = 0
        self.port: int | None = None
        self._server: Any = None
        self._ended = threading.Event()

    def serve(self) -> None:
        """Listen; where Kaggle evaluates, until the process is asked to end, and else in the background.

        Raises
        ------
        PortError
            If there is no port to listen on, or something else would be asked in this server's place.
        """
        self.start()
        if is_rerun():
            self.wait()

    def run_local_gateway(self, data_paths: Sequence[str | Path]) -> Path:
        """Ask this server for every sequence of a test set, in random order, and write `submission.parquet`.

        Parameters
        ----------
        data_paths
            The test set, and the demographics of its subjects, as CSV files.

        Raises
        ------
        DataError
            If a file cannot be read.
        EvaluationError
            If the server answers with an error, or with something that is no gesture.
        """
        files = GatewayFiles.read(*map(Path, data_paths))
        out = Path.cwd() / SUBMISSION
        # A port of its own: whatever listens elsewhere is not asked by mistake.
        rehearsed = InferenceServer(self.predict, replace(self.options, host=LOOPBACK, port=0))
        with rehearsed.running() as port, Gateway.connect(f"{LOOPBACK}:{port}") as gateway:
            rehearse(gateway, files).write(out)
        return out

    def start(self) -> int:
        """Listen in the background; the port.

        Raises
        ------
        PortError
            As for `serve`.
        """
        if self._server is not None:
            raise ConfigError("the server is running already", remedy="stop it first, or make another one")
        host = self.options.host or default_host()
        any_port = is_rerun() if self.options.any_port is None else self.options.any_port
        port = self.options.port if self.options.port == 0 else choose_port(self.options.port, any_port=any_port)
        self._ended.clear()
        self._server, self.port = channel.start_server(self.answer, host, port or 0)
        log.info("listening on %s, port %d%s", host, self.port, "" if host == LOOPBACK else " (open to other machines)")
        return self.port

    def stop(self, grace_s: float = STOP_S) -> None:
        """Stop listening; calls under way may go on for a while, and are then given up."""
        self._ended.set()
        server, self._server = self._server, None
        if server is not None:
            # Not for ever: a call that does not end is given up, and its thread ends with the process.
            server.stop(grace_s).wait(grace_s + 0.3)

    @contextlib.contextmanager
    def running(self) -> Iterator[int]:
        """Listen while the context lasts; yields the port."""
        try:
            yield self.start()
        finally:
            self.stop()

    def wait(self) -> None:
        """Go on until SIGTERM, SIGINT or `stop` from another thread; then stop."""
        asked: list[bool] = []
        with _on_signals(partial(asked.append, True)):
            # In turns: a signal that the system hands to another thread does not wake this one. And the handler must
            # not touch the event, whose lock this thread may hold when it is interrupted.
            while not asked and not self._ended.wait(_TURN_S):
                pass
            log.info("stopping")
            self.stop()

    def answer(self, message: bytes) -> bytes:
        """The response to a request.

        Raises
        ------
        RequestError
            If there is no such endpoint, the bytes are no request, or, if strict, it cannot be predicted.
        """
        request = _decoded(message)
        if request.name != ENDPOINT:
            raise RequestError(
                f"No listener for {request.name[:_SHOWN]} was registered", remedy=f"ask the endpoint {ENDPOINT!r}"
            )
        attempt = _Attempt()
        with attempt:
            args, kwargs = request.arguments()
            attempt.gesture = _checked(self.predict(*args, **kwargs))
        if attempt.error is not None:
            return self._failed(attempt.error)
        return encode_response(attempt.gesture)

    def _failed(self, error: BaseException) -> bytes:
        self.failures += 1
        message = _message_of(error)
        unexpected = None if isinstance(error, BfrbError) else error
        if self.options.strict:
            log.error("answered an error: %s", message, exc_info=unexpected)
            raise RequestError(message, remedy="correct the request or the function") from None
        log.error("answered %r, since: %s", self.options.fallback, message, exc_info=unexpected)
        return encode_response(self.options.fallback)


def _decoded(message: bytes) -> Request:
    try:
        return decode_request(message)
    except BfrbError as error:
        raise RequestError(_message_of(error), remedy=error.remedy) from None


def _checked(answer: Any) -> str:
    """One of the gestures as plain text; arrays and scalars of NumPy that hold one text count as that."""
    plain = answer.item() if isinstance(answer, np.generic | np.ndarray) and answer.size == 1 else answer
    if not isinstance(plain, str) or plain not in CMI_GESTURES.classes:
        raise ConfigError(
            f"expected one of the 18 gestures as answer, got {repr(answer)[:_SHOWN]}",
            remedy="return the gesture as a text",
        )
    return str(plain)


def _message_of(error: BaseException) -> str:
    """What went wrong, in one printable line."""
    text = error.problem if isinstance(error, BfrbError) else str(error) or type(error).__name__
    return " ".join(text.split()).encode("ascii", "backslashreplace").decode()[:_SHOWN]


class _Attempt:
    """A context that keeps whatever is raised in it.

    That includes `SystemExit`, and the panics of native code: the gateway would wait for an answer for ever.
    """

    gesture = ""
    error: BaseException | None = None

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self.error = error
        return True


@contextlib.contextmanager
def _on_signals(end: Callable[[], None]) -> Iterator[None]:
    """Have SIGTERM and SIGINT call a function; in threads other than the main one nothing can be done about them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        end()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def bundle_server(predictor: Predictor, options: ServerOptions | None = None) -> InferenceServer:
    """A server that answers with a bundle, warmed up.

    Unless it is strict, impossible readings and demographics count as not known, so that the rest of a damaged
    recording is still predicted.

    Raises
    ------
    ConfigError
        If the bundle tells other things apart than the 18 gestures, or is for another device.
    """
    if not set(predictor.label_set.classes) <= set(CMI_GESTURES.classes) or predictor.device.name != HELIOS.name:
        raise ConfigError(
            f"expected a bundle for {HELIOS.name!r} that answers with gestures of the CMI study, "
            f"got one for {predictor.device.name!r} with {predictor.label_set.name!r}",
            remedy="serve a bundle that was trained on the CMI data",
        )
    options = options or ServerOptions()
    predict = predictor.predict_one if options.strict else partial(_predict_damaged, predictor)
    server = InferenceServer(predict, options)
    server.answer(encode_request(ENDPOINT, still_recording()))
    return server


def _predict_damaged(predictor: Predictor, sequence: Any = None, demographics: Any = None) -> str:
    found = Findings()
    recordings = recordings_from_frame(sequence, demographics, found)
    if len(recordings) != 1:
        raise DataError(f"expected the rows of one recording, got {len(recordings)}", remedy="send one recording")
    for finding in found.of("error"):
        log.warning("%s: taken as not known: %s", recordings.ids[0], " ".join(finding.sentence.split())[:_SHOWN])
    return str(predictor.predict(recordings).gestures[0])
