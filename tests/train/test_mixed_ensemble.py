"""Networks of several kinds in one bundle, some of which cannot do without proximity sensors."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bfrb.predict.bundle import Bundle
from bfrb.predict.out_of_fold import HeldOutPredictor
from bfrb.predict.predictor import load
from bfrb.study.recordings import Recordings
from bundles import make_recordings
from studies import ROCKET, TINY, SourceOf, train_here

CHANGES = ["networks=['gated_two_branch', 'rocket']", "training.epochs=1", *ROCKET]
MIXED = TINY.updated([*CHANGES, "gated_two_branch.variation.lose_proximity=0.0"])
BARE = (0, 7, 12)


@pytest.fixture(scope="module")
def recordings() -> Recordings:
    """Recordings of which three have neither thermopiles nor images."""
    made = make_recordings(24, subjects=6)
    return Recordings.concat([made[n].without("thm", "tof") if n in BARE else made[n] for n in range(24)])


@pytest.fixture(scope="module")
def trained(recordings: Recordings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train_here(SourceOf(recordings), MIXED, tmp_path_factory.mktemp("mixed") / "model")


def test_every_member_takes_in_its_own_branches(trained: Path) -> None:
    predictor = load(trained)
    needs = {member.name: set(member.inputs) - {"lengths"} for member in predictor._members}
    assert needs["gated_two_branch-00"] == {"imu", "proximity"}
    assert needs["rocket-01"] == {"acc", "rotation", "thm", "tof"}
    requires = {member.network: set(member.requires) for member in predictor.bundle.manifest.members}
    assert requires == {"gated_two_branch": {"acc", "quaternion", "thm", "tof"}, "rocket": {"acc"}}
    assert set(predictor.bundle.manifest.branches) == {"imu", "proximity", "acc", "rotation", "thm", "tof"}


@pytest.mark.parametrize("scenario", ["all", "imu"])
def test_answers_of_the_training_are_those_of_prediction(trained: Path, recordings: Recordings, scenario: str) -> None:
    """Networks that need proximity sensors do not judge recordings without them, in neither."""
    bundle = Bundle.open(trained)
    given = recordings.without("thm", "tof") if scenario == "imu" else recordings
    tables = pl.read_parquet(trained / "out_of_fold.parquet").partition_by("scenario", as_dict=True)
    assert [table["id"].to_list() for table in tables.values()] == [given.ids] * 2
    answers = {name: table.select(bundle.label_set.classes).to_numpy() for (name,), table in tables.items()}
    found = HeldOutPredictor(bundle).predict(given).probabilities
    np.testing.assert_allclose(found, answers[scenario], atol=1e-6)
    same = np.abs(answers["all"] - answers["imu"]).max(axis=1) < 1e-6
    assert np.flatnonzero(same).tolist() == list(BARE)
