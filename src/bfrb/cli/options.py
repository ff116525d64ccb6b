"""Arguments and options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Dataset = Annotated[str, typer.Option(help="What the recordings are taken for: auto, cmi or searle2021.")]
Demographics = Annotated[Path | None, typer.Option(help="A table of subjects; else the one beside the recordings.")]
