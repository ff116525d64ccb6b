"""`bfrb stream`: behaviours as they happen, from a device that sends its samples."""

from __future__ import annotations

import io
import json
import logging
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from bfrb.cli.detect import read_rule, warn_unanswered
from bfrb.cli.options import AccUnit, BundleFolder, RuleChanges, Wrist, load_predictor
from bfrb.cli.show import give_up_stdout
from bfrb.errors import ConfigError

if TYPE_CHECKING:
    from bfrb.serve.sources import Source
    from bfrb.stream.lines import Live

log = logging.getLogger(__name__)


def stream(
    bundle: BundleFolder,
    source: Annotated[str, Option(help="-, tcp://HOST:PORT, http://HOST:PORT or serial:DEVICE@BAUD.")] = "-",
    public: Annotated[bool, Option("--public", help="Listen to other machines; nothing checks who.")] = False,
    set_: RuleChanges = None,
    device: Annotated[str | None, Option(help="What columns mean: a description, by name or .toml file.")] = None,
    wrist: Wrist = None,
    acc_unit: AccUnit = "m/s^2",
    left_handed: Annotated[bool, Option("--left-handed", help="The wearers are left-handed.")] = False,
    stamp: Annotated[bool, Option("--stamp", help="Samples get the time of their arrival.")] = False,
    wearers: Annotated[int, Option(min=1, help="Wearers at a time.")] = 1000,
    idle: Annotated[float, Option(min=1, help="Seconds of silence after which a stream ends.")] = 60.0,
    status: Annotated[float, Option(min=0, help="Show the counts every so many seconds; 0: when asked.")] = 0.0,
) -> None:
    """Read samples as lines of JSON or CSV, and print behaviours as lines of JSON as they begin and end."""
    from bfrb.serve.sources import Address, Source
    from bfrb.stream.layouts import Layout
    from bfrb.stream.lines import Live
    from bfrb.stream.stream import StreamHub, Wearer
    from bfrb.study.description import find_description

    address = Address.parse(source, public=public)
    if device is not None and (left_handed or acc_unit != "m/s^2"):
        raise ConfigError("--device says units and wrist", remedy="leave out --acc-unit and --left-handed")
    predictor = load_predictor(bundle)
    wearer = Wearer(handedness=0 if left_handed else None, units={"acc": acc_unit})
    hub = StreamHub(predictor, read_rule(predictor.bundle, set_ or []), wearer=lambda _: wearer, most=wearers)
    layout = None
    if device is not None:
        layout = Layout.of_description(find_description(device), predictor.source_device, wrist)
    live = Live(hub, stamp=stamp, idle_s=idle, layout=layout)
    opened = Source(address, sys.stdin.buffer if sys.stdin else io.BytesIO())
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: opened.close())
    if hasattr(signal, "SIGUSR1"):  # not on Windows
        signal.signal(signal.SIGUSR1, lambda *_: asked.set())
    where = "standard input" if source == "-" else source
    where = f"{source.rpartition(':')[0]}:{opened.port}" if opened.port else where
    log.info("listening to %s; Ctrl-C ends, SIGUSR1 shows the counts", where)
    try:
        _follow(opened, live, status, asked)
    except BrokenPipeError:
        # Nobody reads the events any more; the interpreter would complain once more when it closes stdout.
        give_up_stdout()
    warn_unanswered(hub.counts)


def _follow(source: Source, live: Live, status_s: float, asked: threading.Event) -> None:
    """Print what happens until the source ends; all events are told then."""
    next_status_s = time.monotonic() + status_s
    try:
        for lines in source:
            _print(live.take(lines) + live.end_idle(time.time()))
            if asked.is_set() or (status_s and time.monotonic() >= next_status_s):
                asked.clear()
                next_status_s = time.monotonic() + status_s
                _show_status(live)
    finally:
        _print(live.finish())
        _show_status(live)


def _print(outputs: list[dict[str, Any]]) -> None:
    for output in outputs:
        print(json.dumps(output, ensure_ascii=False, allow_nan=False), flush=True)


def _show_status(live: Live) -> None:
    log.info("status %s", json.dumps({name: count for name, count in live.status().items() if count}))
