"""A wearer's own examples move the answers of networks that are solved for, and of no others."""

from pathlib import Path

import numpy as np
import pytest

from bfrb.errors import BundleError, DataError
from bfrb.predict.bundle import Bundle
from bfrb.predict.predictor import load
from bfrb.read.sources import HeldSource
from bfrb.train.personal import personalize
from studies import ROCKET, TINY, make_study, train_here

SMALL = TINY.updated(["networks=['rocket']", *ROCKET])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("personal") / "model"
    return train_here(make_study(), SMALL, out)


def wearer(count: int = 6) -> HeldSource:
    """Recordings of one wearer, called otherwise than the people of the training would call them."""
    recordings = make_study(24, 6).recordings[np.arange(count)]
    classes = load_classes(recordings.gestures)
    table = recordings.table.with_columns(subject=recordings.table["subject"].replace_strict({}, default="me"))
    return HeldSource(recordings.with_table(table.with_columns(gesture=classes)), "the wearer")


def load_classes(gestures: list[str | None] | None) -> np.ndarray:
    return np.roll(np.array(gestures, dtype=object), 1)


def test_answers_move_towards_the_examples_and_the_old_bundle_stays(bundle: Path, tmp_path: Path) -> None:
    source = wearer()
    told = personalize(Bundle.open(bundle), source, tmp_path / "mine")
    assert sum(told.values()) == len(source.recordings)
    before, after = load(bundle), load(tmp_path / "mine")
    codes = before.label_set.encode(np.array(source.recordings.gestures, dtype=object))
    chances = [one.predict(source.recordings).probabilities[np.arange(len(codes)), codes] for one in (before, after)]
    assert (chances[1] > chances[0]).all()
    assert after.bundle.manifest.provenance["personalized"] == told
    assert "personalized" not in Bundle.open(bundle).manifest.provenance


def test_what_cannot_be_moved_or_written_is_refused(bundle: Path, tmp_path: Path) -> None:
    source = wearer()
    strange = source.recordings.with_table(source.recordings.table.with_columns(gesture=np.array(["dance"] * 6)))
    with pytest.raises(DataError, match="dance"):
        personalize(Bundle.open(bundle), HeldSource(strange, "the wearer"), tmp_path / "mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").touch()
    with pytest.raises(BundleError, match="other files"):
        personalize(Bundle.open(bundle), source, tmp_path / "mine")
