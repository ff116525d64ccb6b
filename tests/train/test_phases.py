"""Networks tell phases if they were trained to, and only then."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bfrb.predict.predictor import load
from bfrb.study.labels import PHASES
from bfrb.study.recordings import Annotation, Recordings
from bfrb.train.assemble import was_taught_phases
from bfrb.train.crossval import prepare
from bfrb.train.run import RunSpec
from bfrb.train.workspace import Workspace
from bundles import make_recordings
from studies import TINY, InMemory, train_here

SMALL_STEMS = TINY.updated(
    ["networks=['stems']", "training.epochs=1", "stems.motion_width=8", "stems.trunk_widths=[8, 8]"]
)
TAUGHT = SMALL_STEMS.updated(["training.auxiliary.phase=0.2"])


def recordings(code: int | None) -> Recordings:
    """Recordings with phases: of one kind only, or the second half of each the gesture."""
    made = make_recordings(24, subjects=6)
    places = np.concatenate([np.arange(length) >= length // 2 for length in made.lengths])
    codes = places.astype(np.int8) if code is None else np.full(made.n_rows, code, np.int8)
    return replace(made, annotations={"phase": Annotation(codes, PHASES)})


def begin(folder: Path, given: Recordings, spec: RunSpec = TAUGHT) -> Workspace:
    workspace = Workspace.beside(folder / "model")
    with workspace.locked():
        workspace.begin(prepare(InMemory(given), spec))
    return workspace


def taught(workspace: Workspace) -> list[bool]:
    return [was_taught_phases(workspace, member) for member in workspace.plan.members]


@pytest.mark.parametrize(
    ("given", "spec", "expected"),
    [
        (recordings(None), TAUGHT, [True, True]),
        (recordings(0), TAUGHT, [False, False]),
        (recordings(None), SMALL_STEMS, [False, False]),
    ],
)
def test_members_are_taught_where_phases_count_and_both_are_known(
    tmp_path: Path, given: Recordings, spec: RunSpec, expected: list[bool]
) -> None:
    assert taught(begin(tmp_path, given, spec)) == expected


def test_a_member_is_taught_by_its_own_training_rows_only(tmp_path: Path) -> None:
    made = recordings(-1)
    codes = made.annotations["phase"].codes.copy()
    codes[: made.lengths[0]] = np.arange(made.lengths[0]) % 2
    workspace = begin(tmp_path, replace(made, annotations={"phase": Annotation(codes, PHASES)}))
    held_out = workspace.folds.numbers([made.subjects[0]])[0]
    expected = [member.fold != held_out for member in workspace.plan.members]
    assert taught(workspace) == expected
    assert sorted(expected) == [False, True]


def test_bundles_tell_phases_if_their_networks_were_trained_to(tmp_path: Path) -> None:
    given = recordings(None)
    predictor = load(train_here(InMemory(given), TAUGHT, tmp_path / "model"))
    assert predictor.gives_phases
    found = predictor.phases(given[:3])
    assert found is not None
    assert found.shape == (given[:3].n_rows, len(PHASES))
    np.testing.assert_allclose(found[~np.isnan(found).any(axis=1)].sum(axis=1), 1.0, atol=1e-5)
