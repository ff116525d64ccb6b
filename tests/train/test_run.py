"""What a run spec takes and refuses, and how networks of one's own come in."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tomli_w

from bfrb.errors import ConfigError
from bfrb.predict.bundle import SPEC, Bundle
from bfrb.train.crossval import prepare
from bfrb.train.presets import PRESETS, read_preset
from bfrb.train.run import RunSpec, VariationSpec, read_run_spec
from bfrb.train.variation import vary
from bundles import make_bundle, make_recordings
from studies import TINY, make_study

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
OWN = TINY.updated(["networks=['own_networks:MeanNetwork']", "training.epochs=1"])


def test_the_watch_preset_is_what_was_measured_on_searle2021() -> None:
    assert read_preset(str(EXPERIMENTS / "searle2021" / "spec.toml")) == PRESETS["watch"]


def test_a_network_is_trained_on_its_own_variation_besides_that_of_all() -> None:
    spec = RunSpec().updated(["training.variation.tilt_device=5", "training.variation.lose_proximity=0.1"])
    assert spec.variation("two_branch").lose_proximity == 0.1
    assert spec.variation("gated_two_branch").lose_proximity == 0.35
    assert spec.variation("gated_two_branch").tilt_device == 5
    assert spec.variation("gated_two_branch").lost == {"thm", "tof"}
    assert not PRESETS["baseline"].variation("two_branch").changes_something


def test_variations_of_ones_own_are_told_like_those_of_the_package() -> None:
    text = '[training.variation]\ntilt_device = 5\n"own_networks:weaken" = 0.2\n[micro.variation]\n"a:b" = 0.0\n'
    spec = RunSpec.from_toml(text)
    assert spec == RunSpec.from_toml(spec.to_toml())
    changes = {"training.variation.tilt_device": 5, 'training.variation."own_networks:weaken"': 0.2}
    assert spec == RunSpec().updated(changes | {"micro.variation": {"a:b": 0.0}})
    assert spec.variation("micro").own == {"own_networks:weaken": 0.2, "a:b": 0.0}
    assert not VariationSpec.parse({"a:b": 0.0}).changes_something
    recordings, rng = make_recordings(4), np.random.default_rng(0)
    varied = vary(recordings, VariationSpec.parse({"own_networks:weaken": 0.2}), rng).sensors["acc"]
    shares = varied / recordings.sensors["acc"]
    assert 0.8 <= shares.min() < shares.max() <= 1.0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["networks=['two_brunch']"], r"no network 'two_brunch'\n.*did you mean 'two_branch'"),
        (["networks=['x']"], r"choose among two_branch, .* or name your own as package.module:Class"),
        (["networks=['micro']", "sizes.MeanNetwork.width=3"], "sizes of 'MeanNetwork', expected those of no network"),
        (["micro.variation.lose_tmh=0.1"], r"unknown key 'lose_tmh'\n.*did you mean 'lose_thm'"),
        (["training.variation.own.weaken=0.1"], "own: expected variations by import path .*, got 'weaken'"),
        (['training.variation."own_networks:weaken"=-1'], "own.own_networks:weaken: Input should be greater"),
        (["sizes.MeanNetwork.widht=3"], r"unknown key 'widht'\n.*did you mean 'width'"),
        (["networks=['own_networks:Absent']"], "expected a network at own_networks:Absent, but"),
        (["networks=['own_networks:NoSpec']"], "has no attribute Spec"),
        (["networks=['__main__:Mine']"], "lies in the script itself"),
        (['training.variation."own_networks:absent"=1'], "expected a variation at own_networks:absent, but"),
        (['training.variation."own_networks:__name__"=1'], "own_networks:__name__ is no variation, but str"),
        (["features.acc=['own_networks:ABSENT']"], "expected a feature at own_networks:ABSENT, but"),
        (["networks=['own_networks:Branched']"], "no features of the branch 'breath'\n.*features.own.breath"),
    ],
)
def test_impossible_networks_and_parts_of_ones_own_are_refused_before_reading(changes: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        prepare(make_study(), OWN.updated(changes))


def test_the_spec_of_an_older_bundle_is_read_without_what_is_no_longer_known(tmp_path: Path) -> None:
    values = RunSpec(folds=4).model_dump(mode="json", exclude_none=True) | {"wearing": {"detect": True}, "stems": {}}
    values["two_branch"] |= {"lose_proximity": 0.35, "widths": [8, 16]}
    values["training"] |= {"auxiliary": {"phase": 0.1}, "variation": {"crop": 0.1}}
    (tmp_path / SPEC).write_text(tomli_w.dumps(values), encoding="utf-8")
    found = read_run_spec(replace(Bundle.open(make_bundle(tmp_path / "model")), path=tmp_path))
    assert (found.folds, found.two_branch.widths, found.training.variation.changes_something) == (4, (8, 16), False)
    assert found.training == RunSpec().training
