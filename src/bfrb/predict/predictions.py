"""`Predictions`: what a predictor answers; and when in a recording the gesture is, as networks tell phases by rows."""

from dataclasses import dataclass
from html import escape

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Floats, Ints, Names
from bfrb.read.tables import Table, make_table
from bfrb.study.labels import PHASES, LabelSet
from bfrb.study.recordings import UNKNOWN, Recordings


@dataclass(frozen=True, eq=False, repr=False)
class Predictions:
    """Probabilities of every class for every recording.

    Examples
    --------
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

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"<Predictions: {len(self):,} recordings, {len(self.label_set)} classes of {self.label_set.name}>"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self)[1:-1])}</p>{self.to_frame()._repr_html_()}"

    @property
    def gestures(self) -> Names:
        """(R,) The most probable gesture of each recording."""
        return self.label_set.decode(self.probabilities.argmax(axis=1))

    @property
    def confidence(self) -> Floats:
        """(R,) Probability of the most probable gesture."""
        largest: Floats = self.probabilities.max(axis=1)
        return largest

    def to_frame(self) -> Table:
        """A polars frame: `sequence_id`, `prediction`, `confidence`, then one probability column per gesture."""
        answers = {"sequence_id": list(self.ids), "prediction": self.gestures.tolist(), "confidence": self.confidence}
        return make_table(answers | dict(zip(self.label_set.classes, self.probabilities.T, strict=True)))


def target_probability(probabilities: Floats, label_set: LabelSet) -> Floats:
    """(R,) Probability that a recording shows any of the targets, from (R, K) probabilities."""
    summed: Floats = probabilities[:, label_set.is_target].sum(axis=1)
    return summed


def most_probable_course(probabilities: Floats, offsets: Ints) -> npt.NDArray[np.int8]:
    """(N,) Codes of the phases, each recording going on from the first to the second once, or never, and not back.

    Of all such courses it is the one with the largest product of probabilities. A row that looks like the gesture amid
    rows that do not is not taken for its beginning.

    Parameters
    ----------
    probabilities
        (N, 2) probabilities of `bfrb.study.labels.PHASES`; rows with NaN get -1, as unknown labels have.
    offsets
        (R + 1,) first row of every recording, and N.

    Examples
    --------
    >>> of_gesture = np.array([0.1, 0.7, 0.1, 0.8, 0.4, 0.9])
    >>> most_probable_course(np.stack([1 - of_gesture, of_gesture], axis=1), np.array([0, 6])).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    logs = np.log(np.clip(probabilities, 1e-12, None))
    lean = np.nan_to_num(logs[:, 1] - logs[:, 0])
    lengths = np.diff(offsets)
    steps = np.arange(lengths.max(initial=0) + 1)
    inside = steps < lengths[:, None]
    gains = np.zeros(inside.shape)
    gains[inside] = lean
    begins = gains[:, ::-1].cumsum(axis=1)[:, ::-1].argmax(axis=1)
    codes: npt.NDArray[np.int8] = (steps >= begins[:, None])[inside].astype(np.int8)
    codes[np.isnan(probabilities).any(axis=1)] = UNKNOWN
    return codes


def phase_table(recordings: Recordings, probabilities: Floats | None) -> Table:
    """A polars frame: `sequence_id`, `row` (from 0), then one probability column per phase, empty where not known."""
    rows = recordings.n_rows
    known = np.full((rows, len(PHASES)), np.nan) if probabilities is None else probabilities
    ids = np.repeat(np.array(recordings.ids, dtype=object), recordings.lengths).tolist()
    numbers = np.arange(rows) - np.repeat(recordings.offsets[:-1], recordings.lengths)
    table = make_table({"sequence_id": ids, "row": numbers} | dict(zip(PHASES, known.T, strict=True)))
    return table.fill_nan(None)
