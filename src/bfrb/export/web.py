"""What `bfrb export --to web` writes: one page that answers in a browser, without a network or an installation.

    index.html                 the page: open it, or put the folder on any static host
    page.js, page.css          what it does and looks like; its traces are those of the viewer
    model.js                   the graph, and what is to be known of it: how files are read, windows, the event rule
    runtime.js                 onnxruntime-web, as its package has it
    licences.txt

Browsers let a page from a disk load scripts and nothing else, so graph and runtime are texts in scripts. The page
forbids itself every connection (its content security policy): it is the browser that holds it to that.
"""

import base64
import gzip
import json
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
from bfrb.files import cache_folder, writing_folder
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
_PAGE = (
    *(f"{_VIEWER}/{name}.js" for name in ("palette", "dom", "plots")),
    "export/page/show.js",
    "export/page/main.js",
)
_WORKER = tuple(f"export/page/{name}.js" for name in ("table", "rows", "orientation", "stream", "events", "worker"))
_REMEDY = f"where there is a network: npm pack {RUNTIME}@{VERSION}; unpack it, and name its folder with --runtime"
_STYLES = (f"{_VIEWER}/vendor/uPlot.min.css", f"{_VIEWER}/style.css", "export/page/page.css")


def write_site(
    bundle: Bundle,
    out: Path,
    *,
    member: str | None = None,
    device: str | None = None,
    runtime: Path | None = None,
    exported: Path | None = None,
) -> Path:
    """Write the folder of a page, whole or not at all; the path of the page.

    `device` is a description of one's own device or study, whose files the page reads beside those that the package
    knows; `runtime` an unpacked package of the runtime, or an earlier page, instead of what npm fetches once;
    `exported` what `export_bundle` wrote of the bundle, if it did before.

    ConfigError and BundleError as of `export_bundle`; ConfigError if the runtime is another one, or cannot be fetched,
    or if the page cannot read what `device` describes.
    """
    check_free(out)
    script, binary = find_runtime(runtime)
    layouts = list(_find_layouts(bundle.device, device))
    with TemporaryDirectory() as place:
        folder = exported or export_bundle(bundle, Path(place, "graph"), member=member).parent
        told, graph = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8")), (folder / GRAPH).read_bytes()
    texts = {
        "runtime.js": _constant("RUNTIME", {"script": script.decode(), "wasm": _packed(binary)}),
        "model.js": _constant("MODEL", {"about": told | _describe(bundle, layouts), "graph": _packed(graph)}),
        "page.js": _page_code(),
        "page.css": "".join(map(_asset, _STYLES)),
        "licences.txt": _asset("export/page/licences.txt") + _asset(f"{_VIEWER}/vendor/uPlot.LICENSE.txt"),
    }
    size = f"{sum(map(len, texts.values())) / 1e6:.1f} MB"
    with writing_folder(out) as unfinished:
        for name, text in (texts | {"index.html": _asset("export/page/index.html").replace("{size}", size)}).items():
            (unfinished / name).write_text(text, encoding="utf-8", newline="\n")
    return out / "index.html"


def _describe(bundle: Bundle, layouts: list[dict[str, Any]]) -> dict[str, Any]:
    """What the page needs beside `input.json` to read files, and to cut and judge a stream, as the package does."""
    predictor, manifest = Predictor(bundle), bundle.manifest
    windows = bundle.windows.model_copy(update={"step_s": EventRule.of(bundle).spec.step_s})
    length, step, context = windows.rows(manifest.row_rate_hz)
    sensors = {
        one.name: one.model_dump(mode="json") | {"pieces": one.pieces} for one in predictor.source_device.sensors
    }
    # What `bfrb detect` takes without a description: the device's own columns and units.
    title = f"Samples: {' or '.join(TIMES)}, and the columns of {bundle.device.name}"
    samples = {"name": "samples", "title": title, "times": dict(TIMES), "sensors": sensors}
    return {
        **manifest.model_dump(mode="json", include={"max_length", "keep"}),
        "how": manifest.rows,
        "sensors": sensors,
        "cut": {"length": length, "step": max(1, step), "context": context},
        "clock": StreamSpec().model_dump(mode="json"),
        "requires": [one.requires for one in manifest.members],
        "makes": bundle.device.has("quaternion") and (predictor.is_heading_free or not bundle.device.knows_heading),
        "orients": predictor.orients,
        "layouts": [samples, *layouts],
    }


def _find_layouts(device: Device, own: str | None) -> Iterator[dict[str, Any]]:
    """How text files of one's own description, and of those that come with the package, are read for a device."""
    for name in dict.fromkeys([*([own] if own else []), "cmi", *known_descriptions()]):
        told = find_description(name)
        apart = any(told.sensor(sensor).match for sensor in told.sensors)
        alike = told.axes is not None or device.name in (told.name, told.device)
        if told.file.format in ("auto", "table") and alike and not apart and any(map(device.has, told.sensors)):
            yield _layout_of(told)
        elif name == own:
            problem = f"the page cannot read what {own} describes for a detector of the device {device.name!r}"
            raise ConfigError(problem, remedy="describe text files with all sensors in each, and [axes]")


def _layout_of(told: Description) -> dict[str, Any]:
    asks, time = told.axes is not None and told.worn.wrist is None, told.time
    wrists: tuple[Wrist | None, ...] = ("left", "right") if asks else (None,)
    sensors = {}
    for name in told.sensors:
        spec, limits = told.sensor(name), find_limits(told, name)
        unit = {name: np.eye(len(spec.columns))}
        # Bringing to the wrist is linear: what it makes of unit readings says what it makes of all.
        matrix = {wrist or "any": bring_to_wrist(unit, told, wrist)[name].tolist() for wrist in wrists}
        motion = {"matrix": matrix} if limits.modality == "motion" else {}
        sensors[name] = {"columns": spec.columns, "low": limits.low, "high": limits.high, **motion}
    return {
        **told.model_dump(mode="json", include={"name", "file", "time", "recordings"}),
        "title": told.title or told.name,
        "asks": asks,
        "times": {time.column: TIME_UNITS_S.get(time.unit)} if time.column else {},
        "ids": fields_of(told.recordings.id),
        "needed": needed_columns(told, ("path", "file", "folder")),
        "sensors": sensors,
    }


def find_runtime(folder: Path | None) -> tuple[bytes, bytes]:
    """The runtime's script and binary: in an unpacked package or an earlier site, or as npm fetches them, once."""
    kept = cache_folder() / f"{RUNTIME}-{VERSION}"
    if folder is None and not kept.is_dir():
        _fetch_runtime(kept)
    place = folder or kept
    earlier = place / "runtime.js"
    text = earlier.read_text(encoding="utf-8") if earlier.is_file() else ""
    if told := re.fullmatch(r"globalThis\.RUNTIME=(\{.*\});\n", text):
        parts = json.loads(told[1])
        found = [parts["script"].encode(), gzip.decompress(base64.b64decode(parts["wasm"]))]
    else:
        found = [next((path.read_bytes() for path in place.rglob(name)), b"") for name in HASHES]
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
    plots = _asset(f"{_VIEWER}/vendor/uPlot.iife.min.js")
    return f"{plots}\n(() => {{\nconst WORKER = {json.dumps(worker)};\n{page}}})();\n"


def _plain(name: str) -> str:
    """A module without its imports and exports."""
    return re.sub(r"^import .*\n|^export (?=\w)", "", _asset(name), flags=re.MULTILINE)


def _asset(name: str) -> str:
    return files("bfrb").joinpath(name).read_text(encoding="utf-8")


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode("ascii")


def _constant(name: str, value: Mapping[str, Any]) -> str:
    return f"globalThis.{name}={json.dumps(value)};\n"
