import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bfrb.errors import ConfigError
from bfrb.metrics.competition import competition_score
from bfrb.study.folds import Folds
from bfrb.study.labels import CMI_GESTURES
from bfrb.train.compare import compare
from bfrb.train.presets import SENSOR_VARIANTS, CompareSpec
from bundles import make_recordings
from studies import TINY, SourceOf, here, make_study

Compared = tuple[Path, dict[str, Any]]


def variants(folder: Path, **more: list[str]) -> CompareSpec:
    """A tiny run, the same with another learning rate, and with the motion sensors alone."""
    preset = folder / "tiny.toml"
    preset.write_text(TINY.updated(["training.epochs=1"]).to_toml())
    changes = {"plain": [], "fast": ["training.learning_rate=0.02"], "imu": SENSOR_VARIANTS["imu"].model_dump()}
    return CompareSpec.parse({"preset": str(preset), "variants": changes | more})


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    folder = tmp_path_factory.mktemp("compared")
    return folder, compare(make_study(), variants(folder), folder / "out", options=here())


def test_differences_are_those_of_scores_on_the_same_folds_and_a_variant_can_lack_sensors(compared: Compared) -> None:
    folder, results = compared
    assert results["reference"] == "plain"
    assert results == json.loads((folder / "out" / "comparison.json").read_text())
    scores = {}
    for name in ("plain", "fast"):
        table = pl.read_parquet(folder / "out" / name / "out_of_fold.parquet").filter(pl.col("scenario") == "all")
        scores[name] = competition_score(table["gesture"].to_list(), table["prediction"].to_list()).score
        assert results["variants"][name]["scenarios"]["all"]["score"] == pytest.approx(scores[name])
        of_all, of_one = (Folds.read(folder / "out" / place / "folds.csv") for place in ("", name))
        assert of_all.fold_of == of_one.fold_of
    found = results["variants"]["fast"]["scenarios"]["all"]
    assert found["difference"] == pytest.approx(scores["fast"] - scores["plain"])
    low, high = found["difference_interval"]
    assert low - 0.05 <= found["difference"] <= high + 0.05
    assert set(results["variants"]["fast"]["scenarios"]) == {"all", "imu", "half"}
    assert "difference" not in results["variants"]["plain"]["scenarios"]["all"]
    assert results["variants"]["imu"]["changes"] == {"without": ["thm", "tof"]}
    table = pl.read_parquet(folder / "out" / "imu" / "out_of_fold.parquet")
    parts = [table.filter(pl.col("scenario") == name).select(CMI_GESTURES.classes) for name in ("all", "imu")]
    np.testing.assert_allclose(parts[0].to_numpy(), parts[1].to_numpy(), atol=1e-6)


def test_what_is_done_is_not_done_again_any_variant_may_be_the_reference_and_no_other_study(compared: Compared) -> None:
    folder, before = compared
    kept = {name: (folder / "out" / name / "bundle.json").stat() for name in before["variants"]}
    after = compare(make_study(), variants(folder).model_copy(update={"reference": "fast"}), folder / "out")
    assert kept == {name: (folder / "out" / name / "bundle.json").stat() for name in kept}
    assert list(after["variants"]) == ["plain", "fast", "imu"]
    found, turned = (
        results["variants"][name]["scenarios"]["half"] for results, name in ((before, "fast"), (after, "plain"))
    )
    assert turned["difference"] == pytest.approx(-found["difference"])
    assert turned["difference_interval"] == pytest.approx([-bound for bound in reversed(found["difference_interval"])])
    assert "difference" not in after["variants"]["fast"]["scenarios"]["half"]
    with pytest.raises(ConfigError, match="other recordings"):
        compare(SourceOf(make_recordings(24, subjects=6, seed=1)), variants(folder), folder / "out")
    with pytest.raises(ConfigError, match="another spec"):
        compare(make_study(), variants(folder, fast=["training.learning_rate=0.01"]), folder / "out")


def test_changes_of_a_variant_come_after_those_of_all_and_impossible_ones_are_refused() -> None:
    variants = {"a": ["seed=2"], "b": {"preset": "baseline"}}
    spec = CompareSpec.parse({"changes": ["seed=1", "folds=4"], "variants": variants})
    assert (spec.run("a").seed, spec.run("a").folds, spec.run("a").training.epochs) == (2, 4, 15)
    assert (spec.run("b").seed, spec.run("b").training.epochs) == (1, 160)
    with pytest.raises(ConfigError, match="choose a, b"):
        spec.run("c")
    for values, complaint in (({"variants": {"a/b": []}}, "letters"), ({"reference": "c"}, "reference")):
        with pytest.raises(ConfigError, match=complaint):
            CompareSpec.parse({"variants": variants, **values})
