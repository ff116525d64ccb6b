import json
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import polars as pl
import pytest
import torch
from safetensors.torch import load_file

from bfrb.errors import ConfigError, DataError
from bfrb.features.sequences import build_sequences
from bfrb.predict.bundle import Bundle
from bfrb.predict.predictor import load
from bfrb.study.folds import Folds
from bfrb.study.labels import CMI_GESTURES
from bfrb.study.recordings import Recordings
from bfrb.train import crossval
from bfrb.train.crossval import Status, cross_validate, default_workers, find_label_set, labelled, prepare
from bfrb.train.member import StudyExamples, split
from bfrb.train.run import RunSpec, VariationSpec, read_run_spec
from bfrb.train.variation import VARIATIONS
from bfrb.train.workspace import MemberPlan, Workspace
from bundles import make_recordings
from cmi_files import cut
from studies import TINY, SourceOf, make_study, train_here
from waiting import until

STUDY = make_study()
UNGUARDED = """
import sys
from pathlib import Path
from bfrb.train.crossval import cross_validate
from studies import TINY, make_study
with Path(sys.argv[1]).with_name("log").open("a") as log:
    log.write("run\\n")
cross_validate(make_study(), TINY, Path(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    statuses: list[Status] = []
    out = tmp_path_factory.mktemp("trained") / "model"
    train_here(make_study(), TINY, out, on_status=statuses.append)
    assert statuses[-1].share == 1.0
    assert [path.name for path in out.parent.iterdir()] == ["model"]
    return out


def test_a_run_ends_in_a_bundle_that_predicts(trained: Path) -> None:
    predictor = load(trained)
    predictions = predictor.predict(make_recordings(5, seed=9))
    np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1.0)
    manifest = predictor.bundle.manifest
    assert [member.name for member in manifest.members] == ["gated_two_branch-00", "gated_two_branch-01"]
    assert manifest.provenance["largest_difference_from_torch"] < 1e-4
    assert manifest.provenance["subjects"] == 6
    assert read_run_spec(predictor.bundle) == TINY
    assert set(json.loads((trained / "scores.json").read_text())) == {"all", "imu", "half"}
    history = pl.read_parquet(trained / "history.parquet")
    assert history.group_by("member").len()["len"].to_list() == [3, 3]
    statistics = pl.read_parquet(trained / "statistics.parquet")
    assert statistics.filter(pl.col("member") == "gated_two_branch-00").height == 45


def test_every_recording_is_answered_by_networks_that_never_saw_its_subject(trained: Path) -> None:
    table, recordings = pl.read_parquet(trained / "out_of_fold.parquet"), make_recordings(24, subjects=6)
    bundle, folds = Bundle.open(trained), Folds.read(trained / "folds.csv")
    assert sorted(table["scenario"].unique()) == ["all", "imu"]
    sequences = build_sequences(recordings, bundle.manifest.branches)
    for scenario in ("all", "imu"):
        chosen = table.filter(pl.col("scenario") == scenario)
        assert chosen["id"].to_list() == recordings.ids
        assert chosen["fold"].to_list() == folds.numbers(chosen["subject"].to_list()).tolist()
    for member in bundle.manifest.members:
        chosen = table.filter((pl.col("fold") == member.fold) & (pl.col("scenario") == "all"))
        index = [recordings.ids.index(name) for name in chosen["id"]]
        batch = sequences.batch(index, bundle.manifest.max_length)
        session = onnxruntime.InferenceSession(trained / member.graph, providers=["CPUExecutionProvider"])
        (answers,) = session.run(["probabilities"], {**batch.inputs, "lengths": batch.lengths})
        np.testing.assert_allclose(answers, chosen.select(bundle.label_set.classes).to_numpy(), atol=1e-5)


def begin_only(out: Path, spec: RunSpec = TINY, source: SourceOf = STUDY) -> Workspace:
    """A run that is stopped before its first member is trained."""
    workspace = Workspace.beside(out)
    with workspace.locked():
        workspace.begin(prepare(source, spec))
    return workspace


def test_an_unfinished_run_with_another_spec_or_other_data_is_not_gone_on_with(tmp_path: Path) -> None:
    begin_only(tmp_path / "model")
    with pytest.raises(ConfigError, match=r"differs in .*spec\.seed"):
        cross_validate(make_study(), TINY.updated(["seed=1"]), tmp_path / "model")
    with pytest.raises(ConfigError, match="fingerprint"):
        cross_validate(SourceOf(make_recordings(24, subjects=6, seed=1)), TINY, tmp_path / "model")
    with Workspace.beside(tmp_path / "model").locked(), pytest.raises(ConfigError, match="another training"):
        cross_validate(make_study(), TINY, tmp_path / "model")


def add_a_key(path: Path) -> None:
    """As a later version might write it."""
    values = json.loads(path.read_text())
    (values[0] if isinstance(values, list) else values)["mood"] = 1.0
    path.write_text(json.dumps(values))


HISTORY = "members/gated_two_branch-00/history.json"
FILES = ("plan.json", "folds.csv", "raw/sensor.tof.npy", "sequences/imu.values.npy", HISTORY)


@pytest.mark.parametrize(
    ("file", "damage"), [*((file, cut) for file in FILES), *((file, add_a_key) for file in ("plan.json", HISTORY))]
)
def test_a_damaged_run_is_refused_at_once_and_can_be_begun_anew(
    tmp_path: Path, file: str, damage: Callable[[Path], None]
) -> None:
    workspace = begin_only(tmp_path / "model")
    history = workspace.member_folder(workspace.plan.members[0]) / "history.json"
    history.write_text('[{"epoch": 0, "loss": 2.0, "score": null, "seconds": 1.0}]')
    damage(workspace.folder / file)
    named = file if "history" in file else file.partition("/")[0]
    with pytest.raises(ConfigError, match=rf"{named}.* is damaged or of another version.*\n.*add --restart"):
        cross_validate(make_study(), TINY, tmp_path / "model")
    with workspace.locked():
        workspace.clear()
    assert begin_only(tmp_path / "model").plan == prepare(make_study(), TINY).plan


def test_a_run_that_waits_for_another_to_end_keeps_its_own_folder(tmp_path: Path) -> None:
    first, second = (Workspace.beside(tmp_path / "model") for _ in range(2))
    run = prepare(make_study(), TINY)

    def wait_and_begin() -> None:
        with second.locked():
            second.begin(run)

    waiting = threading.Thread(target=wait_and_begin)
    with first.locked():
        first.begin(run)
        waiting.start()
        time.sleep(0.5)
        first.discard()
    waiting.join()
    assert second.plan == run.plan
    assert len(second.recordings) == 24


@pytest.mark.parametrize("stopping", ["inner", "held_out_fold", "last_epoch"])
def test_no_subject_is_on_both_sides_of_a_split(tmp_path: Path, stopping: str) -> None:
    spec = TINY.updated([f"training.stopping={stopping}", "training.inner_share=0.3"])
    workspace = begin_only(tmp_path / stopping, spec, make_study(40, subjects=10))
    subjects = workspace.recordings.table["subject"].to_numpy()
    for fold in range(2):
        parts = split(workspace, MemberPlan(network="gated_two_branch", fold=fold))
        learning, stop, held_out = (set(subjects[index]) for index in parts)
        assert not learning & held_out
        assert not learning & stop
        assert learning | stop | held_out == set(subjects)
        assert (stop == held_out) == (stopping == "held_out_fold")
        assert bool(stop) == (stopping != "last_epoch")


NO_MOTION = ["networks=['rocket']", "features.acc=[]", "features.rotation=[]"]


def with_gesture(recordings: Recordings, gesture: str | pl.Series) -> Recordings:
    return recordings.with_table(recordings.table.with_columns(gesture=pl.lit(gesture)))


@pytest.mark.parametrize(
    ("study", "changes", "told"),
    [
        (STUDY, ["folds=7"], "at least 2 folds and as many subjects, got 7 folds for 6"),
        (make_study(2, 2), ["folds=2"], "at least 2 recordings and 2 gestures .* fold 0 there would be 1 and 1"),
        (make_study(9, 1), ["folds='subject'"], "several subjects"),
        (make_study(3, 3), ["folds=3", "training.stopping=inner", "training.inner_share=0.5"], "be 1 and 1 of 3"),
        (SourceOf(with_gesture(STUDY.recordings, CMI_GESTURES.classes[0])), [], "fold 0 there would be 12 and 1 of 24"),
        (STUDY, NO_MOTION, "motion sensors for rocket.*\n.*name some in features.acc or features.rotation"),
    ],
)
def test_what_teaches_nothing_is_refused(study: SourceOf, changes: list[str], told: str, tmp_path: Path) -> None:
    with pytest.raises((DataError, ConfigError), match=told):
        cross_validate(study, TINY.updated(changes), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_recordings_without_a_label_are_left_out_unknown_gestures_refused(caplog: pytest.LogCaptureFixture) -> None:
    recordings = make_recordings(6)
    with caplog.at_level(logging.WARNING):
        assert len(labelled(with_gesture(recordings, pl.Series([None, *recordings.gestures[1:]])), TINY)) == 5
    assert "1 of 6" in caplog.text
    with pytest.raises(DataError, match="labelled"):
        labelled(recordings.with_table(recordings.table.drop("gesture")), TINY)
    with pytest.raises(DataError, match="Juggling"):
        find_label_set(with_gesture(recordings, "Juggling"))


def test_an_unguarded_script_that_is_killed_goes_on_to_the_same_answers(tmp_path: Path, trained: Path) -> None:
    (tmp_path / "script.py").write_text(UNGUARDED)

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, str(tmp_path / "script.py"), str(tmp_path / "killed")], env=env)

    env = {"PYTHONPATH": ":".join(sys.path), "PATH": "", "OMP_NUM_THREADS": "1"}
    killed, second_member = start(), tmp_path / "killed.partial" / "members" / "gated_two_branch-01"
    until(lambda: (second_member / "history.json").exists() or killed.poll() is not None, 400)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    assert start().wait(timeout=600) == 0
    first, second = (pl.read_parquet(folder / "out_of_fold.parquet") for folder in (trained, tmp_path / "killed"))
    assert first.equals(second)
    assert (tmp_path / "log").read_text() == "run\n" * 2


def test_varied_examples_are_drawn_anew_and_repeatably(tmp_path: Path) -> None:
    given = StudyExamples.scaled_by(begin_only(tmp_path / "model"), ("imu", "proximity"), np.arange(12))
    varied, index = replace(given, variation=VariationSpec(tilt_device=8.0)), np.arange(5, 12)
    first, again, other = (varied.take(index, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(first.inputs["imu"], again.inputs["imu"])
    assert not torch.equal(first.inputs["imu"], other.inputs["imu"])
    assert torch.equal(first.targets, given.take(index).targets)
    assert torch.equal(varied.take(index).inputs["imu"], given.take(index).inputs["imu"])


@pytest.mark.parametrize(("processors", "memory", "workers"), [(8, 2**40, 8), (8, 5 * 2**30, 5), (8, 2**20, 1)])
def test_no_more_networks_are_trained_at_a_time_than_memory_allows(
    processors: int, memory: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crossval, "usable_processors", lambda: processors)
    monkeypatch.setattr(crossval, "available_memory", lambda: memory)
    assert default_workers() == workers


def test_several_seeds_and_every_technique_end_in_a_bundle(tmp_path: Path) -> None:
    techniques = ["epochs=1", "optimizer=adamw", "ema_decay=0.9", "warmup_epochs=1", "clip_norm=1", "mixup_at=gesture"]
    techniques += [*(f"variation.{name}=0.1" for name in VARIATIONS)]
    spec = TINY.updated(["seeds=2", *(f"training.{technique}" for technique in techniques)])
    out = train_here(make_study(), spec, tmp_path / "model")
    members = Bundle.open(out).manifest.members
    assert [member.name for member in members] == [f"gated_two_branch-{end}" for end in ("00", "01", "00-1", "01-1")]
    assert read_run_spec(Bundle.open(out)) == spec
    first, second = (load_file(out / "members" / f"gated_two_branch-{end}.safetensors") for end in ("00", "00-1"))
    assert not torch.equal(first["network.head.logits.weight"], second["network.head.logits.weight"])
    table = pl.read_parquet(out / "out_of_fold.parquet")
    np.testing.assert_allclose(table.select(CMI_GESTURES.classes).sum_horizontal().to_numpy(), 1.0, atol=1e-6)
