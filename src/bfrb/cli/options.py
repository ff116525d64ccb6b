"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Dataset = Annotated[
    str, typer.Option(help="How they are read: auto, cmi, searle2021, a name of `bfrb devices`, or a .toml file.")
]
Anyway = Annotated[
    bool,
    typer.Option(
        "--anyway",
        help="Go on with recordings that physics speaks against, or that lack what networks need.",
    ),
]
Demographics = Annotated[Path | None, typer.Option(help="A table of subjects; else the one beside the recordings.")]
