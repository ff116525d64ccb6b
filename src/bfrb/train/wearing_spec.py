"""`WearingSpec`: what is done about devices that were worn upside down."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bfrb.spec import Count, Spec


class WearingSpec(Spec):
    """Whether recordings made with the device upside down are recognised and turned, in training and prediction."""

    detect: bool = False
    """Train a detector, on the training recordings and their exact turned copies, and make it part of the bundle."""
    threshold: Annotated[float, Field(ge=0.5, lt=1.0)] = 0.9
    """A recording is turned where the detector is at least this sure; few wearers wear a device upside down."""
    epochs: Count = 8
