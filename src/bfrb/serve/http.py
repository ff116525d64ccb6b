"""`bfrb serve --protocol http`: a web server that answers with a bundle."""

from __future__ import annotations

import logging
import signal

from bfrb.errors import ConfigError
from bfrb.predict.predictor import Predictor
from bfrb.serve.sockets import LOOPBACK, listen

try:
    import uvicorn

    from bfrb.serve.http_app import Limits, make_app
except ImportError:
    raise ConfigError("the web server is not installed", remedy="pip install 'bfrb[http]'") from None

log = logging.getLogger(__name__)

PORT = 8000


def make_server(predictor: Predictor, limits: Limits) -> uvicorn.Server:
    """The server of a predictor; `server.run(sockets=[...])` serves."""
    app = make_app(predictor, limits)
    config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None, access_log=False, server_header=False)
    # Whatever is at work when the server ends is finished by then.
    config.timeout_graceful_shutdown = int(limits.read_s + limits.answer_s) + 1
    return uvicorn.Server(config)


def serve_http(predictor: Predictor, host: str = LOOPBACK, port: int = PORT, limits: Limits | None = None) -> None:
    """Answer requests with a bundle until the process gets SIGTERM or SIGINT; requests at work are finished then.

    Parameters
    ----------
    predictor
        The bundle.
    host
        The interface to listen on. Nothing is encrypted, and nothing checks who asks.
    port
        The port; 0 for any that is free.
    limits
        What the server takes on.

    Raises
    ------
    ConfigError
        If the port is taken.
    """
    bound = listen(host, port)
    name, number = bound.getsockname()[:2]
    server = make_server(predictor, limits or Limits())

    def stop(*_: object) -> None:
        server.should_exit = True

    # Uvicorn ends on these signals while it runs, and then raises them again for whoever waited for them before.
    before = {each: signal.signal(each, stop) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        log.info("listening on http://%s:%d", f"[{name}]" if ":" in name else name, number)
        server.run(sockets=[bound])
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
