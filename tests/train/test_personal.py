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


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = TINY.updated(["networks=['rocket']", *ROCKET])
    return train_here(make_study(), spec, tmp_path_factory.mktemp("personal") / "model")


def wearer() -> HeldSource:
    """Recordings of one wearer, called otherwise than the people of the training would call them."""
    recordings = make_study().recordings[:6]
    classes = np.roll(np.array(recordings.gestures, dtype=object), 1)
    table = recordings.table.with_columns(subject=recordings.table["subject"].replace_strict({}, default="me"))
    return HeldSource(recordings.with_table(table.with_columns(gesture=classes)), "the wearer")


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
