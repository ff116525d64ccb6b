"""Whether a device was worn upside down, from what a detector says of a recording and of the same one turned over."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from bfrb.predict.predictions import Predictions
from bfrb.study.labels import WEARING
from bfrb.study.mirror import turn_over
from bfrb.study.recordings import Recordings

Probabilities = npt.NDArray[np.float64]

UPRIGHT, UPSIDE_DOWN = WEARING.classes


def turned_over(recordings: Recordings) -> Recordings:
    """All recordings as if the device had been worn the other way round."""
    return turn_over(recordings, np.ones(len(recordings), dtype=bool))


def tell_upside_down(detect: Callable[[Recordings], Predictions], recordings: Recordings) -> Probabilities:
    """(R,) probability that the device was worn upside down, by what answers for a detector."""
    column = WEARING.classes.index(UPSIDE_DOWN)
    answers = [detect(shown).probabilities[:, column] for shown in (recordings, turned_over(recordings))]
    return weigh_both_ways(*answers)


def weigh_both_ways(as_recorded: Probabilities, turned: Probabilities) -> Probabilities:
    """(R,) probability of "upside down", of those that a detector gives recordings and their turned copies.

    One of the two is upside down and the other is not, so the two answers are about the same question: their log odds,
    one with its sign changed, are averaged. The answer for the turned copy is then exactly the opposite one, and what a
    detector believes of any recording whatever cancels.

    Examples
    --------
    >>> weigh_both_ways(np.array([0.9, 0.6, 0.6]), np.array([0.1, 0.6, 0.9])).round(3).tolist()
    [0.9, 0.5, 0.29]
    """
    # Square roots, not logarithms: they round alike whatever the length of the array.
    for_it = np.sqrt(as_recorded * (1.0 - turned))
    against_it = np.sqrt((1.0 - as_recorded) * turned)
    both = for_it + against_it
    chance: Probabilities = np.divide(for_it, both, out=np.full_like(both, 0.5), where=both > 0)
    return chance
