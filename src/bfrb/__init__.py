"""bfrb: recognise body-focused repetitive behaviours from a wrist-worn device."""

from importlib.metadata import version
from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from bfrb.data.recordings import Recordings as Recordings
    from bfrb.data.sources import read as read
    from bfrb.errors import BfrbError as BfrbError
    from bfrb.gestures import CMI_GESTURES as CMI_GESTURES
    from bfrb.inference.predictions import Predictions as Predictions
    from bfrb.inference.predictor import Predictor as Predictor
    from bfrb.inference.predictor import load as load
    from bfrb.metrics import competition_score as competition_score

__version__ = version("bfrb")

# Each name is imported when it is first asked for.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "data.recordings": ["Recordings"],
        "data.sources": ["read"],
        "errors": ["BfrbError"],
        "gestures": ["CMI_GESTURES"],
        "inference.predictions": ["Predictions"],
        "inference.predictor": ["Predictor", "load"],
        "metrics": ["competition_score"],
    },
)
