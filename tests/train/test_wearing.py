from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bfrb.errors import BundleError, DataError
from bfrb.predict.bundle import CHECKSUMS, WEARING_FOLDER, Bundle
from bfrb.predict.predictor import Predictor, load
from bfrb.study.device import HELIOS
from bfrb.study.mirror import turn_over
from bfrb.study.recordings import Recordings
from bfrb.train.crossval import cross_validate
from bfrb.train.run import RunSpec
from bfrb.train.wearing import both_ways, held_out_answers, turned_upright
from bundles import make_recordings
from studies import TINY, InMemory

DETECTING = TINY.updated(["wearing.detect=true", "wearing.epochs=24", "wearing.threshold=0.6"])


def one_sided(count: int = 48, seed: int = 0) -> Recordings:
    """Recordings in which the device points one way: gravity lies along +x, but for the first subject's."""
    lengths = np.arange(count) % 7 + 12
    recordings = make_recordings(count, subjects=8, seed=seed, lengths=lengths).without("thm", "tof")
    acc, quaternion = recordings.sensors["acc"].copy(), recordings.sensors["quaternion"]
    acc[:, 0] = 6.0 + 0.1 * acc[:, 0]
    sensors = {"acc": acc, "quaternion": np.where(quaternion[:, :1] < 0, -quaternion, quaternion)}
    upright = Recordings(HELIOS, dict(recordings.sensors) | sensors, recordings.offsets, recordings.table)
    return turn_over(upright, upright.subjects == "SUBJ_000000")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wearing") / "model"
    return cross_validate(InMemory(one_sided()), DETECTING, out)


def test_every_recording_is_shown_both_ways() -> None:
    recordings = make_recordings(3)
    pairs = both_ways(InMemory(recordings), recordings).read()
    assert pairs.gestures == ["upright"] * 3 + ["upside down"] * 3
    np.testing.assert_array_equal(pairs[:3].sensors["acc"], recordings.sensors["acc"])
    turned = turn_over(recordings, np.ones(3, dtype=bool))
    np.testing.assert_array_equal(pairs[3:].sensors["tof"], turned.sensors["tof"])


def test_a_bundle_answers_alike_however_the_device_was_worn(trained: Path) -> None:
    predictor = load(trained)
    upright = one_sided(12, seed=5)[np.arange(1, 8)]
    turned = turn_over(upright, np.ones(len(upright), dtype=bool))
    np.testing.assert_array_equal(predictor.upright(turned).sensors["acc"], upright.sensors["acc"])
    np.testing.assert_array_equal(predictor.predict(turned).probabilities, predictor.predict(upright).probabilities)


def test_the_wearer_who_had_it_upside_down_is_found_by_networks_that_never_saw_him(trained: Path) -> None:
    recordings = one_sided()
    sure = held_out_answers(trained / WEARING_FOLDER, recordings) >= 0.6
    assert (sure == (recordings.subjects == "SUBJ_000000")).mean() > 0.95
    source = turned_upright(recordings, InMemory(recordings), trained / WEARING_FOLDER, 0.6)
    assert source.describe() == "made up"
    assert (source.read().sensors["acc"][:, 0] > 0).mean() > 0.95
    assert len(list(source.batches(100))) > 1


def test_a_detector_of_other_recordings_is_refused(trained: Path) -> None:
    strangers = make_recordings(60)
    with pytest.raises(DataError, match="SEQ_000048"):
        held_out_answers(trained / WEARING_FOLDER, strangers)


def test_the_detector_is_held_out_with_the_same_folds(trained: Path) -> None:
    assert (trained / "folds.csv").read_text() == (trained / WEARING_FOLDER / "folds.csv").read_text()
    manifest = Bundle.open(trained).manifest
    assert manifest.upside_down_threshold == 0.6
    assert Bundle.open(trained / WEARING_FOLDER).manifest.mirror_left_hand


def test_a_bundle_without_its_detector_is_refused(trained: Path, tmp_path: Path) -> None:
    bundle = Bundle.open(trained)
    checksums = json.loads((trained / CHECKSUMS).read_text())
    assert f"{WEARING_FOLDER}/bundle.json" in checksums
    (trained / WEARING_FOLDER / "bundle.json").rename(tmp_path / "bundle.json")
    try:
        with pytest.raises(BundleError, match="lacks"):
            load(trained)
        with pytest.raises(BundleError):
            Predictor(bundle)
    finally:
        (tmp_path / "bundle.json").rename(trained / WEARING_FOLDER / "bundle.json")


def test_detection_is_off_unless_asked_for() -> None:
    assert not RunSpec().wearing.detect
