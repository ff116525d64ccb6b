"""What `bfrb export --to web` writes: one page that answers in a browser, without a network or an installation.

    index.html                 the page: open it, or put the folder on any static host
    page.js, page.css          what it does and looks like; its traces are those of the viewer
    model.js                   the graph, and what is to be known of it: how files are read, windows, the event rule
    runtime.js                 onnxruntime-web, as its package has it
    licences.txt

Browsers let a page from a disk load scripts and nothing else, so graph and runtime are texts in scripts. The page forbids
itself every connection (its content security policy): it is the browser that holds it to that.
"""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bfrb.errors import ConfigError
from bfrb.export.portable import DESCRIPTION, GRAPH, check_free, export_bundle
from bfrb.files import writing_folder
from bfrb.predict.bundle import Bundle
from bfrb.predict.predictor import Predictor
from bfrb.read.layouts import fields_of, find_limits, needed_columns
from bfrb.read.series import bring_to_wrist
from bfrb.read.stretches import TIMES
from bfrb.stream.events import EventRule
from bfrb.stream.spec import StreamSpec
from bfrb.study.description import TIME_UNITS_S, Description, find_description, known_descriptions
from bfrb.study.device import Device
from bfrb.study.frame import Wrist

RUNTIME, VERSION = "onnxruntime-web", "1.30.0"
HASHES = {
    "ort.wasm.bundle.min.mjs": "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    "ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
"""SHA-256 of the two files of the runtime that the page runs: a script and a binary."""

_VIEWER = "view/assets"
_PAGE = (*(f"{_VIEWER}/{name}.js" for name in ("palette", "dom", "plots")), "export/page/show.js", "export/page/main.js")
_WORKER = tuple(f"export/page/{name}.js" for name in ("table", "rows", "orientation", "stream", "events", "worker"))
_REMEDY = f"where there is a network: npm pack {RUNTIME}@{VERSION}; unpack it, and name its folder with --runtime"
_STYLES = (f"{_VIEWER}/vendor/uPlot.min.css", f"{_VIEWER}/style.css", "export/page/page.css")


def export_site(
    bundle: Bundle, out: Path, *, member: str | None = None, device: str | None = None, runtime: Path | None = None
) -> Path:
    """Write the folder of a page, whole or not at all; the path of the page.

    Parameters
    ----------
    bundle, out, member
        As for `export_bundle`.
    device
        A description of one's own device or study, whose files the page reads beside those that the package knows.
    runtime
        An unpacked package of the runtime, or an earlier site; None: what was fetched before, or else npm fetches it.

    Raises
    ------
    ConfigError
        If the runtime is another one, or is not there and cannot be fetched; if the page cannot read what `device`
        describes; as `export_bundle`, and BundleError as well.
    """
    check_free(out)
    find_runtime(runtime)
    with TemporaryDirectory() as place:
        graph = export_bundle(bundle, Path(place, "exported"), member=member)
        return write_site(bundle, graph.parent, out, device=device, runtime=runtime)


def write_site(
    bundle: Bundle, exported: Path, out: Path, *, device: str | None = None, runtime: Path | None = None
) -> Path:
    """As `export_site`, of a folder that `export_bundle` wrote of the bundle."""
    layouts = [_samples_layout(Predictor(bundle).source_device), *_find_layouts(bundle.device, device)]
    about = json.loads((exported / DESCRIPTION).read_text(encoding="utf-8")) | _describe(bundle) | {"layouts": layouts}
    script, binary = find_runtime(runtime)
    texts = {
        "runtime.js": _constant("RUNTIME", {"script": script.decode(), "wasm": _packed(binary)}),
        "model.js": _constant("MODEL", {"about": about, "graph": _packed((exported / GRAPH).read_bytes())}),
        "page.js": _page_code(),
        "page.css": "".join(map(_asset, _STYLES)),
        "licences.txt": _asset("export/page/licences.txt") + _asset(f"{_VIEWER}/vendor/uPlot.LICENSE.txt"),
    }
    size = f"{sum(map(len, texts.values())) / 1e6:.1f} MB"
    with writing_folder(out) as folder:
        for name, text in (texts | {"index.html": _asset("export/page/index.html").replace("{size}", size)}).items():
            (folder / name).write_text(text, encoding="utf-8", newline="\n")
    return out / "index.html"


def _describe(bundle: Bundle) -> dict[str, Any]:
    """What the page needs beside `input.json` to cut and judge a stream as the package does."""
    predictor = Predictor(bundle)
    sensors = predictor.source_device.sensors
    windows = bundle.windows.model_copy(update={"step_s": EventRule.of(bundle).spec.step_s})
    length, step, context = windows.rows(bundle.device.row_rate_hz)
    return {
        "how": bundle.manifest.rows,
        "max_rows": bundle.manifest.max_length,
        "keep": bundle.manifest.keep,
        "sensors": {one.name: one.model_dump(mode="json") | {"pieces": one.pieces} for one in sensors},
        "cut": {"length": length, "step": max(1, step), "context": context},
        "clock": StreamSpec().model_dump(mode="json"),
        "requires": [one.requires for one in bundle.manifest.members],
        "makes": bundle.device.has("quaternion") and (predictor.is_heading_free or not bundle.device.knows_heading),
        "orients": predictor.orients,
    }


def _samples_layout(device: Device) -> dict[str, Any]:
    """Samples in the device's own columns and units, with their times: what `bfrb detect` takes without a description."""
    sensors = {
        one.name: {"columns": one.columns, "low": one.low, "high": one.high, "optional": True} for one in device.sensors
    }
    title = f"Samples: {' or '.join(TIMES)}, and the columns of {device.name}"
    return {"name": "samples", "title": title, "times": dict(TIMES), "sensors": sensors}


def _find_layouts(device: Device, own: str | None) -> Iterator[dict[str, Any]]:
    """How text files of one's own description, and of those that come with the package, are read for a device."""
    for name in dict.fromkeys([*([own] if own else []), "cmi", *known_descriptions()]):
        description = find_description(name)
        one_file = not any(description.sensor(sensor).match for sensor in description.sensors)
        same = device.name in (description.name, description.device)
        alike = (same or description.axes) and any(map(device.has, description.sensors))
        if one_file and alike and description.file.format in ("auto", "table"):
            yield _layout_of(description)
        elif name == own:
            problem = f"the page cannot read what {own} describes for a detector of the device {device.name!r}"
            raise ConfigError(problem, remedy="describe text files with all sensors in each, and [axes]")


def _layout_of(description: Description) -> dict[str, Any]:
    time, recordings = description.time, description.recordings
    asks = description.axes is not None and description.worn.wrist is None
    sensors = {}
    for name in description.sensors:
        spec, limits = description.sensor(name), find_limits(description, name)
        unit = {name: np.eye(len(spec.columns))}
        wrists: tuple[Wrist | None, ...] = (("left", "right") if asks else (None,)) if limits.modality == "motion" else ()
        sensors[name] = {
            "columns": spec.columns,
            "optional": spec.optional,
            "low": limits.low,
            "high": limits.high,
            "matrix": {wrist or "any": bring_to_wrist(unit, description, wrist)[name].tolist() for wrist in wrists},
        }
    return {
        "name": description.name,
        "title": description.title or description.name,
        "asks": asks,
        "file": description.file.model_dump(mode="json", include={"columns", "skip", "separator", "decimal", "strict"}),
        "times": {time.column: TIME_UNITS_S.get(time.unit)} if time.column else {},
        "time": time.model_dump(mode="json", include={"rate_hz", "steady", "back_s"}),
        "recordings": recordings.model_dump(mode="json") | {"ids": fields_of(recordings.id)},
        "needed": needed_columns(description, ("path", "file", "folder")),
        "sensors": sensors,
    }


def find_runtime(folder: Path | None) -> tuple[bytes, bytes]:
    """The runtime's script and binary: in an unpacked package or an earlier site, or as npm fetches them, once."""
    kept = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache", "bfrb", f"{RUNTIME}-{VERSION}")
    if folder is None and not kept.is_dir():
        _fetch_runtime(kept)
    place = folder or kept
    earlier = place / "runtime.js"
    if earlier.is_file():
        parts = json.loads(earlier.read_text(encoding="utf-8").partition("=")[2].rstrip(";\n"))
        found = [parts["script"].encode(), gzip.decompress(base64.b64decode(parts["wasm"]))]
    else:
        paths = [next((path for path in place.rglob(name)), place / name) for name in HASHES]
        found = [path.read_bytes() if path.is_file() else b"" for path in paths]
    if [sha256(part).hexdigest() for part in found] != [*HASHES.values()]:
        problem = f"expected the files {' and '.join(HASHES)} of {RUNTIME} {VERSION} in {place}, and they are not there"
        raise ConfigError(problem, remedy=_REMEDY if folder else f"delete {place}, and it is fetched again")
    return found[0], found[1]


def _fetch_runtime(kept: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise ConfigError(f"the page needs {RUNTIME} {VERSION}, and there is no npm to fetch it", remedy=_REMEDY)
    with TemporaryDirectory() as place:
        command = [npm, "pack", f"{RUNTIME}@{VERSION}", "--loglevel=error", f"--pack-destination={place}"]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
        packed = next(Path(place).glob("*.tgz"), None)
        if done.returncode or packed is None:
            said = " ".join(done.stderr.split())[:200] or "no word why"
            raise ConfigError(f"npm could not fetch {RUNTIME} {VERSION}: {said}", remedy=_REMEDY)
        with writing_folder(kept) as unfinished, tarfile.open(packed) as archive:
            for name in HASHES:
                inside = archive.extractfile(f"package/dist/{name}")
                (unfinished / name).write_bytes(b"" if inside is None else inside.read())


def _page_code() -> str:
    """The modules of page and worker as one script: a page on a disk may load no modules."""
    page, worker = ("".join(map(_plain, names)) for names in (_PAGE, _WORKER))
    return f'{_asset(f"{_VIEWER}/vendor/uPlot.iife.min.js")}\n(() => {{\nconst WORKER = {json.dumps(worker)};\n{page}}})();\n'


def _plain(name: str) -> str:
    """A module without its imports and exports."""
    return re.sub(r"^import .*\n|^export (?=\w)", "", _asset(name), flags=re.MULTILINE)


def _asset(name: str) -> str:
    return files("bfrb").joinpath(name).read_text(encoding="utf-8")


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode("ascii")


def _constant(name: str, value: Mapping[str, Any]) -> str:
    return f"globalThis.{name}={json.dumps(value)};\n"
