"""`Predictions`: what a predictor answers."""

from dataclasses import dataclass
from functools import cached_property
from html import escape

import numpy as np

from bfrb.arrays import Floats, Ints, Names
from bfrb.read.tables import Table, make_table
from bfrb.study.labels import LabelSet


@dataclass(frozen=True, eq=False, repr=False)
class Predictions:
    """Probabilities of every class for every recording.

    >>> import numpy as np
    >>> from bfrb.study.labels import LabelSet
    >>> two = LabelSet("two", ("scratch", "rest"), frozenset({"scratch"}))
    >>> predictions = Predictions(("a", "b"), np.array([[0.9, 0.1], [0.4, 0.6]]), two)
    >>> predictions.gestures.tolist(), predictions.confidence.tolist()
    (['scratch', 'rest'], [0.9, 0.6])
    """

    ids: tuple[str, ...]  # (R,) ids of the recordings, in their order
    probabilities: Floats  # (R, K) probabilities; each row sums to 1
    label_set: LabelSet  # the K classes
    target_threshold: float | None = None  # how probable all targets together have to be for one to be the answer

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"<Predictions: {len(self):,} recordings, {len(self.label_set)} classes of {self.label_set.name}>"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self)[1:-1])}</p>{self.to_frame()._repr_html_()}"

    @property
    def gestures(self) -> Names:
        """(R,) The gesture of each recording: the most probable one, or by the threshold (`LabelSet.choose`)."""
        return self.label_set.decode(self._chosen)

    @property
    def confidence(self) -> Floats:
        """(R,) Probability of each recording's gesture."""
        return np.take_along_axis(self.probabilities, self._chosen[:, None], axis=1)[:, 0]

    @cached_property
    def _chosen(self) -> Ints:
        return self.label_set.choose(self.probabilities, self.target_threshold)

    def to_frame(self) -> Table:
        """A polars frame: `sequence_id`, `prediction`, `confidence`, then one probability column per gesture."""
        answers = {"sequence_id": list(self.ids), "prediction": self.gestures.tolist(), "confidence": self.confidence}
        return make_table(answers | dict(zip(self.label_set.classes, self.probabilities.T, strict=True)))


def target_probability(probabilities: Floats, label_set: LabelSet) -> Floats:
    """(R,) Probability that a recording shows any of the targets, from (R, K) probabilities."""
    summed: Floats = probabilities[:, label_set.is_target].sum(axis=1)
    return summed
