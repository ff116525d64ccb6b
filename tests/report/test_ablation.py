"""What every sensor adds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bfrb.metrics import competition_score
from bfrb.predict.bundle import Bundle
from bfrb.predict.out_of_fold import HeldOutPredictor
from bfrb.read.sources import Source, open_source
from bfrb.report.ablation import Ablation, Removal, ablate, answer_without, list_removals
from bfrb.study.device import GALAXY_WATCH, HELIOS
from bundles import make_recordings
from sources import SourceOf


def ablated(bundle: Bundle, source: Source) -> Ablation | None:
    return ablate(bundle, [answer_without(bundle, source)])


def test_every_sensor_and_every_image_is_lost_once() -> None:
    assert [lost.name for lost in list_removals(HELIOS)] == [
        "without orientation",
        "without thermopiles",
        "without time of flight",
        "without thermopiles and time of flight",
        "accelerometer only",
        *(f"without time of flight {site}" for site in range(1, 6)),
    ]
    assert [lost.name for lost in list_removals(GALAXY_WATCH)] == ["without gyroscope"]


@pytest.mark.parametrize("lost", list_removals(HELIOS), ids=lambda lost: lost.name)
def test_what_is_lost_is_gone_and_nothing_else(lost: Removal) -> None:
    recordings = make_recordings(3)
    left = lost.apply(recordings)
    assert lost.concerns(recordings).all()
    assert not lost.concerns(left).any()
    for sensor in HELIOS.sensors:
        same = left.sensors[sensor.name] == recordings.sensors[sensor.name]
        if sensor.name not in lost.sensors:
            assert same.all()
        elif lost.piece is not None:
            kept = same.reshape(len(same), 5, -1).all(axis=(0, 2))
            assert kept.tolist() == [piece != lost.piece for piece in range(5)]


def test_what_a_loss_costs_is_what_the_held_out_members_score_less_without_the_sensor(bundle: Bundle) -> None:
    recordings = make_recordings(36, subjects=5)
    found = ablated(bundle, SourceOf(recordings))
    assert found is not None
    predictor = HeldOutPredictor(bundle)
    whole, without = (predictor.predict(shown).gestures for shown in (recordings, recordings.without("thm")))
    assert (whole != without).any()
    [effect] = [one for one in found.effects if one.name == "without thermopiles"]
    best = competition_score(np.array(recordings.gestures), whole).score
    assert effect.score == competition_score(np.array(recordings.gestures), without).score
    assert effect.cost == pytest.approx(best - effect.score)
    assert effect.interval is not None
    assert effect.interval[0] <= effect.cost <= effect.interval[1]
    assert found.known == sum(name in predictor.fold_of for name in recordings.subjects) < found.recordings == 36


def test_recordings_that_never_had_a_sensor_do_not_count_as_having_lost_it(bundle: Bundle) -> None:
    found = ablated(bundle, SourceOf(make_recordings(6, subjects=1).without("thm")))
    assert found is not None
    concerned = {effect.name: effect.concerned for effect in found.effects}
    assert "without thermopiles" not in concerned
    assert concerned["without time of flight"] == 6
    assert [effect.interval for effect in found.effects] == [None] * len(found.effects)


def test_unlabelled_recordings_are_left_out(bundle: Bundle) -> None:
    made = make_recordings(4)
    gestures = pl.Series("gesture", [made.table["gesture"][0], None, None, made.table["gesture"][3]])
    found = ablated(bundle, SourceOf(made.with_table(made.table.with_columns(gestures))))
    assert found is not None
    assert found.recordings == 2
    assert ablated(bundle, SourceOf(made.with_table(made.table.drop("gesture")))) is None


def test_real_recordings_can_be_asked(bundle: Bundle, real_data: Path) -> None:
    found = ablated(bundle, open_source(real_data / "cmi" / "train_sample.csv"))
    assert found is not None
    assert (found.recordings, found.known) == (15, 0)
