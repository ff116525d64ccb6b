"""`bfrb report`, `bfrb export` and `bfrb import-keras`: a bundle as a page, as graphs, and from models of others."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated, Literal

import typer

from bfrb.cli.options import AsJson, BundleFolder, Dataset, Overwrite, tell_simulated
from bfrb.cli.show import print_result
from bfrb.parts import need

log = logging.getLogger(__name__)


def report(
    bundle: BundleFolder,
    data: Annotated[
        Path | None, typer.Option(help="Its recordings, for people and signals; or new ones, to score it on.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The page, a .html file; by default beside the bundle.")] = None,
    dataset: Dataset = "auto",
    sensors: Annotated[
        bool, typer.Option("--sensors/--no-sensors", help="Answer the recordings again without each sensor.")
    ] = True,
) -> None:
    """Write a page that shows how good a bundle is, and on whom it fails: one file that needs no network."""
    from bfrb.read.sources import open_source
    from bfrb.report.html import default_page, write_report

    page = out or default_page(bundle)
    source = None if data is None else open_source(data, dataset)
    write_report(bundle, page, source, without_sensors=sensors)
    log.info("wrote %s", page)


def export(
    bundle: BundleFolder,
    out: Annotated[Path, typer.Option(help="The folder to make.")],
    window: Annotated[
        float | None, typer.Option(min=0.1, help="Seconds of every recording: a graph of fixed length, without masks.")
    ] = None,
    member: Annotated[str | None, typer.Option(help="Export this member alone, such as stems-00.")] = None,
    to: Annotated[Literal["onnx", "web"], typer.Option(help="A graph, or a page that answers in a browser.")] = "onnx",
    device: Annotated[
        str | None, typer.Option(help="With --to web: a description of your device, whose files it shall read too.")
    ] = None,
    runtime: Annotated[
        Path | None,
        typer.Option(help="With --to web: an unpacked onnxruntime-web, or an earlier page; else npm is asked."),
    ] = None,
) -> None:
    """Write one ONNX graph from samples to probabilities, with golden vectors and the event rule in C; or a page."""
    need("exporting", ("onnx", "onnxscript", "torch"), "train")
    from bfrb.export.portable import CHECKER, export_bundle
    from bfrb.predict.bundle import Bundle

    opened = Bundle.open(bundle)
    tell_simulated(opened)
    if to == "web":
        from bfrb.export.web import write_site

        log.info(
            "wrote %s: open it in a browser", write_site(opened, out, member=member, runtime=runtime, device=device)
        )
        return
    graph = export_bundle(opened, out, window_s=window, member=member)
    log.info(
        "wrote %s, %.1f MB; hold it against golden.json: python %s", graph, graph.stat().st_size / 1e6, out / CHECKER
    )


def import_keras(
    folder: Annotated[Path, typer.Argument(help="The folder with the notebook's .npy, .pkl and model files.")],
    out: Annotated[Path, typer.Option(help="Where the bundle shall be.")],
    overwrite: Overwrite = False,
    as_json: AsJson = False,
) -> None:
    """Turn models trained with the published Keras notebook into a bundle that gives the same answers."""
    need("the import", ("h5py", "onnx", "onnxscript", "torch"), "keras")
    from bfrb.from_keras.convert import import_keras as write_bundle
    from bfrb.predict.bundle import Bundle

    manifest = Bundle.open(write_bundle(folder, out, overwrite=overwrite)).manifest
    members = [member.name for member in manifest.members]
    about = {"out": str(out), "members": members, "rows": manifest.max_length} | manifest.provenance
    rows = zip(members, manifest.provenance["models"], strict=True)
    print_result(about, as_json, (f"{len(members)} models, imported", ("member", "from"), rows))
    log.info("wrote %s; its answers use the first %d rows of a recording", out, manifest.max_length)
