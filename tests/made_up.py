"""Made-up recordings, and the published network's features."""

import polars as pl

from bfrb.features.spec import FeatureSpec
from bfrb.networks.specs import TwoBranchSpec
from bfrb.testing.made_up import random_recordings

BASELINE_FEATURES = FeatureSpec().branches(TwoBranchSpec.BRANCHES)
"""The published network's features by branch, for all devices."""


def plain_table(recordings: int) -> pl.DataFrame:
    """A table with nothing but ids, all of one subject."""
    return pl.DataFrame({"id": [f"r{number}" for number in range(recordings)], "subject": ["s"] * recordings})


__all__ = ["BASELINE_FEATURES", "plain_table", "random_recordings"]
