"""`bfrb personalize`: a bundle that knows one wearer a little."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bfrb.cli.options import Dataset
from bfrb.cli.show import print_json
from bfrb.errors import ConfigError

if TYPE_CHECKING:
    from bfrb.study.stretches import Stretch

log = logging.getLogger(__name__)


def personalize(
    bundle: Annotated[Path, typer.Argument(help="A bundle trained on continuous recordings.")],
    examples: Annotated[
        Path, typer.Argument(help="Continuous recordings in which the wearer's episodes are labelled.")
    ],
    wearer: Annotated[str, typer.Option(help="The wearer: the subject of those recordings.")],
    out: Annotated[Path, typer.Option(help="Where the bundle that knows the wearer shall be.")],
    dataset: Dataset = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bundle that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was learnt as one JSON object.")] = False,
) -> None:
    """Learn from a wearer's own labelled episodes; used only where their name is given: `bfrb detect --wearer`."""
    from bfrb.predict.bundle import Bundle
    from bfrb.read.stretches import iter_stretches
    from bfrb.stream.personal import personalize as learn

    opened, found = Bundle.open(bundle), set()

    def iter_own() -> Iterator[Stretch]:
        for stretch in iter_stretches(examples, opened.device, dataset):
            found.add(stretch.subject)
            if stretch.subject == wearer:
                yield stretch
        if wearer not in found:
            known = ", ".join(sorted(found)[:5])
            raise ConfigError(f"no recording of the wearer {wearer!r}, found {known}", remedy="name one of these")

    head = learn(opened, iter_own(), wearer)
    head.write(opened, out, overwrite=overwrite)
    if as_json:
        print_json(head.model_dump(mode="json") | {"out": str(out)})
    else:
        log.info("learnt from %d episodes in %.0f minutes of %s", head.episodes, head.seconds / 60, wearer)
        log.info("wrote %s; next: bfrb detect %s RECORDING --wearer %s --out events.csv", out, out, wearer)
