"""`bfrb view`: a local page to look at recordings."""

from __future__ import annotations

import logging
import signal
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bfrb.cli.options import DescriptionName
from bfrb.errors import ConfigError
from bfrb.parts import need

if TYPE_CHECKING:
    from bfrb.view.live import OpenStream

log = logging.getLogger(__name__)

FIRST_WAIT_S = 1.0
"""How long the page waits for the recordings; longer reading goes on behind it, with its progress on the page."""


def view(
    recordings: Annotated[Path | None, typer.Argument(help="A store, a folder or a file with recordings.")] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="A folder that `bfrb train` wrote: its answers are shown.")
    ] = None,
    live: Annotated[
        str | None,
        typer.Option(help="Show a stream as it comes: -, tcp://, ws:// or http://HOST:PORT, or serial:DEVICE."),
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
    stream = None if live is None else _parse_live(live, bundle)
    viewer = Viewer(recordings, bundle, description)
    signal.signal(signal.SIGTERM, _stop)
    try:
        if stream is not None:
            viewer.show_stream(*stream)
        viewer.wait(FIRST_WAIT_S)
        server = Server(viewer, port)
        typer.echo(server.url)
        log.info("serving on this machine only; Ctrl-C stops it")
        server.run((lambda: webbrowser.open(server.url)) if browser else None)
    except KeyboardInterrupt:
        log.info("stopped")
    finally:
        viewer.close()


def _parse_live(what: str, bundle: Path | None) -> tuple[str, OpenStream]:
    """The named source of samples in words, and what opens it; mistakes in the name are told now."""
    if bundle is None:
        raise ConfigError("a live stream needs a bundle, which knows the device", remedy="name one: --bundle BUNDLE")
    from bfrb.serve.sources import Address, read_messages

    address = Address.parse(what)
    return what, lambda device: read_messages(address, device, sys.stdin.buffer)


def _stop(*_: Any) -> None:
    """End as with Ctrl-C, so that temporary files are removed."""
    raise KeyboardInterrupt
