"""`bfrb stream`: behaviours as they happen, from a device that sends its samples."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bfrb.cli.detect import read_rule, warn_unanswered

if TYPE_CHECKING:
    from bfrb.stream.live import Live

log = logging.getLogger(__name__)


def stream(
    bundle: Annotated[Path, typer.Argument(help="The folder that `bfrb train` wrote.")],
    source: Annotated[str, typer.Option(help="-, tcp://HOST:PORT, ws://HOST:PORT or serial:DEVICE@BAUD.")] = "-",
    public: Annotated[bool, typer.Option("--public", help="Listen to other machines; nothing checks who.")] = False,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key=value of the event rule, such as on=0.8.")
    ] = None,
    acc_unit: Annotated[str, typer.Option(help="Unit of the accelerations: m/s^2, g or mg.")] = "m/s^2",
    left_handed: Annotated[bool, typer.Option("--left-handed", help="The wearers are left-handed.")] = False,
    stamp: Annotated[bool, typer.Option("--stamp", help="Samples get the time of their arrival.")] = False,
    wearers: Annotated[int, typer.Option(min=1, help="Wearers at a time.")] = 1000,
    idle: Annotated[float, typer.Option(min=1, help="Seconds of silence after which a stream ends.")] = 60.0,
    status: Annotated[float, typer.Option(min=0, help="Show the counts every so many seconds; 0: when asked.")] = 0.0,
) -> None:
    """Read samples as lines of JSON or CSV, and print behaviours as lines of JSON as they begin and end."""
    from bfrb.predict.predictor import load
    from bfrb.serve.live_sources import Place
    from bfrb.serve.session import Session
    from bfrb.stream.feed import Wearer
    from bfrb.stream.live import Live
    from bfrb.stream.stream import StreamHub

    place = Place.parse(source, public=public)
    predictor = load(bundle)
    wearer = Wearer(handedness=0 if left_handed else None, units={"acc": acc_unit})
    hub = StreamHub(predictor, read_rule(predictor.bundle, set_ or []), wearer=lambda _: wearer, most=wearers)
    live = Live(hub, stamp=stamp, idle_s=idle)
    session = Session(live, _print, lambda: _show_status(live), status, lambda port: _say_ready(source, port))
    try:
        session.run(place, sys.stdin.buffer)
    except BrokenPipeError:
        # Nobody reads the events any more; the interpreter would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    warn_unanswered(hub.counts)


def _print(output: dict[str, Any]) -> None:
    print(json.dumps(output, ensure_ascii=False, allow_nan=False), flush=True)


def _show_status(live: Live) -> None:
    log.info("status %s", json.dumps({name: count for name, count in live.status().items() if count}))


def _say_ready(source: str, port: int) -> None:
    where = source if not port else f"{source.rpartition(':')[0]}:{port}"
    log.info("listening to %s; Ctrl-C ends, SIGUSR1 shows the counts", "standard input" if source == "-" else where)
