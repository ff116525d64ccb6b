"""Teach one small network what an ensemble answers, each person by members that never saw them."""

import logging
from pathlib import Path

import numpy as np

from bfrb.arrays import Floats32
from bfrb.errors import BundleError, DataError
from bfrb.predict.bundle import Bundle, check_target
from bfrb.predict.out_of_fold import HeldOutPredictor
from bfrb.read.sources import HeldSource, Source
from bfrb.study.folds import Folds
from bfrb.study.recordings import Recordings
from bfrb.train.crossval import RunOptions, labelled, prepare, train_runs
from bfrb.train.run import RunSpec

log = logging.getLogger(__name__)


def distill(teacher: Bundle, source: Source, spec: RunSpec, out: Path, *, options: RunOptions | None = None) -> Path:
    """Train one network on the labels and, by a share, on an ensemble's answers, and write it as a bundle.

    The recordings are of the ensemble's device, perhaps those it was trained on. One is answered by the members that
    did not see its person; those of people whom no member saw, by all. How recordings are cut and mirrored is taken
    from the teacher, and so are the folds where it knows all people. The network is trained once without each fold,
    which its scores come from, and once on everybody: that one alone is in the bundle. A run that was stopped goes on.
    What a member says of one person depends on the labels of all whom it saw: with a `training.teacher_share`, the
    scores are too good.

    BundleError if the teacher does not say whom its members have seen; DataError and ConfigError as of
    `cross_validate`.
    """
    options = options or RunOptions()
    out = check_target(out, overwrite=options.overwrite)
    judge = HeldOutPredictor(teacher)
    if not judge.fold_of:
        problem = f"the bundle {teacher.path} does not say whom its members have seen, so none can teach honestly"
        raise BundleError(problem, remedy="distil one that `bfrb train` wrote")
    spec = spec.model_copy(
        update={
            "windows": teacher.windows,
            "features": spec.features.model_copy(update={"mirror_left_hand": teacher.manifest.mirror_left_hand}),
        }
    )
    recordings = labelled(source.read(), spec)
    teacher.check_device(recordings.device)
    if recordings.device.sensor_names != teacher.device.sensor_names:
        raise DataError(
            f"expected recordings with {', '.join(teacher.device.sensor_names)}, "
            f"got {', '.join(recordings.device.sensor_names)}",
            remedy="read them with the ensemble's device: open_source(..., device=bundle.device)",
        )
    held = HeldSource(recordings, source.describe(), label_set=teacher.label_set)
    run = prepare(held, spec, _folds(judge, recordings))
    taught = f"{len(teacher.manifest.members)} members made {teacher.manifest.created}"
    plan = run.plan.model_copy(update={"teacher": taught})
    (bundle,) = train_runs([(out, run._replace(plan=plan, targets=teach(judge, recordings, spec)))], options)
    if spec.training.teacher_share:
        why = "its scores are too good, for the ensemble that taught knew the people of every fold"
        log.warning("warning: %s; judge %s on recordings of people whom neither knows", why, bundle)
    return bundle


def _folds(judge: HeldOutPredictor, recordings: Recordings) -> Folds | None:
    """The teacher's folds of these people; None if it does not know them all."""
    numbers, places = np.unique(judge.folds(recordings.subjects), return_inverse=True)
    if numbers[0] < 0 or len(numbers) < 2:
        return None
    return Folds(dict(zip(recordings.subjects, places.tolist(), strict=True)))


def teach(judge: HeldOutPredictor, recordings: Recordings, spec: RunSpec) -> Floats32:
    """(R, K) what a network shall answer: a share of what the ensemble says, and the label."""
    label_set = judge.bundle.label_set
    labels = np.eye(len(label_set), dtype=np.float32)[label_set.encode(np.array(recordings.gestures, dtype=object))]
    share = spec.training.teacher_share
    if not share:
        return labels
    said = np.concatenate([judge.predict(batch).probabilities for batch in recordings.batches()])
    mixed: Floats32 = (share * said + (1.0 - share) * labels).astype(np.float32)
    return mixed
