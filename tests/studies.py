"""A tiny study and run, and a command that trains it: `python tests/studies.py OUT`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from bfrb.read.sources import HeldSource
from bfrb.train.presets import PRESETS
from bundles import make_recordings

TINY = PRESETS["quick"].updated(
    [
        "folds=2",
        "networks=['gated_two_branch']",
        "training.epochs=3",
        "training.batch_size=8",
        "gated_two_branch.widths=[8, 8]",
        "gated_two_branch.recurrent_units=4",
        "gated_two_branch.head_units=[8]",
        "gated_two_branch.head_dropouts=[0.1]",
    ]
)


@dataclass(frozen=True)
class InMemory(HeldSource):
    """A source of recordings that are there already."""

    origin: str = "made up"


def make_study(count: int = 24, subjects: int = 6) -> InMemory:
    return InMemory(make_recordings(count, subjects=subjects))


if __name__ == "__main__":
    from bfrb.train.crossval import cross_validate

    cross_validate(make_study(), TINY, Path(sys.argv[1]))
