"""`bfrb export`: a bundle as one graph for other runtimes."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

logger = logging.getLogger(__name__)


def export(
    bundle: Annotated[Path, typer.Argument(help="The folder that `bfrb train` wrote.")],
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    window: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds of every recording: a graph of fixed length, without masks.")
    ] = None,
    member: Annotated[str | None, typer.Option(help="Export this member alone, such as stems-00.")] = None,
) -> None:
    """Write one ONNX graph from samples to probabilities, with golden vectors and the event rule in C.

    Example: bfrb export model --out phone --window 5
    """
    from bfrb.cli.train import check_training_installed
    from bfrb.predict.bundle import Bundle

    check_training_installed()
    from bfrb.export.portable import export_bundle

    opened = Bundle.open(bundle)
    if opened.manifest.simulated:
        logger.warning("note: %s was trained on simulated recordings; its answers are for trying things out", bundle)
    graph = export_bundle(opened, out, window_s=window, member=member)
    logger.info(
        "wrote %s: %.1f MB; hold it against golden.json: python %s",
        graph,
        graph.stat().st_size / 1e6,
        out / "check_golden.py",
    )
