"""When in a recording the gesture is: the phases (`gestures.PHASES`) that networks tell row by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bfrb.arrays import Bools, Floats, Ints
from bfrb.errors import BundleError
from bfrb.features.sequences import Batch, Keep
from bfrb.read.tables import Table, make_table
from bfrb.study.labels import PHASES
from bfrb.study.recordings import UNKNOWN, Recordings


class Teller(Protocol):
    """A network that tells phases."""

    @property
    def name(self) -> str:
        """Its name in the bundle."""

    def ask(self, output: str, batch: Batch) -> Floats:
        """What its graph gives under a name."""


Map = Callable[[Callable[[Teller], Floats], Sequence[Teller]], Iterable[Floats]]
"""`map`, or one like it that asks several networks at a time."""


def mean_phases(members: Sequence[Teller], asked: Bools, batch: Batch, ask_each: Map = map) -> Floats:
    """(B, T, P) mean of the answers of (M,) members, NaN where none is asked.

    Parameters
    ----------
    members
        The networks.
    asked
        (M, B) which are asked about which recordings: only such that tell phases.
    batch
        The recordings.
    ask_each
        What asks them.

    Raises
    ------
    BundleError
        If one gives something else than finite probabilities of every phase.
    """
    mean = np.zeros((len(batch.lengths), int(batch.lengths.max()), len(PHASES)))
    numbers = np.flatnonzero(asked.any(axis=1))
    answers = ask_each(lambda member: _ask(member, batch), [members[number] for number in numbers.tolist()])
    for which, told in zip(asked[numbers], answers, strict=True):
        mean[which] += told[which]
    with np.errstate(invalid="ignore"):
        mean /= asked.sum(axis=0)[:, None, None]
    return mean


def _ask(member: Teller, batch: Batch) -> Floats:
    told, steps = member.ask("phases", batch), int(batch.lengths.max())
    if told.shape != (len(batch.lengths), steps, len(PHASES)) or not np.isfinite(told).all():
        raise BundleError(
            f"the member {member.name!r} cannot tell phases: its graph gives no finite probabilities of each",
            remedy="train the bundle anew",
        )
    return told


def write_at_rows(found: Floats, told: Floats, recordings: Recordings, index: Ints, keep: Keep) -> None:
    """Write what is told of some recordings into the rows of all.

    Parameters
    ----------
    found
        (N, P) probabilities at all rows, to write to.
    told
        (B, T, P) probabilities at the used rows of some recordings, then padding.
    recordings
        The recordings.
    index
        (B,) numbers of those that are told of.
    keep
        Which rows of a recording longer than T are used.
    """
    lengths = np.minimum(recordings.lengths[index], told.shape[1])
    first = recordings.offsets[index + 1] - lengths if keep == "last" else recordings.offsets[index]
    steps = np.arange(told.shape[1])
    used = steps < lengths[:, None]
    found[(first[:, None] + steps)[used]] = told[used]


def most_probable_course(probabilities: Floats, offsets: Ints) -> npt.NDArray[np.int8]:
    """(N,) Codes of the phases, each recording going on from the first to the second once, or never, and not back.

    Of all such courses it is the one with the largest product of probabilities. A row that looks like the gesture amid
    rows that do not is not taken for its beginning.

    Parameters
    ----------
    probabilities
        (N, 2) probabilities of `gestures.PHASES`; rows with NaN get -1, as unknown labels have.
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
