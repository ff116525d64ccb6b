"""The names that `import bfrb` offers."""

from importlib.metadata import version

import pytest

import bfrb


def test_there_are_at_most_twelve_public_names_and_all_are_there() -> None:
    assert len(bfrb.__all__) <= 12
    for name in bfrb.__all__:
        assert getattr(bfrb, name) is not None
    assert bfrb.__version__ == version("bfrb")
    assert set(bfrb.__all__) <= set(dir(bfrb))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="laod"):
        bfrb.laod  # noqa: B018
