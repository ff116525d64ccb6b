from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

from bfrb.errors import ConfigError
from bfrb.networks.registry import Shape, build_network
from bfrb.predict.bundle import Bundle
from bfrb.study.folds import Folds
from bfrb.train.crossval import RunOptions, cross_validate, prepare
from bfrb.train.initial_weights import choose_weights, load_initial
from bfrb.train.run import RunSpec
from bundles import make_bundle, make_recordings
from studies import TINY, InMemory, make_study

SHAPE = Shape({"imu": 3, "proximity": 2}, 4)
BRIEF = TINY.updated(["training.epochs=1"])
STILL = BRIEF.updated(["training.learning_rate=1e-12", "training.weight_decay=0"])


def other_people(*, simulated: bool = False) -> InMemory:
    """A study of subjects that `make_study` does not have."""
    recordings = make_recordings(24, subjects=6, seed=3)
    table = recordings.table.with_columns(subject=pl.format("other {}", "subject"))
    return InMemory(replace(recordings.with_table(table), simulated=simulated))


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrained")
    options = RunOptions(templates=folder / "templates")
    return cross_validate(other_people(simulated=True), BRIEF, folder / "model", options=options)


def test_training_begins_with_the_weights_of_the_bundle(pretrained: Path, tmp_path: Path) -> None:
    options = RunOptions(templates=pretrained.parent / "templates")
    out = cross_validate(make_study(), STILL, tmp_path / "model", init=pretrained, options=options)
    for name in ("gated_two_branch-00", "gated_two_branch-01"):
        before, after = (load_file(folder / "members" / f"{name}.safetensors") for folder in (pretrained, out))
        learnt = [key for key in before if key.startswith("network.") and "running" not in key and "batches" not in key]
        assert learnt
        assert all(torch.allclose(before[key], after[key], atol=1e-6) for key in learnt)
    manifest = Bundle.open(out).manifest
    assert manifest.simulated
    assert manifest.provenance["recordings_simulated"] is False
    assert manifest.provenance["initial"]["bundle"] == "model"
    assert manifest.provenance["initial"]["simulated"] is True


def test_people_that_are_judged_must_not_be_known(pretrained: Path) -> None:
    source = other_people()
    with pytest.raises(ConfigError, match="people it has seen"):
        prepare(source, BRIEF.updated(["seed=5"]), init=pretrained)
    folds = Folds.read(pretrained / "folds.csv")
    assert prepare(source, BRIEF, folds, pretrained).plan.initial is not None


def test_a_bundle_without_the_network_is_refused(pretrained: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="'two_branch'"):
        prepare(make_study(), BRIEF.updated(["networks=['two_branch']"]), init=pretrained)
    with pytest.raises(ConfigError, match="no weights"):
        prepare(make_study(), RunSpec(folds=2), init=make_bundle(tmp_path / "imported"))


@pytest.mark.parametrize("classes", [4, 6])
def test_last_layers_for_other_classes_are_left_as_drawn(tmp_path: Path, classes: int) -> None:
    """Also where the other classes are as many."""
    spec, path = TINY.network("gated_two_branch"), tmp_path / "w.safetensors"
    source, target, wider = (
        build_network("gated_two_branch", replace(SHAPE, classes=count), spec) for count in (4, classes, classes + 1)
    )
    save_file({f"network.{name}": value for name, value in source.state_dict().items()}, path)
    drawn = {name: value.clone() for name, value in target.state_dict().items()}
    assert load_initial(target, path, wider.state_dict()) == len(drawn) - 2
    after = target.state_dict()
    for name, value in source.state_dict().items():
        assert torch.equal(after[name], drawn[name] if name.startswith("head.logits") else value)
    assert load_initial(target, path, {}) == len(drawn) - 2 * (classes != 4)
    with pytest.raises(ConfigError, match="no weights"):
        load_initial(torch.nn.Linear(2, 2), path, {})


def test_a_member_begins_with_its_namesake(tmp_path: Path) -> None:
    for name in ("two_branch-00", "two_branch-01"):
        (tmp_path / f"{name}.safetensors").touch()
    assert choose_weights(tmp_path, "two_branch-01", "two_branch").stem == "two_branch-01"
    assert choose_weights(tmp_path, "two_branch-07-1", "two_branch").stem == "two_branch-00"
