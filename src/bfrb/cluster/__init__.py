"""The same commands on a Ray cluster. `connect` is the way in; Ray is imported only there."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, submod_attrs={"connection": ["connect"]})
