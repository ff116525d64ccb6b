"""`bfrb view`: a local page to look at recordings."""

from __future__ import annotations

import logging
import signal
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from bfrb.cli.options import DescriptionName
from bfrb.errors import ConfigError
from bfrb.parts import need

log = logging.getLogger(__name__)

FIRST_WAIT_S = 1.0
"""How long the page waits for the recordings; longer reading goes on behind it, with its progress on the page."""


def view(
    recordings: Annotated[Path, typer.Argument(help="A store, a folder or a file with recordings.")],
    bundle: Annotated[
        Path | None, typer.Option(help="A folder that `bfrb train` wrote: its answers are shown.")
    ] = None,
    port: Annotated[int, typer.Option(help="Port on this machine; 0 for any that is free.", min=0, max=65535)] = 0,
    description: DescriptionName = "auto",
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
) -> None:
    """Look at recordings in the browser: signals, answers of a bundle, labels of your own."""
    need("the viewer's web server", ("fastapi", "uvicorn"), "view")
    from bfrb.view.server import Server
    from bfrb.view.viewer import Viewer

    for path in filter(None, (recordings, bundle)):
        if not path.exists():
            raise ConfigError(f"{path}: no such file or folder", remedy="check the path")
    viewer = Viewer(recordings, bundle, description)
    signal.signal(signal.SIGTERM, _stop)
    try:
        viewer.wait(FIRST_WAIT_S)
        server = Server(viewer, port)
        typer.echo(server.url)
        log.info("serving on this machine only; Ctrl-C stops it")
        server.run((lambda: webbrowser.open(server.url)) if browser else None)
    except KeyboardInterrupt:
        log.info("stopped")
    finally:
        viewer.close()


def _stop(*_: Any) -> None:
    """End as with Ctrl-C, so that temporary files are removed."""
    raise KeyboardInterrupt
