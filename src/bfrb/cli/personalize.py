"""`bfrb personalize`: a bundle that knows one wearer a little."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from bfrb.cli.calibrate import check_device
from bfrb.cli.options import Dataset
from bfrb.cli.show import print_json
from bfrb.errors import ConfigError

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
    from bfrb.read.sources import open_source
    from bfrb.stream.personal import personalize as learn
    from bfrb.stream.personal import write_with_head

    opened = Bundle.open(bundle)
    source = open_source(examples, dataset)
    check_device(opened, source.device.name)
    recordings = source.read()
    own = recordings[recordings.subjects == wearer]
    if not len(own):
        known = ", ".join(sorted(set(recordings.subjects.tolist()))[:5])
        raise ConfigError(f"no recording of the wearer {wearer!r}, found {known}", remedy="name one of these")
    head = learn(opened, own, wearer)
    write_with_head(opened, head, out, overwrite=overwrite)
    if as_json:
        print_json(head.model_dump(mode="json") | {"out": str(out)})
    else:
        log.info("learnt from %d episodes in %.0f minutes of %s", head.episodes, head.seconds / 60, wearer)
        log.info("wrote %s", out)
