"""Label sets: codes and names, and what is refused."""

from pathlib import Path

import polars as pl
import pytest

from bfrb.errors import ConfigError, DataError
from bfrb.study.labels import BEHAVIORS, CMI_GESTURES, LABEL_SETS, ORIENTATIONS, PHASES, LabelSet


@pytest.mark.parametrize("label_set", LABEL_SETS.values(), ids=list(LABEL_SETS))
def test_decoding_undoes_encoding_and_targets_are_marked(label_set: LabelSet) -> None:
    names = label_set.decode(label_set.encode(label_set.classes))
    assert tuple(names) == label_set.classes
    assert {type(name) for name in names} == {str}
    assert set(names[label_set.is_target]) == label_set.targets
    for label in (None, "Text on Phone", ""):
        with pytest.raises(DataError, match=repr(label)):
            label_set.encode([label_set.classes[0], label])


def test_the_words_of_the_study_are_those_of_the_real_files(real_data: Path) -> None:
    real = pl.read_csv(real_data / "cmi" / "train_sequences_meta.csv")
    assert (len(CMI_GESTURES), CMI_GESTURES.is_target.sum()) == (18, 8)
    assert set(real["gesture"]) == set(CMI_GESTURES.classes)
    assert set(real.filter(pl.col("sequence_type") == "Target")["gesture"]) == CMI_GESTURES.targets
    rows = pl.read_csv(real_data / "cmi" / "train_sample.csv")
    for column, words in (("behavior", BEHAVIORS), ("phase", PHASES), ("orientation", ORIENTATIONS)):
        assert set(rows[column]) == set(words)


@pytest.mark.parametrize(("classes", "targets", "told"), [(("a", "a"), (), "twice"), (("a",), ("b",), "no classes")])
def test_a_class_twice_and_a_target_that_is_none_are_refused(
    classes: tuple[str, ...], targets: tuple[str, ...], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        LabelSet("mine", classes, frozenset(targets))
