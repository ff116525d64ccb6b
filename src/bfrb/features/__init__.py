"""Features of recordings. The package itself can be called: `bfrb.features(recordings)` (`table.features`)."""

from bfrb.parts import make_callable

make_callable(__name__, "bfrb.features.table", "features")
