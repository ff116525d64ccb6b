"""`bfrb serve`, `bfrb rehearse` and `bfrb view`: answers of a bundle over the network, and a local page."""

from __future__ import annotations

import logging
import os
import signal
import time
import webbrowser
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from typer import Argument, Option

from bfrb.cli.options import AsJson, BundleFolder, DescriptionName, Overwrite, check_outputs, load_predictor
from bfrb.cli.show import print_result, progress
from bfrb.errors import ConfigError
from bfrb.parts import need

log = logging.getLogger(__name__)


def serve(
    bundle: BundleFolder,
    protocol: Annotated[Literal["kaggle", "http"], Option(help="What is spoken.")],
    host: Annotated[str | None, Option(help="Interface to listen on; by default this machine only.")] = None,
    port: Annotated[int | None, Option(min=0, max=65535, help="Port to listen on.")] = None,
    any_port: Annotated[bool, Option("--any-port", help="kaggle: take a later port if one is taken.")] = False,
    strict: Annotated[bool, Option("--strict", help="kaggle: errors instead of the fallback gesture.")] = False,
    fallback: Annotated[str | None, Option(help="kaggle: the answer where none can be given.")] = None,
) -> None:
    """Answer requests with a bundle until stopped by Ctrl-C or SIGTERM."""
    if protocol == "http":
        from bfrb.serve.http import PORT, serve_http
        from bfrb.serve.sockets import LOOPBACK

        serve_http(load_predictor(bundle), host or LOOPBACK, PORT if port is None else port)
        return
    from bfrb.serve.kaggle import FALLBACK_GESTURE, bundle_server
    from bfrb.serve.rehearse import check_gesture

    options: dict[str, Any] = {"host": host, "port": port, "any_port": any_port or None, "strict": strict}
    fallback = check_gesture(fallback or FALLBACK_GESTURE)
    server = bundle_server(load_predictor(bundle), fallback=fallback, **options)
    server.start()
    server.wait()
    # All is done and told. gRPC's own threads can keep the interpreter from coming to its end.
    logging.shutdown()
    os._exit(0)


def rehearse(
    bundle: BundleFolder,
    test: Annotated[Path, Option(help="The test set, a CSV file in the CMI layout.")],
    demographics: Annotated[Path, Option(help="The demographics of its subjects, a CSV file.")],
    out: Annotated[Path, Option(help="Where the submission shall be.")] = Path("submission.parquet"),
    seed: Annotated[int, Option(help="Of the order of the sequences.")] = 0,
    string_columns: Annotated[bool, Option("--string-columns", help="Send thm and tof as texts.")] = False,
    all_null: Annotated[bool, Option("--all-null", help="Send no thm and tof readings.")] = False,
    empty_demographics: Annotated[bool, Option("--empty-demographics", help="Send no demographics.")] = False,
    imu_share: Annotated[float, Option(min=0, max=1, help="Share of the sequences without thm and tof.")] = 0.0,
    strict: Annotated[bool, Option("--strict", help="End at a sequence that cannot be predicted.")] = False,
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Rehearse Kaggle's evaluation: an own gateway asks a server with this bundle, and writes the submission."""
    from bfrb.read.gateway_files import read_requests
    from bfrb.read.tables import check_file_paths
    from bfrb.serve.kaggle import bundle_server
    from bfrb.serve.rehearse import Scenario
    from bfrb.serve.rehearse import rehearse as run
    from bfrb.serve.sockets import LOOPBACK

    check_file_paths(out)
    check_outputs([out], [bundle, test, demographics], overwrite=overwrite)
    scenario = Scenario(string_columns, all_null, empty_demographics, imu_share)
    requests = read_requests(test, demographics)
    start = time.perf_counter()
    server = bundle_server(load_predictor(bundle), strict=strict, host=LOOPBACK, port=0)
    loaded = time.perf_counter()
    with server.running() as address, progress("rehearsing") as show:
        rehearsal = run(address, requests, scenario, seed, show)
    rehearsal.write(out)
    found: dict[str, Any] = {"sequences": len(rehearsal.answers)} | rehearsal.times_ms() | {"failures": server.failures}
    found |= {"load_s": loaded - start, "total_s": time.perf_counter() - loaded, "out": str(out)}
    print_result(found, as_json, ("Rehearsal of Kaggle's evaluation", ("", "found"), found.items()))
    if server.failures:
        log.warning("warning: %d requests could not be predicted, and got the fallback gesture", server.failures)


FIRST_WAIT_S = 1.0
"""How long the page waits for the recordings; longer reading goes on behind it, with its progress on the page."""


def view(
    recordings: Annotated[Path, Argument(help="A store, a folder or a file with recordings.")],
    bundle: Annotated[Path | None, Option(help="A bundle, whose answers are shown.")] = None,
    port: Annotated[int, Option(help="Port on this machine; 0 for any that is free.", min=0, max=65535)] = 0,
    description: DescriptionName = "auto",
    browser: Annotated[bool, Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
) -> None:
    """Look at recordings in the browser: signals, answers of a bundle, labels of your own."""
    need("the viewer's web server", ("fastapi", "uvicorn"), "view")
    from bfrb.view.app import Server
    from bfrb.view.viewer import Viewer

    for path in filter(None, (recordings, bundle)):
        if not path.exists():
            raise ConfigError(f"{path}: no such file or folder", remedy="check the path")
    viewer = Viewer(recordings, bundle, description)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, so that temporary files are removed
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
