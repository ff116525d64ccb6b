"""What training needs, and prediction does not."""

from __future__ import annotations

from bfrb.parts import need

PACKAGES = ("torch", "onnx", "onnxscript", "safetensors", "sklearn")
"""Packages that only training needs."""


def check_installed() -> None:
    """Refuse to train without the packages that only training needs; errors as of `need`."""
    need("training", PACKAGES, "train")
