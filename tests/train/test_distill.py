"""An ensemble teaches one network, and nobody is taught by who saw them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bfrb.errors import BundleError, DataError
from bfrb.predict.bundle import Bundle, _write_checksums
from bfrb.predict.out_of_fold import HeldOutPredictor
from bfrb.predict.predictor import Predictor, load
from bfrb.read.sources import HeldSource
from bfrb.study.folds import Folds
from bfrb.study.labels import CMI_GESTURES
from bfrb.train import distill as distilling
from bfrb.train.distill import distill, teach
from bfrb.train.personal import personalize
from bfrb.train.presets import read_preset
from bfrb.train.run import RunSpec
from bundles import make_recordings


def test_each_person_is_taught_by_the_member_that_held_them_out_and_a_stranger_by_all(teacher: Path) -> None:
    bundle, recordings = Bundle.open(teacher), make_recordings(10, subjects=5, seed=3)
    targets = teach(HeldOutPredictor(bundle), recordings, RunSpec().updated(["training.teacher_share=0.25"]))
    labels = np.eye(len(CMI_GESTURES))[CMI_GESTURES.encode(recordings.gestures)]
    fold_of = Folds.read(teacher / "folds.csv").fold_of
    assert set(fold_of) == {f"SUBJ_{number:06d}" for number in range(4)}  # the fifth is a stranger
    for number, name in enumerate(recordings.subjects):
        judge = Predictor(bundle.only(fold_of[name]) if name in fold_of else bundle)
        said = judge.predict(recordings[number : number + 1]).probabilities[0]
        np.testing.assert_allclose(targets[number], 0.25 * said + 0.75 * labels[number], atol=1e-6)


def test_one_network_is_in_the_bundle_and_others_have_judged_it(teacher: Path, distilled: Path) -> None:
    bundle = Bundle.open(distilled)
    [member] = bundle.manifest.members
    assert (member.name, member.fold, member.requires) == ("micro-02", 2, ("acc",))
    assert {path.name.partition(".")[0] for path in (distilled / "members").iterdir()} == {"micro-02"}
    assert bundle.manifest.mirror_left_hand
    assert bundle.manifest.provenance["teacher"].startswith("2 members")
    assert Folds.read(distilled / "folds.csv").fold_of == Folds.read(teacher / "folds.csv").fold_of
    answers = pl.read_parquet(distilled / "out_of_fold.parquet").filter(pl.col("scenario") == "all")
    assert sorted(answers["fold"].unique()) == [0, 1]
    recordings = make_recordings(24, subjects=4, seed=5)
    own = load(distilled).predict(recordings).probabilities
    assert np.abs(own - answers.select(CMI_GESTURES.classes).to_numpy()).max() > 1e-3  # not its own answers
    assert set(json.loads((distilled / "scores.json").read_text())) >= {"all"}
    with pytest.raises(BundleError, match="none can judge its people honestly"):
        HeldOutPredictor(bundle).predict(recordings)


@pytest.mark.parametrize(("preset", "told"), [("micro", True), ("small", False)])
def test_scores_that_the_teacher_makes_too_good_are_told(
    teacher: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    preset: str,
    told: bool,
) -> None:
    monkeypatch.setattr(distilling, "train_runs", lambda runs, _: [runs[0][0]])
    recordings = HeldSource(make_recordings(24, subjects=4, seed=5), "made up")
    distill(Bundle.open(teacher), recordings, read_preset(preset), tmp_path / "small")
    assert ("its scores are too good" in caplog.text) == told


def test_who_cannot_teach_honestly_is_refused(teacher: Path, tmp_path: Path) -> None:
    recordings = make_recordings(24, subjects=4, seed=5)
    motion = recordings.device.with_sensors(recordings.device.sensors[:2])
    fewer = replace(recordings, device=motion, sensors={name: recordings.sensors[name] for name in motion.sensor_names})
    with pytest.raises(DataError, match="expected recordings with acc, quaternion, thm, tof"):
        distill(Bundle.open(teacher), HeldSource(fewer, "watch"), RunSpec(), tmp_path / "small")
    other = HeldSource(replace(recordings, device=recordings.device.model_copy(update={"name": "other"})), "other")
    with pytest.raises(DataError, match="expected recordings of the device 'helios', got 'other'"):
        distill(Bundle.open(teacher), other, RunSpec(), tmp_path / "small")
    with pytest.raises(DataError, match="expected recordings of the device 'helios', got 'other'"):
        personalize(Bundle.open(teacher), other, tmp_path / "small")
    shutil.copytree(teacher, tmp_path / "unknown")
    (tmp_path / "unknown" / "folds.csv").write_text("subject,fold\n")
    _write_checksums(tmp_path / "unknown")
    with pytest.raises(BundleError, match="does not say whom its members have seen"):
        distill(Bundle.open(tmp_path / "unknown"), HeldSource(recordings, "made up"), RunSpec(), tmp_path / "small")
