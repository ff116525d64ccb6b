"""`bfrb export`: a bundle's graphs for other runtimes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

log = logging.getLogger(__name__)


def export(
    bundle: Annotated[Path, typer.Argument(help="The folder that `bfrb train` wrote.")],
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    ensemble: Annotated[bool, typer.Option("--ensemble", help="One graph with the mean of all members.")] = False,
) -> None:
    """Write self-contained ONNX graphs for other runtimes, and a description of what to feed them with."""
    from bfrb.export.portable import DESCRIPTION, export_graphs
    from bfrb.predict.bundle import Bundle

    opened = Bundle.open(bundle)
    if opened.manifest.simulated:
        log.warning("note: %s was trained on simulated recordings; its answers are for trying things out", bundle)
    graphs = export_graphs(opened, out, ensemble=ensemble)
    size_mb = sum(path.stat().st_size for path in graphs) / 1e6
    log.info("wrote %s: %d graph%s, %.1f MB, and %s", out, len(graphs), "s"[: len(graphs) > 1], size_mb, DESCRIPTION)
