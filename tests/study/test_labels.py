"""Label sets: codes and names, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bfrb.errors import ConfigError, DataError
from bfrb.study.labels import BEHAVIORS, CMI_GESTURES, LABEL_SETS, ORIENTATIONS, PHASES, LabelSet

each_label_set = pytest.mark.parametrize("label_set", LABEL_SETS.values(), ids=list(LABEL_SETS))


@each_label_set
def test_decoding_undoes_encoding_and_gives_plain_strings(label_set: LabelSet) -> None:
    names = label_set.decode(label_set.encode(label_set.classes))
    assert tuple(names) == label_set.classes
    assert {type(name) for name in names} == {str}


@each_label_set
def test_targets_are_marked_in_the_order_of_the_classes(label_set: LabelSet) -> None:
    assert {name for name, is_target in zip(label_set.classes, label_set.is_target, strict=True) if is_target} == set(
        label_set.targets
    )


@each_label_set
@pytest.mark.parametrize("label", [None, "Text on Phone", ""])
def test_a_label_that_is_no_class_is_refused_by_name(label_set: LabelSet, label: object) -> None:
    with pytest.raises(DataError, match=repr(label)):
        label_set.encode(np.array([label_set.classes[0], label], dtype=object))


def test_the_study_has_8_targets_among_18_gestures() -> None:
    assert len(CMI_GESTURES) == 18
    assert CMI_GESTURES.is_target.sum() == 8


def test_the_gestures_are_those_of_the_real_study(real_data: Path) -> None:
    real = pl.read_csv(real_data / "cmi" / "train_sequences_meta.csv")
    assert set(real["gesture"]) == set(CMI_GESTURES.classes)
    assert set(real.filter(pl.col("sequence_type") == "Target")["gesture"]) == CMI_GESTURES.targets


def test_the_words_of_the_study_are_those_of_the_real_rows(real_data: Path) -> None:
    real = pl.read_csv(real_data / "cmi" / "train_sample.csv")
    for column, words in (("behavior", BEHAVIORS), ("phase", PHASES), ("orientation", ORIENTATIONS)):
        assert set(real[column]) == set(words)


def test_a_class_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match="twice"):
        LabelSet("mine", ("a", "a"), frozenset())


def test_a_target_that_is_no_class_is_refused() -> None:
    with pytest.raises(ConfigError, match="no classes"):
        LabelSet("mine", ("a",), frozenset({"b"}))
