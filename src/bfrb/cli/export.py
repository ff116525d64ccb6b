"""`bfrb export`: a bundle's graphs for other runtimes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from bfrb.errors import ConfigError

log = logging.getLogger(__name__)

FORMATS = ("onnx",)


def export(
    bundle: Annotated[Path, typer.Argument(help="The folder that `bfrb train` wrote.")],
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    format_: Annotated[str, typer.Option("--format", help="onnx.")] = "onnx",
    ensemble: Annotated[bool, typer.Option("--ensemble", help="One graph with the mean of all members.")] = False,
) -> None:
    """Write self-contained graphs for other runtimes, and a description of what to feed them with."""
    if format_ not in FORMATS:
        raise ConfigError(f"no format {format_!r}", remedy=f"choose {', '.join(FORMATS)}")
    from bfrb.export.portable import DESCRIPTION, export_graphs
    from bfrb.predict.bundle import Bundle

    opened = Bundle.open(bundle)
    if opened.manifest.simulated:
        log.warning("note: %s was trained on simulated recordings; its answers are for trying things out", bundle)
    graphs = export_graphs(opened, out, ensemble=ensemble)
    size_mb = sum(path.stat().st_size for path in graphs) / 1e6
    log.info("wrote %s: %d graph%s, %.1f MB, and %s", out, len(graphs), "s"[: len(graphs) > 1], size_mb, DESCRIPTION)
