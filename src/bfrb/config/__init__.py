"""Specs: frozen, typed descriptions of what to do, read from and written to TOML.

This package is the only home of defaults. Every spec refuses unknown keys and names the nearest known one.
"""

from bfrb.config.features import FeatureSpec
from bfrb.config.networks import GatedTwoBranchSpec, NetworkSpec, TwoBranchSpec
from bfrb.config.presets import PRESETS, read_preset
from bfrb.config.run import RunSpec, WindowSpec
from bfrb.config.spec import Count, Positive, Share, Spec
from bfrb.config.training import TrainingSpec, VariationSpec

__all__ = [
    "PRESETS",
    "Count",
    "FeatureSpec",
    "GatedTwoBranchSpec",
    "NetworkSpec",
    "Positive",
    "RunSpec",
    "Share",
    "Spec",
    "TrainingSpec",
    "TwoBranchSpec",
    "VariationSpec",
    "WindowSpec",
    "read_preset",
]
