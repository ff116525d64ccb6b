"""Windows carry the label that most of their rows have."""

from dataclasses import replace

import numpy as np
import pytest

from bfrb.errors import DataError
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.recordings import UNKNOWN, Annotation, Recordings
from bfrb.study.stretches import cut_stretches
from bfrb.study.windows import WindowSpec, cut_continuous, cut_continuous_stretches, label_windows
from made_up import plain_table

NAMES = ("none", "picking", "biting")


def labelled(*codes: list[int]) -> Recordings:
    """Labelled recordings whose accelerations are all different."""
    flat = np.concatenate(codes)
    acc, offsets = np.arange(3.0 * len(flat)).reshape(-1, 3) / 10, np.cumsum([0, *map(len, codes)])
    return Recordings(
        GALAXY_WATCH, {"acc": acc}, offsets, plain_table(len(codes)), {"gesture": Annotation(flat, NAMES)}
    )


@pytest.mark.parametrize(
    ("codes", "gesture"),
    [
        ([0, 0, 1, 1, 1], "picking"),
        ([2, 2, 2, 0, 1], "biting"),
        ([2, 2, 1, 1, UNKNOWN], "picking"),
        ([UNKNOWN, UNKNOWN, UNKNOWN, 1, 1], None),
        ([0, 0, 1, 1, UNKNOWN], "none"),
    ],
)
def test_the_majority_of_the_rows_decides(codes: list[int], gesture: str | None) -> None:
    assert label_windows(labelled(codes), 5, 5).table["gesture"].to_list() == [gesture]
    with pytest.raises(DataError, match="'gesture', found none"):
        label_windows(replace(labelled(codes), annotations={}), 5, 5)


@pytest.mark.parametrize("context", [0, 1, 6])
def test_context_changes_no_label_and_shows_what_came_before(context: int) -> None:
    rng = np.random.default_rng(context)
    recordings = labelled(*(rng.integers(-1, 3, rng.integers(4, 13)).tolist() for _ in range(4)))
    plain, shown = label_windows(recordings, 4, 2), label_windows(recordings, 4, 2, context=context)
    assert shown.table.equals(plain.table)
    acc = shown.sensors["acc"].reshape(len(shown), context + 4, 3)
    np.testing.assert_array_equal(acc[:, context:], plain.sensors["acc"].reshape(len(plain), 4, 3))
    starts = {recordings.ids[number]: int(recordings.offsets[number]) for number in range(len(recordings))}
    for window, name in enumerate(shown.ids):
        parent, first = name.split("@")
        known = min(context, int(first))
        assert np.isnan(acc[window, : context - known]).all()
        stop = starts[parent] + int(first)
        np.testing.assert_array_equal(
            acc[window, context - known : context], recordings.sensors["acc"][stop - known : stop]
        )


@pytest.mark.parametrize("rows", [1, 7, 45])
@pytest.mark.parametrize("lengths", [[3], [40, 1, 23], [17, 40]])
@pytest.mark.parametrize(("length_s", "step_s", "context_s"), [(0.5, 1.7, 0.6), (1.0, 0.5, 2.0), (1.7, 1.0, 0.0)])
def test_windows_from_stretches_are_those_of_whole_recordings(
    rows: int, lengths: list[int], length_s: float, step_s: float, context_s: float
) -> None:
    spec = WindowSpec(length_s=length_s, step_s=step_s, context_s=context_s)
    recordings = labelled(*([number % 3 for number in range(length)] for length in lengths))
    parts = list(cut_continuous_stretches(cut_stretches([recordings], rows), GALAXY_WATCH, spec))
    if max(lengths) < spec.rows(GALAXY_WATCH.row_rate_hz)[0]:
        assert parts == []
        return
    whole, found = cut_continuous(recordings, spec), Recordings.concat(parts)
    assert found.table.equals(whole.table)
    assert np.array_equal(found.sensors["acc"], whole.sensors["acc"], equal_nan=True)
    assert np.array_equal(found.annotations["gesture"].codes, whole.annotations["gesture"].codes)
