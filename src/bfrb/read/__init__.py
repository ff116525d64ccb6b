"""Readers of recordings, and stores. The package itself can be called: `bfrb.read("train.csv")`."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Read(ModuleType):
    """The package as something to call, as `sources.read` is: a function `bfrb.read` would be hidden by it."""

    def __call__(self, source: Any, dataset: str = "auto", demographics: Any = None) -> Any:
        from bfrb.read.sources import read

        return read(source, dataset, demographics)


sys.modules[__name__].__class__ = _Read
