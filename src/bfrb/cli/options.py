"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Dataset = Annotated[
    str, typer.Option(help="How they are read: auto, cmi, searle2021, a name of `bfrb devices`, or a .toml file.")
]
Demographics = Annotated[Path | None, typer.Option(help="A table of subjects; else the one beside the recordings.")]
