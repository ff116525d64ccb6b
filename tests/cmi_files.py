"""Made-up studies in the CMI layout: labelled recordings, their rows as a frame, and files of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from bfrb.read.cmi_write import rows_of
from bfrb.read.demographics import MEASURES
from bfrb.study.device import HELIOS
from bfrb.study.labels import BEHAVIORS, CMI_GESTURES, ORIENTATIONS, PHASES
from bfrb.study.recordings import Annotation, Recordings
from made_up import random_recordings

LENGTHS = (12, 15, 11, 14, 30)


def labelled_study(lengths: Sequence[int] = LENGTHS, seed: int = 0, missing: float = 0.1) -> Recordings:
    """Recordings of three subjects with every label and measure of the CMI layout; readings are random."""
    plain = random_recordings(HELIOS, lengths, np.random.default_rng(seed), missing)
    behavior = np.concatenate([np.arange(length) * 4 // length for length in lengths])
    codes = {"behavior": Annotation(behavior, BEHAVIORS), "phase": Annotation(behavior == 3, PHASES)}
    return Recordings(HELIOS, plain.sensors, plain.offsets, _table(np.arange(len(plain))), codes)


def _table(number: np.ndarray) -> pl.DataFrame:
    person = number % 3
    measures = {
        "adult_child": [1] * len(number),
        "age": 20.0 + person,
        "sex": person % 2,
        "handedness": [1] * len(number),
        "height_cm": 170.0 + person,
        "shoulder_to_wrist_cm": 52.0 + person,
        "elbow_to_wrist_cm": 25.0 + person,
    }
    gestures = [CMI_GESTURES.classes[index % len(CMI_GESTURES)] for index in number]
    about = {
        "id": [f"SEQ_{index:06d}" for index in number],
        "subject": [f"SUBJ_{index:06d}" for index in person],
        "gesture": gestures,
        "sequence_type": ["Target" if name in CMI_GESTURES.targets else "Non-Target" for name in gestures],
        "orientation": [ORIENTATIONS[index % 4] for index in number],
    }
    return pl.DataFrame(about | {name: pl.Series(measures[name], dtype=kind) for name, (kind, *_) in MEASURES.items()})


def rows_as_published(recordings: Recordings) -> pl.DataFrame:
    """The rows with time-of-flight readings written as 131.0, as in Kaggle's files."""
    return rows_of(recordings).with_columns(pl.col(HELIOS.sensor("tof").columns).cast(pl.Float64))


def write_study(folder: Path, recordings: Recordings, name: str = "train.csv") -> Path:
    """Write a file of recordings, with its demographics beside it."""
    frame, path = rows_as_published(recordings), folder / name
    frame.write_parquet(path) if path.suffix == ".parquet" else frame.write_csv(path)
    subjects = recordings.table.select("subject", *MEASURES).unique("subject", maintain_order=True)
    subjects.write_csv(folder / "train_demographics.csv")
    return path


def assert_same(left: Recordings, right: Recordings) -> None:
    """All of both recordings are equal, missing readings included; columns may be in another order."""
    assert left.device == right.device
    np.testing.assert_array_equal(left.offsets, right.offsets)
    assert left.table.equals(right.table.select(left.table.columns))
    assert set(left.annotations) == set(right.annotations)
    for name, annotation in left.annotations.items():
        np.testing.assert_array_equal(annotation.codes, right.annotations[name].codes)
        assert annotation.names == right.annotations[name].names
    for name, values in left.sensors.items():
        np.testing.assert_array_equal(values, right.sensors[name])


def cut(path: Path) -> None:
    """Half of a file."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
