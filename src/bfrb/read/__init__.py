"""Readers of recordings, and stores. The package itself can be called: `bfrb.read("train.csv")` (`sources.read`)."""

from bfrb.parts import make_callable

make_callable(__name__, "bfrb.read.sources", "read")
