"""The detector of devices that were worn upside down: trained like any bundle, and part of the bundle it serves.

Nobody has to say who wore the device how. Every training recording is shown as it is and turned over, which is an
exact change of its readings (`bfrb.study.mirror`); telling the two apart is what the detector learns. The few
wearers of a study who really wore it upside down are shown the wrong way round, and are too few to be believed.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bfrb.errors import DataError
from bfrb.features.spec import FeatureSpec
from bfrb.networks.specs import StemsSpec
from bfrb.predict.bundle import OUT_OF_FOLD
from bfrb.predict.wearing import UPRIGHT, UPSIDE_DOWN, turned_over, weigh_both_ways
from bfrb.read.relabel import relabelled
from bfrb.read.sources import HeldSource, Source
from bfrb.read.tables import read_table
from bfrb.study.mirror import turn_over
from bfrb.study.recordings import Recordings
from bfrb.train.run import RunSpec
from bfrb.train.spec import TrainingSpec, VariationSpec

logger = logging.getLogger(__name__)

_TURNED = "/turned"


def both_ways(source: Source, recordings: Recordings) -> HeldSource:
    """The recordings as they are and turned over, labelled with which they are."""
    parts = (relabelled(recordings, UPRIGHT), relabelled(turned_over(recordings), UPSIDE_DOWN, _TURNED))
    return HeldSource(Recordings.concat(parts), f"{source.describe()}, as recorded and turned over")


def detector_spec(spec: RunSpec) -> RunSpec:
    """How the detector of a run is trained: one small network a fold, on what is measured, not on which gesture it is.

    Absolute heading is not among its features: everybody in the CMI study faced the same way. Devices sit on the wrist
    at other angles than those of the training, so recordings are tilted.
    """
    return RunSpec(
        seed=spec.seed,
        folds=spec.folds,
        networks=("stems",),
        length_percentile=spec.length_percentile,
        features=FeatureSpec(rotation=("gravity_direction", "angular_velocity", "gyr"), mirror_left_hand=True),
        windows=spec.windows,
        training=TrainingSpec(
            learning_rate=2e-3,
            schedule="cosine",
            batch_size=spec.training.batch_size,
            epochs=spec.wearing.epochs,
            stopping="last_epoch",
            mixup_alpha=0.0,
            label_smoothing=0.0,
            class_weights=False,
            ema_decay=0.98,
            variation=VariationSpec(tilt_device=8.0),
        ),
        stems=StemsSpec(
            filters=3,
            motion_width=16,
            thm_width=8,
            image_widths=(8, 16),
            site_width=8,
            tof_width=24,
            trunk_widths=(32, 48),
            head_units=32,
            lose_group=0.3,
        ),
    )


def held_out_answers(detector: Path, recordings: Recordings, scenario: str = "all") -> npt.NDArray[np.float64]:
    """(R,) Probability that the device was upside down, by the networks that never saw the recording's subject.

    As in prediction, what they say of the turned copy counts as much.

    Raises
    ------
    DataError
        If the detector was trained on other recordings.
    """
    table = read_table(detector / OUT_OF_FOLD)
    table = table.filter(table["scenario"] == scenario)
    found = dict(zip(table["id"].to_list(), table[UPSIDE_DOWN].to_list(), strict=True))
    missing = [name for name in recordings.ids if name not in found]
    if missing:
        raise DataError(
            f"the detector in {detector} was trained on other recordings: it lacks {missing[0]}",
            remedy="add --restart to begin anew",
        )
    shown = [np.array([found[name + suffix] for name in recordings.ids]) for suffix in ("", _TURNED)]
    return weigh_both_ways(*shown)


def turned_upright(recordings: Recordings, source: Source, detector: Path, threshold: float) -> HeldSource:
    """The recordings, with those turned over that a detector of other subjects is sure were made upside down."""
    which = held_out_answers(detector, recordings) >= threshold
    if which.any():
        logger.info(
            "%d of %d recordings look as if the device was worn upside down, and are turned", which.sum(), len(which)
        )
    return HeldSource(turn_over(recordings, which), source.describe())
