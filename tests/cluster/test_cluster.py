"""A cluster of two nodes on this machine: the same answers as without it, whatever happens to nodes and drivers."""

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import polars.testing
import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'bfrb[cluster]'")

import ray

from bfrb.cluster import connect, parts
from bfrb.cluster.places import Place
from bfrb.errors import BfrbError, ConfigError
from bfrb.predict.bundle import OUT_OF_FOLD
from bfrb.read.sources import open_source, read
from bfrb.read.store import write_store
from bfrb.report import page
from bfrb.simulate import parts as simulated_parts
from bfrb.simulate.day import DaySpec, simulate_days
from bfrb.simulate.spec import StudySpec
from bfrb.simulate.study import simulate_study
from bfrb.train.crossval import RunOptions, Status, cross_validate
from bundles import make_bundle, make_recordings
from clusters import NODE, PATH, ROOT, SPEC, started, try_settings
from cmi_files import assert_same
from studies import TINY, make_study, train_here
from typed_commands import Bfrb

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own

TRAIN = """
import sys
from pathlib import Path
from bfrb.cluster import connect
from bfrb.train.crossval import RunOptions, cross_validate
from clusters import SPEC
from studies import make_study
with connect() as cluster:
    cross_validate(make_study(), SPEC, Path(sys.argv[1]), options=RunOptions(on=cluster))
"""

PREDICT = """
import sys
from bfrb.cluster import parts
from bfrb.cli import app
parts.PART_BYTES = 1
app(sys.argv[1:])
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[tuple[Any, str]]:
    """Two nodes, and their address from outside."""
    with started(2) as (nodes, address):
        ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
        yield nodes, address
        ray.shutdown()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recordings = make_recordings(120, subjects=12)
    some = (recordings[start : start + 20] for start in range(0, 120, 20))
    return write_store(some, tmp_path_factory.mktemp("store") / "store", source="made up").path


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PART_BYTES", 1)


def run_until(code: str, arguments: list[object], reached: Callable[[], object]) -> None:
    """Run a driver of its own, and kill it once something is reached."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    driver = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": PATH}, stderr=subprocess.PIPE, text=True)
    while not reached():
        if driver.poll() is not None:
            pytest.fail(driver.communicate()[1])
        time.sleep(0.05)
    driver.send_signal(signal.SIGKILL)
    driver.communicate()


def times(folder: Path, pattern: str) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.glob(pattern)}


def test_training_survives_a_killed_driver_and_a_lost_node(cluster: tuple[Any, str], tmp_path: Path) -> None:
    nodes, _ = cluster
    out, weights = tmp_path / "there", "members/*/weights.safetensors"
    partial = tmp_path / "there.partial"
    run_until(TRAIN, [out], lambda: times(partial, weights))
    first, places = times(partial, weights), dict[str, str]()
    assert 0 < len(first) < 6
    doomed = nodes.add_node(num_cpus=1, **NODE)

    def watch(status: Status) -> None:
        for path, written in times(partial, weights).items():
            assert first.setdefault(path, written) == written, f"{path} was trained twice"
        places.update(status.places)
        running = {places.get(name, "").rpartition("/")[2] for name in set(status.histories) - status.finished}
        if doomed in nodes.worker_nodes and doomed.node_id[:4] in running:
            nodes.remove_node(doomed, allow_graceful=False)

    with connect() as tasks:
        cross_validate(make_study(), SPEC, out, options=RunOptions(on=tasks, on_status=watch))
    assert doomed not in nodes.worker_nodes
    assert len(first) == 6
    while any(node["Alive"] for node in ray.nodes() if node["NodeID"] == doomed.node_id):
        time.sleep(0.05)
    here = train_here(make_study(), SPEC, tmp_path / "here")
    assert pl.read_parquet(out / OUT_OF_FOLD).equals(pl.read_parquet(here / OUT_OF_FOLD))


@pytest.mark.usefixtures("cluster")
def test_variants_are_trained_side_by_side(bfrb: Bfrb, tmp_path: Path) -> None:
    data = write_store([make_recordings(24, subjects=6)], tmp_path / "data", source="made up").path
    preset, variants = tmp_path / "preset.toml", tmp_path / "variants.toml"
    preset.write_text(SPEC.updated(["seeds=1", "folds=2", "training.epochs=1"]).to_toml())
    variants.write_text(f'preset = "{preset}"\n[variants]\nall = []\nslow = ["training.learning_rate=1e-5"]\n')
    command = ("compare", data, "--out", tmp_path / "out", "--variants", variants, "--json", "--on", "ray")
    told = bfrb(*command).works().json
    assert list(told["variants"]) == ["all", "slow"]
    assert "difference" in told["variants"]["slow"]["scenarios"]["all"]


@pytest.mark.usefixtures("small_parts")
def test_predictions_are_those_of_one_machine(
    bfrb: Bfrb, cluster: tuple[Any, str], bundle: Path, store: Path, tmp_path: Path
) -> None:
    here, folder = tmp_path / "here.csv", tmp_path / "folder"
    bfrb("predict", bundle, store, "--out", here).works()
    command = ["predict", bundle, store, "--out", folder, "--on"]
    run_until(PREDICT, [*command, cluster[1]], lambda: times(folder, "_parts/*.json"))
    done = {path.stem for path in (folder / "_parts").glob("*.json")}  # of others the answers may be written already
    before = {path: at for path, at in times(folder, "part-*.parquet").items() if path[-13:-8] in done}
    assert before
    assert bfrb(*command, "ray", "--json").works().json["recordings"] == 120
    after = times(folder, "part-*.parquet")
    assert len(after) == 6
    assert {path: after[path] for path in before} == before
    assert pl.read_parquet(sorted(folder.glob("*.parquet"))).equals(pl.read_csv(here))
    other = make_bundle(tmp_path / "other", seed=1)
    bfrb("predict", other, store, "--out", folder, "--on", "ray").refuses("holds answers that differ in bundle")


HERE_AND_THERE = {"here": (), "there": ("--on", "ray", "--workers", 1)}


@pytest.mark.usefixtures("cluster", "small_parts")
def test_scores_and_reports_are_those_of_one_machine(
    bfrb: Bfrb, bundle: Path, store: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(page, "render", lambda found: repr((found.scores, found.new_people)))
    scores, pages = {}, {}
    for name, on in HERE_AND_THERE.items():
        scores[name] = bfrb("evaluate", bundle, store, "--json", *on).works().json
        bfrb("report", bundle, "--data", store, "--out", tmp_path / f"{name}.html", *on).works()
        pages[name] = (tmp_path / f"{name}.html").read_text()
    assert scores["here"] == scores["there"]
    assert "macro_f1" in pages["here"].partition("}, {")[2]  # the scores of people who are new
    assert pages["here"] == pages["there"]


@pytest.mark.usefixtures("cluster", "small_parts")
def test_events_are_those_of_one_machine(bfrb: Bfrb, bundle: Path, tmp_path: Path) -> None:
    days = simulate_days(StudySpec(subjects=3), DaySpec(hours=0.05), seed=0)
    data = write_store(days, tmp_path / "days", source="made up").path
    answers = {}
    for name, on in HERE_AND_THERE.items():
        out, windows = tmp_path / f"{name}.csv", tmp_path / f"{name}.parquet"
        told = bfrb("detect", bundle, data, "--out", out, "--probabilities", windows, "--json", *on).works().json
        answers[name] = told["counts"], told["events"], out.read_bytes(), pl.read_parquet(windows).to_dicts()
    assert answers["here"] == answers["there"]
    assert answers["here"][0]["windows"]
    assert not (tmp_path / "there.csv.partial").exists()


def test_a_head_too_busy_to_answer_is_asked_again(cluster: tuple[Any, str], monkeypatch: pytest.MonkeyPatch) -> None:
    init, refused = ray.init, []

    def too_busy(*given: Any, **more: Any) -> None:
        refused.append(given)
        monkeypatch.setattr(ray, "init", init)
        raise ConnectionAbortedError("Starting Ray client server failed")

    ray.shutdown()
    monkeypatch.setattr(ray, "init", too_busy)
    with connect(cluster[1]) as tasks:
        assert len(tasks.nodes) == 2
    assert refused
    ray.init(address=cluster[0].address, log_to_driver=False, logging_level="ERROR")


@pytest.mark.usefixtures("cluster")
def test_a_simulated_study_is_that_of_one_machine(bfrb: Bfrb, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(simulated_parts, "PEOPLE", 1)
    bfrb("simulate", tmp_path / "study", "--subjects", 2, "--format", "parquet", "--on", "ray").works()
    assert_same(read(tmp_path / "study"), simulate_study(StudySpec(subjects=2), seed=0))
    assert [path.name for path in tmp_path.iterdir()] == ["study"]


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """An object store that speaks S3, and how addresses in it end."""
    server = pytest.importorskip("moto.server", reason="moto is not installed").ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    from pyarrow.fs import S3FileSystem

    files = S3FileSystem(endpoint_override=f"{host}:{port}", scheme="http", allow_bucket_creation=True)
    files.create_dir("lab")
    yield f"?endpoint_override={host}:{port}&scheme=http"
    server.stop()


def upload(folder: Path, address: str) -> None:
    for path in (path for path in folder.rglob("*") if path.is_file()):
        (Place(address) / path.relative_to(folder).as_posix()).write(path.read_bytes())


@pytest.mark.usefixtures("cluster", "small_parts")
def test_object_stores_are_read_and_written(bfrb: Bfrb, bundle: Path, store: Path, bucket: str, tmp_path: Path) -> None:
    upload(store, f"s3://lab/data{bucket}")
    bfrb("predict", bundle, store, "--out", tmp_path / "here.csv").works()
    command = ["predict", bundle, f"s3://lab/data{bucket}", "--out", f"s3://lab/answers{bucket}", "--on", "ray"]
    bfrb(*command, "--workers", 1).works()
    out = Place(f"s3://lab/answers{bucket}")
    names = sorted(name for name in out.files() if name.startswith("part-"))
    assert len(names) == 6
    table = pl.concat([pl.read_parquet((out / name).read()) for name in names])
    assert table.equals(pl.read_csv(tmp_path / "here.csv"))
    written = out.files()
    bfrb(*command).works()
    assert out.files() == written


WATCH = """name = "my watch"
file.match = ["*.csv"]
time = { column = "ms", unit = "ms" }
acc = { columns = ["ax", "ay", "az"], unit = "g" }
recordings.subject = "{folder}"
"""


@pytest.mark.usefixtures("cluster", "small_parts")
def test_described_files_are_answered_file_by_file(bfrb: Bfrb, bucket: str, tmp_path: Path) -> None:
    study, rng = tmp_path / "study", np.random.default_rng(0)
    for number, rows in enumerate((900, 90, 200)):
        path = study / f"p{number}" / "walk.csv"
        path.parent.mkdir(parents=True)
        acc = pl.DataFrame(rng.normal([0, 0, 1], 0.1, (rows, 3)), ["ax", "ay", "az"])
        acc.with_columns(ms=20 * pl.int_range(rows)).write_csv(path)
    (study / "study.toml").write_text(WATCH)
    upload(study, f"s3://lab/study{bucket}")
    model = make_bundle(tmp_path / "model", device=open_source(study).device)
    here, there = tmp_path / "here.parquet", tmp_path / "there.parquet"
    bfrb("predict", model, study, "--out", here).works()
    bfrb("predict", model, f"s3://lab/study{bucket}", "--out", there, "--on", "ray", "--workers", 1).works()
    assert pl.read_parquet(here).height == 3
    polars.testing.assert_frame_equal(pl.read_parquet(there), pl.read_parquet(here))


@pytest.mark.usefixtures("cluster")
def test_settings_are_searched_by_trials_side_by_side(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna", reason="Optuna is not installed")
    monkeypatch.syspath_prepend(ROOT / "examples")
    example = importlib.import_module("search_settings")
    store = write_store([make_recordings(24, subjects=6)], tmp_path / "searched", source="made up").path
    study = optuna.create_study(direction="maximize")
    monkeypatch.setattr(example, "run_trial", try_settings)
    example.search_on("ray", study, 2, store, TINY.updated(["training.epochs=1"]))
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "COMPLETE"]
    assert all(0 <= trial.value <= 1 for trial in study.trials)
    assert [path.name for path in tmp_path.iterdir()] == ["searched"]


def write_where_the_disk_is_full() -> None:
    Path("/dev/full").write_text("no room", encoding="ascii")


@pytest.mark.usefixtures("cluster")
def test_errors_say_on_which_machine_and_a_folder_that_is_not_shared_is_found_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told = r"on the machine .*No space left on device.*\n.*rights and space there"
    with connect() as tasks, pytest.raises(BfrbError, match=told):
        tasks.run({"writes": write_where_the_disk_is_full}, tick=lambda: None)
    monkeypatch.chdir(tmp_path)  # other processes see another folder at the same path
    told = r"does not see /proc/self/cwd of this machine\n.*mount at the same path"
    with pytest.raises(ConfigError, match=told), connect(folders=[Path("/proc/self/cwd")]):
        pass


def test_a_machine_with_another_version_is_found_out(cluster: tuple[Any, str], tmp_path: Path) -> None:
    about = tmp_path / "bfrb-9.9.dist-info" / "METADATA"
    about.parent.mkdir()
    about.write_text("Metadata-Version: 2.1\nName: bfrb\nVersion: 9.9\n")
    strange = cluster[0].add_node(num_cpus=1, env_vars={"PYTHONPATH": f"{tmp_path}{os.pathsep}{PATH}"}, **NODE)
    told = rf"{strange.node_id[:4]} of the cluster has bfrb 9\.9 instead of"
    with pytest.raises(ConfigError, match=told), connect():
        pass
    cluster[0].remove_node(strange)
