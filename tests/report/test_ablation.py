"""What every sensor adds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bfrb.predict.bundle import Bundle
from bfrb.predict.out_of_fold import HeldOutPredictor
from bfrb.report.ablation import Ablation, ablate, list_losses, measure_effects
from bfrb.study.device import GALAXY_WATCH, HELIOS
from bfrb.study.labels import LabelSet
from bundles import make_bundle, make_recordings
from sources import SourceOf

TWO = LabelSet("two", ("pull", "rest"), frozenset({"pull"}))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle.open(make_bundle(tmp_path_factory.mktemp("ablation") / "model"))


def test_every_sensor_and_every_image_is_lost_once() -> None:
    assert [lost.name for lost in list_losses(HELIOS)] == [
        "without orientation",
        "without thermopiles",
        "without time of flight",
        "without thermopiles and time of flight",
        "accelerometer only",
        *(f"without time of flight {site}" for site in range(1, 6)),
    ]
    assert [lost.name for lost in list_losses(GALAXY_WATCH)] == ["without gyroscope"]


@pytest.mark.parametrize("number", range(10))
def test_what_is_lost_is_gone_and_nothing_else(number: int) -> None:
    recordings, lost = make_recordings(3), list_losses(HELIOS)[number]
    left = lost.take(recordings)
    assert lost.had(recordings).all()
    assert not lost.had(left).any()
    for sensor in HELIOS.sensors:
        same = left.sensors[sensor.name] == recordings.sensors[sensor.name]
        if sensor.name not in lost.sensors:
            assert same.all()
        elif lost.piece is not None:
            assert same.reshape(len(same), 5, -1).all(axis=(0, 2)).tolist() == [
                piece != lost.piece for piece in range(5)
            ]


def test_answers_are_those_of_the_held_out_members_without_the_sensor(bundle: Bundle) -> None:
    recordings = make_recordings(36, subjects=5)
    found = ablate(bundle, SourceOf(recordings))
    assert found is not None
    predictor = HeldOutPredictor(bundle)
    assert found.whole.tolist() == predictor.predict(recordings).gestures.tolist()
    without = predictor.predict(recordings.without("thm")).gestures
    assert found.without["without thermopiles"].tolist() == without.tolist()
    assert (found.without["without thermopiles"] != found.whole).any()
    assert found.known == sum(name in predictor.fold_of for name in recordings.subjects) < 36


def test_recordings_that_never_had_a_sensor_do_not_count_as_having_lost_it(bundle: Bundle) -> None:
    recordings = make_recordings(6).without("thm")
    found = ablate(bundle, SourceOf(recordings))
    assert found is not None
    assert "without thermopiles" not in found.without
    assert found.concerned["without time of flight"] == 6


def test_unlabelled_recordings_are_left_out(bundle: Bundle) -> None:
    made = make_recordings(4)
    gestures = pl.Series("gesture", [made.table["gesture"][0], None, None, made.table["gesture"][3]])
    found = ablate(bundle, SourceOf(made.with_table(made.table.with_columns(gestures))))
    assert found is not None
    assert len(found) == 2
    assert ablate(bundle, SourceOf(made.with_table(made.table.drop("gesture")))) is None


def test_what_a_loss_costs_is_the_difference_of_the_scores() -> None:
    truth = np.array(["pull", "rest"] * 4, object)
    people = np.array(["a", "a", "b", "b"] * 2, object)
    worse = np.array(["rest", "rest"] * 4, object)
    ablation = Ablation(truth, people, truth, {"worse": worse, "same": truth}, {"worse": 8, "same": 3}, 8)
    hurt, same = measure_effects(ablation, TWO)
    assert hurt.cost == pytest.approx(1 - hurt.score)
    assert hurt.interval is not None
    assert hurt.interval[0] > 0
    assert (same.cost, same.interval, same.concerned) == (0.0, (0.0, 0.0), 3)


def test_one_person_gives_no_interval() -> None:
    truth = np.array(["pull", "rest"], object)
    [effect] = measure_effects(Ablation(truth, np.array(["a", "a"], object), truth, {"x": truth}, {"x": 2}, 0), TWO)
    assert effect.interval is None


def test_real_recordings_can_be_asked(bundle: Bundle, real_data: Path) -> None:
    from bfrb.read.sources import open_source

    found = ablate(bundle, open_source(real_data / "cmi" / "train_sample.csv"))
    assert found is not None
    assert len(found) == 15
    assert found.known == 0
