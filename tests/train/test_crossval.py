from __future__ import annotations

import json
import logging
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from bfrb.errors import ConfigError, DataError
from bfrb.features.sequences import channel_statistics
from bfrb.predict.bundle import Bundle
from bfrb.predict.predictor import load
from bfrb.study.folds import Folds
from bfrb.study.labels import CMI_GESTURES
from bfrb.train.crossval import RunOptions, Status, cross_validate, find_label_set, labelled, prepare
from bfrb.train.member import Loader, split
from bfrb.train.run import RunSpec, read_run_spec
from bfrb.train.variation import VARIATIONS
from bfrb.train.workspace import MemberPlan, Workspace
from bundles import make_recordings
from studies import TINY, InMemory, make_study

STUDIES = Path(__file__).resolve().parents[1] / "studies.py"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    statuses: list[Status] = []
    out = tmp_path_factory.mktemp("trained") / "model"
    cross_validate(make_study(), TINY, out, options=RunOptions(on_status=statuses.append))
    assert statuses[-1].share == 1.0
    assert not Workspace.beside(out).folder.exists()
    return out


def test_a_run_ends_in_a_bundle_that_predicts(trained: Path) -> None:
    predictor = load(trained)
    predictions = predictor.predict(make_recordings(5, seed=9))
    np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1.0)
    assert [member.name for member in predictor.bundle.manifest.members] == [
        "gated_two_branch-00",
        "gated_two_branch-01",
    ]
    assert read_run_spec(predictor.bundle) == TINY


def test_every_recording_is_answered_by_networks_that_never_saw_its_subject(trained: Path) -> None:
    table = pl.read_parquet(trained / "out_of_fold.parquet")
    assert sorted(table["scenario"].unique()) == ["all", "imu"]
    folds = Folds.read(trained / "folds.csv")
    for scenario in ("all", "imu"):
        chosen = table.filter(pl.col("scenario") == scenario)
        assert chosen["id"].to_list() == make_recordings(24, subjects=6).ids
        assert chosen["fold"].to_list() == folds.numbers(chosen["subject"].to_list()).tolist()


def test_out_of_fold_answers_are_those_of_the_exported_graph(trained: Path) -> None:
    import onnxruntime

    from bfrb.features.sequences import build_sequences

    recordings = make_recordings(24, subjects=6)
    bundle = Bundle.open(trained)
    table = pl.read_parquet(trained / "out_of_fold.parquet").filter(pl.col("scenario") == "all")
    for member in bundle.manifest.members:
        index = np.flatnonzero(table["fold"].to_numpy() == member.fold)
        batch = build_sequences(recordings, bundle.manifest.branches).batch(index, bundle.manifest.max_length)
        session = onnxruntime.InferenceSession(trained / member.graph, providers=["CPUExecutionProvider"])
        (answers,) = session.run(["probabilities"], {**batch.inputs, "lengths": batch.lengths})
        np.testing.assert_allclose(answers, table[index].select(bundle.label_set.classes).to_numpy(), atol=1e-4)


def test_scores_history_and_statistics_are_in_the_bundle(trained: Path) -> None:
    scores = json.loads((trained / "scores.json").read_text())
    assert set(scores) == {"all", "imu", "half"}
    history = pl.read_parquet(trained / "history.parquet")
    assert history.group_by("member").len()["len"].to_list() == [3, 3]
    statistics = pl.read_parquet(trained / "statistics.parquet")
    assert statistics.filter(pl.col("member") == "gated_two_branch-00").height == 45
    provenance = json.loads((trained / "bundle.json").read_text())["provenance"]
    assert provenance["largest_difference_from_torch"] < 1e-4
    assert provenance["subjects"] == 6


def test_an_existing_bundle_is_not_overwritten_unasked(trained: Path) -> None:
    with pytest.raises(ConfigError, match="already there"):
        cross_validate(make_study(), TINY, trained)


def begin_only(out: Path, spec: RunSpec = TINY, source: InMemory | None = None) -> Workspace:
    """A run that is stopped before its first member is trained."""
    workspace = Workspace.beside(out)
    with workspace.locked():
        workspace.begin(prepare(source or make_study(), spec))
    return workspace


def test_an_unfinished_run_with_another_spec_is_not_gone_on_with(tmp_path: Path) -> None:
    begin_only(tmp_path / "model")
    with pytest.raises(ConfigError, match=r"differs in .*spec\.seed"):
        cross_validate(make_study(), TINY.updated(["seed=1"]), tmp_path / "model")


def test_an_unfinished_run_with_other_data_is_not_gone_on_with(tmp_path: Path) -> None:
    begin_only(tmp_path / "model")
    with pytest.raises(ConfigError, match="fingerprint"):
        cross_validate(InMemory(make_recordings(24, subjects=6, seed=1)), TINY, tmp_path / "model")


def test_two_runs_never_share_a_folder(tmp_path: Path) -> None:
    workspace = Workspace.beside(tmp_path / "model")
    with workspace.locked(), pytest.raises(ConfigError, match="another training"):
        cross_validate(make_study(), TINY, tmp_path / "model")


@pytest.mark.parametrize("stopping", ["inner", "held_out_fold", "last_epoch"])
def test_no_subject_is_on_both_sides_of_a_split(tmp_path: Path, stopping: str) -> None:
    spec = TINY.updated([f"training.stopping={stopping}", "training.inner_share=0.3"])
    workspace = begin_only(tmp_path / stopping, spec, make_study(40, subjects=10))
    subjects = workspace.recordings["subject"].to_numpy()
    for fold in range(2):
        parts = split(workspace, MemberPlan(network="gated_two_branch", fold=fold))
        learning, stop, held_out = (set(subjects[index]) for index in parts)
        assert not learning & held_out
        assert not learning & stop
        assert learning | stop | held_out == set(subjects)
        assert (stop == held_out) == (stopping == "held_out_fold")
        assert bool(stop) == (stopping != "last_epoch")


def test_a_run_that_cannot_begin_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="folds"):
        cross_validate(make_study(), TINY.updated(["folds=7"]), tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("network", "keys"), [("two_branch", ["imu"]), ("stems", ["acc", "rotation"]), ("context", ["acc", "rotation"])]
)
def test_a_network_without_features_of_motion_is_refused(network: str, keys: list[str], tmp_path: Path) -> None:
    changes = [f"networks=['{network}']", *(f"features.{key}=[]" for key in keys)]
    with pytest.raises(ConfigError, match=f"motion sensors for {network}.*\n.*name some in features.{keys[0]}"):
        cross_validate(make_study(), TINY.updated(changes), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_recordings_without_a_label_are_left_out_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    recordings = make_recordings(6)
    gestures = [None, *recordings.table["gesture"].to_list()[1:]]
    partly = recordings.with_table(recordings.table.with_columns(gesture=pl.Series(gestures)))
    with caplog.at_level(logging.WARNING):
        assert len(labelled(partly, TINY)) == 5
    assert "1 of 6" in caplog.text


def test_unlabelled_or_unknown_gestures_are_refused() -> None:
    recordings = make_recordings(3)
    with pytest.raises(DataError, match="labelled"):
        labelled(recordings.with_table(recordings.table.drop("gesture")), TINY)
    strange = recordings.with_table(recordings.table.with_columns(gesture=pl.lit("Juggling")))
    with pytest.raises(DataError, match="Juggling"):
        find_label_set(strange)


def test_a_killed_run_goes_on_to_the_same_answers(tmp_path: Path, trained: Path) -> None:
    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, str(STUDIES), str(tmp_path / "killed")])

    kill_when(start(), tmp_path / "killed.partial" / "templates" / "gated_two_branch.onnx")
    kill_when(start(), tmp_path / "killed.partial" / "members" / "gated_two_branch-01" / "history.json")
    assert start().wait(timeout=300) == 0
    first, second = (pl.read_parquet(folder / "out_of_fold.parquet") for folder in (trained, tmp_path / "killed"))
    assert first.equals(second)


def kill_when(process: subprocess.Popen[bytes], path: Path) -> None:
    """Kill a process without warning as soon as it has written a file."""
    deadline = time.monotonic() + 200
    while not path.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_varied_examples_are_drawn_anew_and_repeatably(tmp_path: Path) -> None:
    spec = TINY.updated(["training.variation.tilt_device=8", "training.variation.stretch_time=0.2"])
    workspace = begin_only(tmp_path / "model", spec)
    learning = np.arange(12)
    loader = Loader(workspace, channel_statistics(workspace.sequences, learning), torch.device("cpu"))
    draw = loader.drawer(learning)
    first, again, other = (draw(np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(first.inputs["imu"], again.inputs["imu"])
    assert first.lengths.tolist() != other.lengths.tolist()
    assert torch.equal(first.targets, loader.examples(learning).targets)


def test_unvaried_examples_are_those_of_the_workspace(tmp_path: Path) -> None:
    workspace = begin_only(tmp_path / "model")
    learning = np.arange(12)
    loader = Loader(workspace, channel_statistics(workspace.sequences, learning), torch.device("cpu"))
    drawn = loader.drawer(learning)(np.random.default_rng(0))
    assert torch.equal(drawn.inputs["proximity"], loader.examples(learning).inputs["proximity"])


def test_answers_without_proximity_are_those_for_recordings_that_lack_it(tmp_path: Path) -> None:
    workspace = begin_only(tmp_path / "model")
    index = np.arange(5, 12)
    loader = Loader(workspace, channel_statistics(workspace.sequences, index), torch.device("cpu"))
    full, bare = loader.examples(index), loader.bare_examples(index)
    assert torch.equal(full.inputs["imu"], bare.inputs["imu"])
    assert not bare.present["proximity"].any()
    assert torch.equal(full.targets, bare.targets)


def test_several_seeds_give_several_different_members(tmp_path: Path) -> None:
    spec = TINY.updated(["seeds=2", "training.epochs=1"])
    out = cross_validate(make_study(), spec, tmp_path / "model")
    members = Bundle.open(out).manifest.members
    assert [member.name for member in members] == [f"gated_two_branch-{end}" for end in ("00", "01", "00-1", "01-1")]
    first, second = (load_file(out / "members" / f"gated_two_branch-{end}.safetensors") for end in ("00", "00-1"))
    assert not torch.equal(first["network.head.logits.weight"], second["network.head.logits.weight"])
    table = pl.read_parquet(out / "out_of_fold.parquet")
    np.testing.assert_allclose(table.select(CMI_GESTURES.classes).sum_horizontal().to_numpy(), 1.0, atol=1e-6)


def test_a_run_with_every_technique_ends_in_a_bundle(tmp_path: Path) -> None:
    techniques = ["optimizer=adamw", "ema_decay=0.9", "warmup_epochs=1", "clip_norm=1", "mixup_at=gesture"]
    techniques += ["cutmix_alpha=0.3", "auxiliary.phase=0.1", *(f"variation.{name}=0.1" for name in VARIATIONS)]
    spec = TINY.updated([f"training.{technique}" for technique in techniques])
    out = cross_validate(make_study(), spec, tmp_path / "model")
    assert read_run_spec(Bundle.open(out)) == spec
