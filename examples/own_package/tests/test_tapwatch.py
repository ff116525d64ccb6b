"""The parts hold what bfrb expects of networks, features and variations."""

from bfrb.study.description import find_description
from bfrb.study.device import device_of
from bfrb.testing import FeatureContract, NetworkContract, VariationContract

WATCH = device_of(find_description("tapwatch:watch.toml"), 50.0)


class TestWobble(FeatureContract):
    """How far readings are from a straight line."""

    feature = "tapwatch.signals:WOBBLE"
    device = WATCH


class TestDrift(VariationContract):
    """Accelerometers whose zero is off."""

    variation = "tapwatch.signals:drift"
    device = WATCH


class TestSpread(NetworkContract):
    """Means and mean squares."""

    network = "tapwatch.network:Spread"
