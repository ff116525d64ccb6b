"""Windows carry the label that most of their rows have."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bfrb.errors import DataError
from bfrb.study import stretches
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.recordings import UNKNOWN, Annotation, Recordings
from bfrb.study.stretches import cut_stretches
from bfrb.study.windows import WindowSpec, cut_continuous, cut_continuous_stretches, label_windows
from made_up import plain_table

NAMES = ("none", "picking", "biting")


def labelled(*codes: list[int]) -> Recordings:
    flat = np.concatenate([np.array(part, np.int8) for part in codes])
    offsets = np.cumsum([0, *(len(part) for part in codes)])
    label = Annotation(flat, NAMES)
    return Recordings(GALAXY_WATCH, {}, offsets, plain_table(len(codes)), {"gesture": label})


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


@given(
    codes=st.lists(st.lists(st.integers(-1, 2), min_size=4, max_size=12), min_size=1, max_size=4),
    step=st.integers(1, 4),
)
def test_every_window_is_labelled_as_if_it_were_alone(codes: list[list[int]], step: int) -> None:
    windows = label_windows(labelled(*codes), 4, step)
    for window, gesture in zip(range(len(windows)), windows.table["gesture"], strict=True):
        own = windows[window].annotations["gesture"].codes.tolist()
        best = max((own.count(code), -code if code >= 0 else -9) for code in (0, 1, 2, UNKNOWN))
        code = -best[1] if best[1] != -9 else None
        assert gesture == (None if code is None else NAMES[code])


def test_windows_need_a_row_label() -> None:
    with pytest.raises(DataError, match="'mood', found gesture"):
        label_windows(labelled([0, 0, 0]), 2, 1, annotation="mood")


@given(
    codes=st.lists(st.lists(st.integers(-1, 2), min_size=4, max_size=12), min_size=1, max_size=4),
    context=st.integers(0, 6),
)
def test_context_changes_no_label_and_shows_what_came_before(codes: list[list[int]], context: int) -> None:
    recordings = readable(codes)
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


def readable(codes: list[list[int]]) -> Recordings:
    """Labelled recordings whose accelerations are all different."""
    bare = labelled(*codes)
    acc = np.arange(3.0 * bare.n_rows).reshape(-1, 3) / 10
    return Recordings(GALAXY_WATCH, {"acc": acc}, bare.offsets, bare.table, bare.annotations)


@settings(deadline=None)
@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    rows=st.integers(1, 45),
    spec=st.builds(
        lambda length, step, context: WindowSpec(length_s=length, step_s=step, context_s=context),
        *(st.sampled_from([0.5, 1.0, 1.7]),) * 2,
        st.sampled_from([0.0, 0.6, 2.0]),
    ),
)
def test_windows_from_stretches_are_those_of_whole_recordings(lengths: list[int], rows: int, spec: WindowSpec) -> None:
    recordings = readable([[number % 3 for number in range(length)] for length in lengths])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stretches, "STRETCH_ROWS", rows)
        parts = list(cut_continuous_stretches(cut_stretches([recordings]), GALAXY_WATCH, spec))
    if max(lengths) < spec.rows(GALAXY_WATCH.row_rate_hz)[0]:
        assert parts == []
        return
    whole, found = cut_continuous(recordings, spec), Recordings.concat(parts)
    assert found.table.equals(whole.table)
    assert np.array_equal(found.sensors["acc"], whole.sensors["acc"], equal_nan=True)
    assert np.array_equal(found.annotations["gesture"].codes, whole.annotations["gesture"].codes)
