"""Recordings that a predictor is asked about, opened as it needs them; and its answers as tables, batch by batch."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from bfrb.predict.bundle import Bundle
from bfrb.predict.evaluation import answer_labelled
from bfrb.predict.out_of_fold import TrainingOverlap
from bfrb.predict.predictor import Predictor
from bfrb.read.judging import JudgedSource
from bfrb.read.sources import Source, open_source
from bfrb.read.tables import Table
from bfrb.study.recordings import Progress


class Opening(NamedTuple):
    """How recordings are opened: `bfrb.read.sources.open_source`, and whether physics may speak against them."""

    description: str = "auto"
    demographics: Path | None = None
    anyway: bool = False


def open_as(bundle: Bundle, data: Path, description: str = "auto", demographics: Path | None = None) -> Source:
    """Recordings as rows of a bundle's device, made as it was trained on them; errors as of `open_source`."""
    return open_source(data, description, demographics, device=bundle.device, how=bundle.manifest.rows)


def open_for(predictor: Predictor, data: Path | Source, opening: Opening) -> JudgedSource:
    """Recordings that a predictor can be asked about; errors as of `open_source`.

    DataError if they are of another device.
    """
    if isinstance(data, Path):
        data = open_as(predictor.bundle, data, opening.description, opening.demographics)
    predictor.bundle.check_device(data.device)
    return JudgedSource(data, opening.anyway)


def answer_batches(
    predictor: Predictor, source: JudgedSource, counts: Counter[str], progress: Progress | None = None
) -> Iterator[Table]:
    """The predictions for each batch; gestures are added to the counts.

    DataError if physics speaks against the recordings, or no network can do without what most of them lack.
    """
    batches = map(predictor.cut, source.batches(progress=progress))
    for recordings in predictor.answerable(batches, anyway=source.anyway):
        predictions = predictor.predict(recordings)
        counts.update(predictions.gestures.tolist())
        yield predictions.to_frame()


class Judged(NamedTuple):
    """A predictor's answers to labelled recordings."""

    answers: tuple[Table, int]  # as of `answer_labelled`
    overlap: TrainingOverlap  # what the recordings have in common with those of the training
    simulated: bool  # whether any comes from a simulator


def judge(predictor: Predictor, opening: Opening, data: Path | Source, progress: Progress | None = None) -> Judged:
    """Answer labelled recordings, of a whole source or a part of it.

    DataError if they cannot be read or answered, or a gesture is not among the bundle's.
    """
    source = open_for(predictor, data, opening)
    overlap = TrainingOverlap.of(predictor.bundle)
    batches = predictor.answerable(map(predictor.cut, source.batches(progress=progress)), anyway=opening.anyway)
    return Judged(answer_labelled(predictor, overlap.watch(batches)), overlap, source.simulated)
