"""Graphs that were traced once are kept on this machine: tracing takes many seconds, and most trainings trace the same.

A graph is traced again when the networks of this package, torch or its exporter change. The folder is the user's cache;
deleting it, or not being able to write it, costs nothing but time.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from bfrb.files import cache_folder, writing_file

KEPT = 100
"""So many graphs are kept, those that were used last."""


def keep(about: str, trace: Callable[[], onnx.ModelProto]) -> onnx.ModelProto:
    """The graph that is kept of what `about` says completely; else it is traced."""
    path = cache_folder() / "graphs" / f"{sha256(f'{_code()} {about}'.encode()).hexdigest()}.onnx"
    with suppress(OSError, DecodeError):
        found = onnx.load(path)
        if found.graph.node:
            path.touch()
            return found
    traced = trace()
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with writing_file(path) as place:
            onnx.save(traced, place)
        for old in sorted(path.parent.glob("*.onnx"), key=_used)[:-KEPT]:
            old.unlink(missing_ok=True)
    return traced


def _used(path: Path) -> float:
    """When a file was used last; one that another process has just deleted, never."""
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0


@cache
def _code() -> str:
    """Everything but the sizes that a graph depends on."""
    digest = sha256(" ".join(version(name) for name in ("onnx", "onnxscript", "torch")).encode())
    for package in ("bfrb.networks", "bfrb.export"):
        for module in sorted(files(package).iterdir(), key=lambda one: one.name):
            if module.name.endswith(".py"):
                digest.update(module.read_bytes())
    return digest.hexdigest()
