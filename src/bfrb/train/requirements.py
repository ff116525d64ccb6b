"""What training needs, and prediction does not."""

from __future__ import annotations

from importlib.util import find_spec

from bfrb.errors import ConfigError

PACKAGES = ("torch", "onnx", "onnxscript", "safetensors", "sklearn")
"""Packages that only training needs."""


def check_installed() -> None:
    """Refuse to train without the packages that only training needs.

    Raises
    ------
    ConfigError
        If one is not installed.
    """
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ConfigError(f"training needs {', '.join(missing)}", remedy='install them with: pip install "bfrb[train]"')
