"""`bfrb import-keras`: models of the published Keras notebook to a bundle."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from bfrb.cli.show import print_json, print_table
from bfrb.errors import ConfigError

log = logging.getLogger(__name__)


def import_keras(
    folder: Annotated[Path, typer.Argument(help="The folder with the notebook's .npy, .pkl and model files.")],
    out: Annotated[Path, typer.Option(help="Where the bundle shall be.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bundle that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as one JSON object.")] = False,
) -> None:
    """Turn models trained with the published Keras notebook into a bundle that gives the same answers."""
    _check_installed()
    from bfrb.from_keras.convert import import_keras as write_bundle
    from bfrb.predict.bundle import Bundle

    manifest = Bundle.open(write_bundle(folder, out, overwrite=overwrite)).manifest
    if as_json:
        members = [member.name for member in manifest.members]
        print_json({"out": str(out), "members": members, "rows": manifest.max_length} | manifest.provenance)
        return
    rows = [
        (member.name, source) for member, source in zip(manifest.members, manifest.provenance["models"], strict=True)
    ]
    print_table(f"{len(rows)} models, imported", ("member", "from"), rows)
    log.info("wrote %s; its answers use the first %d rows of a recording", out, manifest.max_length)


def _check_installed() -> None:
    """Refuse to import without the packages that read Keras's files and export networks."""
    from importlib.util import find_spec

    missing = [name for name in ("h5py", "onnx", "onnxscript", "torch") if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"the import needs {', '.join(missing)}", remedy='install them with: pip install "bfrb[keras]"'
        )
