"""Specs: frozen, typed descriptions of what to do, read from and written to TOML.

This package is the only home of defaults. Every spec refuses unknown keys and names the nearest known one.
"""

from bfrb.config.comparing import SENSOR_VARIANTS, CompareSpec, VariantSpec
from bfrb.config.events import EventSpec, StreamSpec
from bfrb.config.features import FeatureSpec
from bfrb.config.networks import ContextSpec, GatedTwoBranchSpec, NetworkSpec, StemsSpec, TransformerSpec, TwoBranchSpec
from bfrb.config.presets import PRESETS, read_preset
from bfrb.config.run import RunSpec, WindowSpec
from bfrb.config.spec import Count, Positive, Share, Spec
from bfrb.config.training import AuxiliarySpec, TrainingSpec, VariationSpec
from bfrb.config.tuning import RangeSpec, TuneSpec
from bfrb.config.wearing import WearingSpec

__all__ = [
    "PRESETS",
    "SENSOR_VARIANTS",
    "AuxiliarySpec",
    "CompareSpec",
    "ContextSpec",
    "Count",
    "EventSpec",
    "FeatureSpec",
    "GatedTwoBranchSpec",
    "NetworkSpec",
    "Positive",
    "RangeSpec",
    "RunSpec",
    "Share",
    "Spec",
    "StemsSpec",
    "StreamSpec",
    "TrainingSpec",
    "TransformerSpec",
    "TuneSpec",
    "TwoBranchSpec",
    "VariantSpec",
    "VariationSpec",
    "WearingSpec",
    "WindowSpec",
    "read_preset",
]
