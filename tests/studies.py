"""Recordings in memory as sources, a tiny study and a tiny run."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bfrb.read.sources import HeldSource
from bfrb.study.recordings import Recordings
from bfrb.train.presets import PRESETS
from bfrb.train.run import RunSpec
from bundles import make_recordings


@dataclass(frozen=True)
class SourceOf(HeldSource):
    """A source of given recordings, in batches of about 200 rows."""

    origin: str = "the recordings of a test"

    def batches(self, max_rows: int = 200, progress: object = None) -> Iterator[Recordings]:
        yield from self.recordings.batches(200)


SIZES = ("widths=[8, 8]", "recurrent_units=4", "head_units=[8]", "head_dropouts=[0.1]")
TINY = PRESETS["quick"].updated(
    [
        "folds=2",
        "networks=['gated_two_branch']",
        "training.epochs=3",
        "training.batch_size=8",
        *(f"gated_two_branch.{size}" for size in SIZES),
    ]
)


ROCKET = ("rocket.rows=20", "rocket.biases=1", "rocket.contrast=0")
"""A small one; graphs are traced once for all tests that train networks of the same sizes."""


def make_study(count: int = 24, subjects: int = 6) -> SourceOf:
    return SourceOf(make_recordings(count, subjects=subjects))


class Here:
    """Jobs are done in this process, which is sooner done where they are tiny."""

    places: Mapping[str, str] = {}

    def run(self, jobs: Mapping[str, Callable[[], None]], tick: Callable[[], None], need: object = None) -> None:
        try:
            for job in jobs.values():
                job()
                tick()
        finally:
            if "torch" in sys.modules:  # what follows need not be as strict as a training
                sys.modules["torch"].set_deterministic_debug_mode("default")


def here(**options: Any) -> Any:
    """Options of a run in this process."""
    from bfrb.train.crossval import RunOptions

    return RunOptions(on=Here(), **options)


def train_here(source: HeldSource, spec: RunSpec, out: Path, **options: Any) -> Path:
    """A bundle, trained in this process."""
    from bfrb.train.crossval import cross_validate

    return cross_validate(source, spec, out, options=here(**options))
