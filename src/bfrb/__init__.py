"""bfrb: recognise body-focused repetitive behaviours from a wrist-worn device."""

from importlib.metadata import version
from typing import TYPE_CHECKING

import lazy_loader

if TYPE_CHECKING:
    from bfrb.errors import BfrbError as BfrbError
    from bfrb.features.table import features as features
    from bfrb.metrics.competition import competition_score as competition_score
    from bfrb.predict.predictions import Predictions as Predictions
    from bfrb.predict.predictor import Predictor as Predictor
    from bfrb.predict.predictor import load as load
    from bfrb.read.sources import read as read
    from bfrb.study.labels import CMI_GESTURES as CMI_GESTURES
    from bfrb.study.recordings import Recordings as Recordings
    from bfrb.train.estimator import Classifier as Classifier
    from bfrb.train.in_python import train as train

__version__ = version("bfrb")

# Each name is imported when it is first asked for.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["features", "read", "train"],  # packages that can be called
    submod_attrs={
        "errors": ["BfrbError"],
        "metrics.competition": ["competition_score"],
        "predict.predictions": ["Predictions"],
        "predict.predictor": ["Predictor", "load"],
        "study.labels": ["CMI_GESTURES"],
        "study.recordings": ["Recordings"],
        "train.estimator": ["Classifier"],
    },
)
