"""The plan by which techniques are measured: what is switched, and that effects can be told apart."""

from __future__ import annotations

import sys
from itertools import combinations
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bfrb.study.labels import CMI_GESTURES
from bfrb.train.presets import PRESETS
from bfrb.train.run import RunSpec
from bundles import make_recordings

FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "simulated_benchmark"


@pytest.fixture(scope="module")
def design() -> ModuleType:
    sys.path.insert(0, str(FOLDER))
    try:
        import design as found
    finally:
        sys.path.remove(str(FOLDER))
    return found


def flat(spec: RunSpec) -> dict[str, object]:
    values: dict[str, object] = {}

    def visit(part: dict[str, object], prefix: str) -> None:
        for key, value in part.items():
            if isinstance(value, dict):
                visit(value, f"{prefix}{key}.")
            else:
                values[prefix + key] = value

    visit(spec.model_dump(mode="json"), "")
    return values


def keys_of(changes: list[str]) -> set[str]:
    return {change.partition("=")[0] for change in changes}


def test_effects_are_clear_of_each_other_and_of_what_two_do_together(design: ModuleType) -> None:
    signs = design.mirrored_design()
    assert signs.shape == (24, 12)
    np.testing.assert_array_equal(signs.T @ signs, 24 * np.eye(12, dtype=int))
    for first, second in combinations(range(12), 2):
        assert not (signs.T @ (signs[:, first] * signs[:, second])).any()


def test_every_training_of_the_plan_is_what_its_row_says(design: ModuleType) -> None:
    plan = design.read_plan(FOLDER / "techniques.toml")
    spec = plan.variants()
    assert len(plan.runs) == 24
    for name, row in zip(plan.runs, plan.signs, strict=True):
        found = flat(spec.run(name))
        for sign, (on, off) in zip(row, plan.techniques.values(), strict=True):
            assert keys_of(on) == keys_of(off)
            expected = flat(PRESETS["benchmark"].updated(on if sign > 0 else off))
            assert all(found[key] == expected[key] for key in keys_of(on))
    described = {tuple(sorted((key, str(value)) for key, value in flat(spec.run(name)).items())) for name in plan.runs}
    assert len(described) == 24
    assert spec.compared_with == "benchmark"
    assert flat(spec.run("benchmark")) == flat(PRESETS["benchmark"].updated(plan.changes))
    assert {part for parts in plan.together.values() for part in parts} <= set(plan.further)


def test_a_technique_that_makes_answers_better_is_told_as_such(design: ModuleType, tmp_path: Path) -> None:
    sys.path.insert(0, str(FOLDER))
    try:
        import techniques
    finally:
        sys.path.remove(str(FOLDER))
    plan = design.read_plan(FOLDER / "techniques.toml")
    recordings = make_recordings(360, subjects=10, lengths=np.full(360, 4))
    truth = np.eye(18)[CMI_GESTURES.encode(recordings.gestures)]
    helped = dict(zip(plan.runs, plan.signs[:, list(plan.techniques).index("tilt")], strict=True))
    (tmp_path / "answers").mkdir()
    for name in (*plan.runs, *plan.further):
        rng = np.random.default_rng(0)  # no luck: all but the technique is alike
        lean = 0.5 + 0.04 * helped.get(name, 0)
        answers = np.where(rng.random((360, 1)) < lean, truth, np.eye(18)[rng.integers(18, size=360)])
        kinds = dict.fromkeys(("all", "imu", *techniques.CHANGED), answers)
        np.savez(tmp_path / "answers" / f"{name}.npz", allow_pickle=False, **kinds)
    results = techniques.judge(techniques.Study(recordings, tmp_path), plan)
    found = results["techniques"]["half"]
    assert found["tilt"]["effect"] > 0.04
    assert found["tilt"]["sure"]
    assert max(abs(effect["effect"]) for name, effect in found.items() if name != "tilt") < 1e-9
    assert not any(effect["sure"] for name, effect in found.items() if name != "tilt")
    assert "left hands" not in results["luck"]
    assert set(results["further"]["all"]) == {*plan.further, *plan.together}
    lines = list(techniques.tables(results, plan))
    (told,) = (line for line in lines if line.startswith("| device turned by 5 degrees"))
    assert told.count("**") == 2 * (len(results["luck"]) - 1)
