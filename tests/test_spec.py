"""What specs refuse, and in which words."""

import pytest

from bfrb.errors import ConfigError
from bfrb.train.run import RunSpec


@pytest.mark.parametrize(
    ("assignment", "problem", "remedy"),
    [
        ("training.epoch=3", "unknown key 'training.epoch'", "did you mean 'training.epochs'?"),
        ("epoch=3", "unknown key 'epoch'", "did you mean 'training.epochs'"),
        ("row_rate_hz=20", "unknown key 'row_rate_hz'", "known keys: answer, context, features, folds"),
        ("q=1", "unknown key 'q'", "known keys: answer, context, features, folds"),
        ("=3", "expected key=value, got '=3'", "write, say, training.epochs=30"),
        ("folds=1", "folds: Input should be greater than or equal to 2, or Input should be 'subject', got 1", "folds"),
        ("networks=[]", "networks: expected networks, each named once, got none", "correct networks"),
        ("networks=['micro', 'micro']", "networks: expected networks, each named once, got micro, micro", "networks"),
        ("two_branch.head_units=[9]", "two_branch: expected one dropout per dense layer, got (9,)", "two_branch"),
        ("training.epochs=0", "training.epochs: Input should be greater than or equal to 1, got 0", "training.epochs"),
        ("training.epochs.x=1", "'epochs' in 'training.epochs.x' has no keys of its own", "name a key of the spec"),
    ],
)
def test_an_impossible_change_is_refused_by_its_name(assignment: str, problem: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as refused:
        RunSpec().updated([assignment])
    assert refused.value.problem.startswith(problem)
    assert remedy in refused.value.remedy
    assert len(str(refused.value)) < 300
