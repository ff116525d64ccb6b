"""`bfrb report`, `bfrb export` and `bfrb import-keras`: a bundle as a page, as graphs, and from models of others."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from typer import Argument, Option

from bfrb.cli import options
from bfrb.cli.show import print_result
from bfrb.errors import ConfigError
from bfrb.files import bytes_of
from bfrb.parts import need

if TYPE_CHECKING:
    from bfrb.cluster.tasks import RayTasks
    from bfrb.read.sources import Source

log = logging.getLogger(__name__)

Runtime = Literal["onnx", "litert", "executorch", "coreml", "web"]
_LENGTH = "How long every recording is, such as 5s: a graph of fixed length, without masks."
Window = Annotated[float | None, Option(parser=options.parse_seconds, metavar="<seconds>", help=_LENGTH)]


def report(
    bundle: options.BundleFolder,
    data: Annotated[Path | None, Option(help="Its recordings, for people and signals; or new ones to score.")] = None,
    out: Annotated[Path | None, Option(help="The page, a .html file; by default beside the bundle.")] = None,
    description: options.DescriptionName = "auto",
    on: options.On = None,
    workers: options.Workers = 0,
    overwrite: options.Overwrite = False,
) -> None:
    """Write a page that shows how good a bundle is, and on whom it fails: one file that needs no network."""
    from bfrb.read.sources import open_source
    from bfrb.report.html import default_page, write_report

    options.check_outputs([out], [bundle, data], overwrite=overwrite)  # the page beside a bundle may be made anew
    page = out or default_page(bundle)
    source = None if data is None else open_source(data, description)
    with options.joined(None if data is None else on, workers) as cluster:
        each = None if cluster is None or data is None else partial(_ask_opened, cluster, bundle, data, description)
        write_report(bundle, page, source, each=each)
    log.info("wrote %s", page)


def _ask_opened(
    cluster: RayTasks, bundle: Path, data: Path, description: str, ask: Callable[[Source], Any]
) -> list[Any]:
    from bfrb.cluster.parts import ask_parts, open_and_ask

    return ask_parts(cluster, bundle, data, description, partial(open_and_ask, description, ask))


def export(
    bundle: options.BundleFolder,
    out: Annotated[Path, Option(help="The folder to make.")],
    window: Window = None,
    member: Annotated[str | None, Option(help="Export this member alone, such as rocket-00.")] = None,
    to: Annotated[Runtime, Option(help="The runtime; or web, a page that answers in a browser.")] = "onnx",
    int8: Annotated[Path | None, Option(help="Recordings by whose ranges eight bits are computed with.")] = None,
    device: Annotated[str | None, Option(help="A description that goes into the graph or page (bfrb devices).")] = None,
    wrist: options.Wrist = None,
    description: options.DescriptionName = "auto",
    runtime: Annotated[Path | None, Option(help="For web: onnxruntime-web unpacked, or an earlier page.")] = None,
) -> None:
    """Write one graph from samples to probabilities, with golden vectors and the event rule in C; or a page."""
    need("exporting", ("onnx", "onnxscript", "torch"), "train")
    from bfrb.export.portable import CHECKER, Conversion, export_bundle
    from bfrb.export.worn import Worn
    from bfrb.predict.answering import open_as
    from bfrb.predict.bundle import Bundle
    from bfrb.study.description import find_description
    from bfrb.study.windows import cut_continuous

    opened = Bundle.open(bundle)
    options.tell_simulated(opened)
    if int8 is not None and to in ("onnx", "web"):
        raise ConfigError(f"{to} is written in 32 bits only", remedy="leave --int8 out, or choose another runtime")
    if to == "web":
        if window is not None or wrist is not None:
            raise ConfigError("a page takes no --window and no --wrist", remedy="leave them out: it asks for the wrist")
        from bfrb.export.web import write_site

        page = write_site(opened, out, member=member, runtime=runtime, device=device)
        log.info("wrote %s: open it in a browser", page)
        return
    worn = None if device is None else Worn.of(opened.device, find_description(device), wrist)
    samples = None if int8 is None else cut_continuous(open_as(opened, int8, description).read(), opened.windows)
    conversion = None if to == "onnx" else Conversion(to, samples)
    graph = export_bundle(opened, out, window_s=window, member=member, worn=worn, conversion=conversion)
    check = f"; hold it against golden.json: python {out / CHECKER}" if conversion is None else ""
    log.info("wrote %s, %.2f MB%s", graph, bytes_of(graph) / 1e6, check)


def personalize(
    bundle: options.BundleFolder,
    data: Annotated[Path, Argument(help="Labelled recordings of one wearer.")],
    out: Annotated[Path, Option(help="Where the wearer's bundle shall be.")],
    description: options.DescriptionName = "auto",
    anyway: options.Anyway = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Move the answers of networks that are solved for (`rocket`) towards one wearer's own examples."""
    need("personalizing", ("onnx", "onnxscript", "torch"), "train")
    from bfrb.predict.answering import open_as
    from bfrb.predict.bundle import Bundle
    from bfrb.read.judging import JudgedSource
    from bfrb.train.personal import personalize as write_bundle

    options.check_outputs([out], [bundle, data])
    opened = Bundle.open(bundle)
    options.tell_simulated(opened)
    source = JudgedSource(open_as(opened, data, description), anyway)
    told = write_bundle(opened, source, out, overwrite=overwrite)
    shown = ("Examples of the wearer", ("class", "examples"), told.items())
    print_result({"out": str(out), "examples": told}, as_json, shown)
    log.info("wrote %s, with the scores of %s; next, on later recordings: bfrb evaluate %s LATER", out, bundle, out)


def import_keras(
    folder: Annotated[Path, Argument(help="The folder with the notebook's .npy, .pkl and model files.")],
    out: Annotated[Path, Option(help="Where the bundle shall be.")],
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
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
