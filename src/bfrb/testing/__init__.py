"""What every network, feature and variation promises, as classes of tests for parts of one's own.

A class of one's own inherits a contract and names the part; pytest does the rest:

    from bfrb.testing import FeatureContract

    class TestTremor(FeatureContract):
        feature = "mypackage.features:tremor"

This package's own parts are held to the same contracts. Only `NetworkContract` imports torch, once it is asked for.
"""

from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from bfrb.testing.feature_contract import FeatureContract as FeatureContract
    from bfrb.testing.made_up import random_recordings as random_recordings
    from bfrb.testing.network_contract import NetworkContract as NetworkContract
    from bfrb.testing.variation_contract import VariationContract as VariationContract

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "feature_contract": ["FeatureContract"],
        "made_up": ["random_recordings"],
        "network_contract": ["NetworkContract"],
        "variation_contract": ["VariationContract"],
    },
)
