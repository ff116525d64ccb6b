from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bfrb.errors import ConfigError
from bfrb.predict.bundle import Bundle
from bfrb.train import tune as library
from bfrb.train.crossval import RunOptions
from bfrb.train.run import RunSpec, read_run_spec
from bfrb.train.tune import TuneOptions, tune
from bfrb.train.tuning import TuneSpec
from bundles import make_recordings
from studies import TINY, InMemory

SPACE = {
    "training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "training.class_weights": {"choices": [True, False]},
}


def study() -> InMemory:
    return InMemory(make_recordings(40, subjects=10))


def small_search(folder: Path, trials: int = 2) -> TuneSpec:
    preset = folder / "tiny.toml"
    preset.write_text(TINY.updated(["training.epochs=1"]).to_toml())
    return TuneSpec.parse({"preset": str(preset), "trials": trials, "judge_folds": 3, "space": SPACE})


@pytest.fixture(scope="module")
def tuned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("tuned")
    return folder, tune(study(), small_search(folder), folder / "out")


def test_the_best_trial_is_the_one_with_the_highest_score(tuned: tuple[Path, dict[str, Any]]) -> None:
    folder, results = tuned
    assert len(results["trials"]) == 2
    assert results["best"]["score"] == max(trial["score"] for trial in results["trials"])
    assert results == json.loads((folder / "out" / "tuning.json").read_text())
    best = RunSpec.from_toml((folder / "out" / "best.toml").read_text())
    assert best.training.learning_rate == pytest.approx(results["best"]["values"]["training.learning_rate"])
    assert {trial["values"]["training.class_weights"] for trial in results["trials"]} <= {True, False}


def test_judges_are_in_no_trial(tuned: tuple[Path, dict[str, Any]]) -> None:
    folder, results = tuned
    judges = set(results["judges"])
    assert len(judges) == 4
    for place in (folder / "out" / "trials").iterdir():
        known = set(pl.read_parquet(place / "out_of_fold.parquet")["subject"])
        assert len(known) == 6
        assert not known & judges
    assert set(results["judged"]) == {"all", "imu", "half"}
    low, high = results["judged"]["all"]["interval"]
    assert low <= high


def test_a_search_goes_on_where_it_was(tuned: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, before = tuned
    trained: list[Path] = []
    original = library.cross_validate

    def stopped(source: Any, spec: RunSpec, out: Path, **options: Any) -> Path:
        trained.append(out)
        raise KeyboardInterrupt

    monkeypatch.setattr(library, "cross_validate", stopped)
    with pytest.raises(KeyboardInterrupt):
        tune(study(), small_search(folder, 3), folder / "out")
    monkeypatch.setattr(library, "cross_validate", original)
    names: list[str] = []
    options = TuneOptions(RunOptions(workers=1), on_trial=names.append)
    after = tune(study(), small_search(folder, 3), folder / "out", options)
    assert len(names) == 1
    assert after["trials"][:2] == before["trials"]
    assert len(after["trials"]) == 3
    assert trained[0].exists()


def test_another_search_in_the_same_folder_is_refused(tuned: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = tuned
    with pytest.raises(ConfigError, match="another search"):
        tune(study(), small_search(folder).model_copy(update={"judge_folds": 2}), folder / "out")


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"low": 1.0}, "low"),
        ({"low": 2.0, "high": 1.0}, "low"),
        ({"low": 0.0, "high": 1.0, "log": True}, "low"),
        ({"low": 0.0, "high": 1.0, "choices": [1]}, "not both"),
    ],
)
def test_impossible_ranges_are_refused(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        TuneSpec.parse({"space": {"training.epochs": values}})


@pytest.mark.parametrize(
    "space", [{"training.speed": {"low": 0, "high": 1}}, {"training.label_smoothing": {"low": 0, "high": 2}}]
)
def test_an_impossible_space_is_refused_before_anything_is_trained(tmp_path: Path, space: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(space))):
        tune(study(), TuneSpec.parse({"space": space}), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_integers_and_choices_are_what_they_say() -> None:
    spec = TuneSpec.parse({"space": {"training.epochs": {"low": 1, "high": 3, "integer": True}}})
    assert spec.run({"training.epochs": 2}).training.epochs == 2
    assert spec.run({"training.class_weights": True}).training.class_weights
    assert spec.run({"training.schedule": "cosine"}).training.schedule == "cosine"


def test_a_trial_is_a_bundle(tuned: tuple[Path, dict[str, Any]]) -> None:
    folder, results = tuned
    bundle = Bundle.open(library._place(folder / "out", results["best"]["values"]))
    assert np.isclose(read_run_spec(bundle).training.learning_rate, results["best"]["values"]["training.learning_rate"])
