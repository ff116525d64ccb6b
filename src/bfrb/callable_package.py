"""Packages that can be called, such as `bfrb.read(...)`: a function of that name would be hidden by the package."""

from __future__ import annotations

import sys
from importlib import import_module
from inspect import Signature, signature
from types import ModuleType
from typing import Any


def make_callable(package: str, module: str, function: str) -> None:
    """Have a package, which is being imported, called as a function of one of its modules.

    The module, by its full name, is imported when the package is first called.
    """

    class CallablePackage(ModuleType):
        def __call__(self, *args: Any, **options: Any) -> Any:
            return getattr(import_module(module), function)(*args, **options)

        @property
        def __signature__(self) -> Signature:  # what notebooks show beside the docstring
            return signature(getattr(import_module(module), function))

    sys.modules[package].__class__ = CallablePackage
