"""What Prometheus is told of a server."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import generate_latest

MEDIA_TYPE = CONTENT_TYPE_LATEST

_SECONDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class Metrics:
    """Counts and times of one server.

    Parameters
    ----------
    waiting
        Gives the number of requests that wait or are being predicted.
    """

    def __init__(self, waiting: Callable[[], int]) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        options: dict[str, Any] = {"registry": self._registry}
        self._requests = Counter("bfrb_requests", "Answers by path and HTTP status.", ["path", "status"], **options)
        self._seconds = Histogram(
            "bfrb_predict_seconds", "Time from a whole request to its prediction.", buckets=_SECONDS, **options
        )
        self._gestures = Counter("bfrb_recordings", "Recordings by predicted gesture.", ["gesture"], **options)
        Gauge("bfrb_waiting", "Requests that wait or are being predicted.", **options).set_function(waiting)

    def count_answer(self, path: str, status: int) -> None:
        """A request was answered."""
        self._requests.labels(path, str(status)).inc()

    def count_predictions(self, gestures: Iterable[str], seconds: float) -> None:
        """A request's recordings were predicted."""
        self._seconds.observe(seconds)
        for gesture in gestures:
            self._gestures.labels(gesture).inc()

    def render(self) -> bytes:
        """All of it, in Prometheus' text format."""
        return generate_latest(self._registry)
