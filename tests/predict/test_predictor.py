"""Predicting from a bundle."""

import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest

from bfrb import predict
from bfrb.errors import BundleError, DataError
from bfrb.features.sequences import build_sequences
from bfrb.predict import predictor as module
from bfrb.predict.bundle import CHECKSUMS, _write_checksums
from bfrb.predict.predictor import Predictor, load
from bfrb.read.cmi_write import rows_of
from bfrb.study.device import GALAXY_WATCH
from bfrb.study.labels import SEARLE_BEHAVIORS
from bfrb.study.recordings import Annotation, Recordings
from bundles import make_bundle, make_graph, make_recordings


@pytest.fixture(scope="module")
def predictor(bundle: Path) -> Predictor:
    return load(bundle)


def test_the_answer_is_the_mean_of_the_members_each_recording_alone(predictor: Predictor) -> None:
    manifest, recordings = predictor.bundle.manifest, make_recordings(9)
    sequences = build_sequences(recordings, manifest.branches)
    batches = [sequences.batch([number], manifest.max_length) for number in range(9)]
    answers = []
    for member in manifest.members:
        session = onnxruntime.InferenceSession(predictor.bundle.file(member.graph), providers=["CPUExecutionProvider"])
        answers.append([session.run(None, {**batch.inputs, "lengths": batch.lengths})[0][0] for batch in batches])
    assert np.abs(np.subtract(*answers)).max() > 1e-3
    predictions = predictor.predict(recordings)
    assert predictions.ids == tuple(recordings.ids)
    np.testing.assert_allclose(predictions.probabilities, np.mean(answers, axis=0), atol=1e-6)
    for row in predictions.to_frame().iter_rows(named=True):
        assert row["confidence"] == row[row["prediction"]] == max(row[name] for name in predictor.label_set.classes)
    assert predictions.probabilities.dtype == np.float64
    np.testing.assert_allclose(predictions.probabilities.sum(axis=1), 1, atol=1e-12)


def test_an_answer_does_not_depend_on_its_company(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    recordings = make_recordings(25)
    together = predictor.predict(recordings).probabilities
    alone = np.concatenate([predictor.predict(recordings[number]).probabilities for number in range(25)])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_array_equal(predictor.predict_each(recordings).probabilities, alone)
    monkeypatch.setattr(module, "MAX_ROWS", 200)
    np.testing.assert_allclose(together, predictor.predict(recordings).probabilities, atol=1e-6)
    assert np.ptp(together, axis=0).max() > 0.01


def test_calls_from_several_threads_do_not_meet(predictor: Predictor) -> None:
    batches = [make_recordings(7, seed=seed) for seed in range(8)]
    expected = [predictor.predict(batch).probabilities for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda batch: predictor.predict(batch).probabilities, batches * 3))
    for number, probabilities in enumerate(found):
        np.testing.assert_array_equal(probabilities, expected[number % 8])


def test_no_recordings_give_an_empty_frame_and_another_device_no_answer(predictor: Predictor) -> None:
    assert predictor.predict(make_recordings(4)[:0]).to_frame().shape == (0, 21)
    with pytest.raises(DataError, match="device 'helios', got 'galaxy_watch'"):
        predictor.predict(make_recordings(2, device=GALAXY_WATCH))


def test_a_watch_is_answered_for_and_its_continuous_recordings_are_cut_as_in_training(watch_bundle: Path) -> None:
    predictor = load(watch_bundle)
    assert set(predictor._members[0].inputs) == {"imu", "lengths"}
    bare = make_recordings(2, device=GALAXY_WATCH, lengths=[120, 30])
    codes = np.repeat(np.array([0, 1, 0, 1, 1, -1], dtype=np.int8), [50, 20, 30, 20, 25, 5])
    labels = {"gesture": Annotation(codes, ("none", "nail biting"))}
    cut = predictor.cut(Recordings(GALAXY_WATCH, bare.sensors, bare.offsets, bare.table.drop("gesture"), labels))
    rows = round(5 * GALAXY_WATCH.row_rate_hz)
    assert cut.lengths.tolist() == [rows, rows]
    assert cut.gestures == ["none", "none"]
    assert predictor.cut(cut) is cut
    assert set(predictor.predict(cut).gestures) <= set(SEARLE_BEHAVIORS.classes)


def as_pandas(frame: pl.DataFrame) -> object:
    pandas = pytest.importorskip("pandas")
    return pandas.DataFrame({name: frame[name].to_numpy() for name in frame.columns})


@pytest.mark.parametrize("convert", [lambda frame: frame, as_pandas])
def test_one_frame_gives_one_gesture(predictor: Predictor, convert: Callable[[pl.DataFrame], object]) -> None:
    expected = predictor.predict(make_recordings(1)).gestures[0]
    people = pl.DataFrame({"subject": ["SUBJ_000000"], "handedness": [1], "age": [20]})
    frame = rows_of(make_recordings(1)).drop("gesture")
    for demographics in (None, people):
        answer = predictor.predict_one(convert(frame), None if demographics is None else convert(demographics))
        assert type(answer) is str
        assert answer == expected
    several = pl.concat([frame, frame.with_columns(sequence_id=pl.lit("SEQ_000001"))])
    with pytest.raises(DataError, match="got 2 recordings"):
        predictor.predict_one(convert(several))


def renamed_input(model: onnx.ModelProto) -> bytes:
    return onnx.compose.add_prefix(model, "other_").SerializeToString()


def two_classes(_: onnx.ModelProto) -> bytes:
    return make_graph({"imu": 22}, 2, np.random.default_rng(0)).SerializeToString()


def not_finite(model: onnx.ModelProto) -> bytes:
    last = model.graph.initializer[-1]
    last.CopyFrom(onnx.numpy_helper.from_array(np.full(tuple(last.dims), np.nan, np.float32), last.name))
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda _: b"no graph", r"two_branch-00\.onnx"),
        (renamed_input, r"two_branch-00\.onnx"),
        (two_classes, "'two_branch-00' cannot answer"),
        (not_finite, "'two_branch-00' cannot answer"),
    ],
)
def test_a_graph_that_does_not_fit_or_answers_nonsense_is_refused(
    tmp_path: Path, change: Callable[[onnx.ModelProto], bytes], told: str
) -> None:
    bundle = make_bundle(tmp_path / "model")
    graph = bundle / "members" / "two_branch-00.onnx"
    graph.write_bytes(change(onnx.load(graph)))
    (bundle / CHECKSUMS).unlink()
    _write_checksums(bundle)
    with pytest.raises(BundleError, match=told):
        load(bundle).predict(make_recordings(2))


def run_python(code: str, bundle: Path) -> tuple[int, str]:
    """Exit code and complaints of a program that is given a bundle."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, bundle],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])},
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stderr


def test_a_pickled_predictor_answers_the_same_wherever_it_is_opened(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(predictor.bundle.path.parent)
    pickled = pickle.dumps(load(predictor.bundle.path.name))
    monkeypatch.chdir(tmp_path)
    recordings = make_recordings(5)
    expected = predictor.predict(recordings).probabilities
    np.testing.assert_array_equal(pickle.loads(pickled).predict(recordings).probabilities, expected)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no forks here")
def test_a_forked_child_answers_as_its_parent_does(teacher: Path) -> None:
    """One recording, several, frames of numbers in one piece or two, features: by a child that lacks polars' threads.

    What would wait for these for ever, such as a file, is refused.
    """
    code = """
import os, signal, sys
import polars as pl
import bfrb
from bundles import make_recordings
from bfrb.read.cmi_write import rows_of

predictor = bfrb.load(sys.argv[1])
several, frame = make_recordings(9), rows_of(make_recordings(1))
pieces = pl.concat([frame[:9], frame[9:]], rechunk=False)
def answers():
    found = predictor.predict(several).probabilities, predictor.predict(several[0]).probabilities
    told = predictor.predict_one(frame), predictor.predict_one(pieces), bfrb.features(several).rows()[0]
    return [*(array.tolist() for array in found), *told]
expected = answers()
pl.read_csv(frame.write_csv().encode())
child = os.fork()
if not child:
    signal.alarm(300)
    refused = 0
    for unreadable in (sys.argv[1], frame.with_columns(acc_x=pl.lit(" 1.0"))):
        try:
            predictor.predict(unreadable)
        except bfrb.BfrbError as error:
            refused += "spawn" in str(error)
    os._exit(0 if answers() == expected and refused == 2 else 3)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run_python(code, teacher) == (0, "")


@pytest.mark.skipif(sys.platform != "linux", reason="reads what Linux tells of a process")
def test_loading_loads_no_training_framework_and_changes_nothing_for_the_rest_of_the_process(bundle: Path) -> None:
    """No signal handlers, no thread settings, no allocator: neither its settings nor advice on the heap's memory."""
    code = """
import os, re, signal, sys
from pathlib import Path
import numpy as np, onnxruntime, polars

def state():
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    advised = re.findall(r"^VmFlags:.*\\bhg\\b.*$", Path("/proc/self/smaps").read_text(), re.MULTILINE)
    settings = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    return handlers, advised, settings, os.sched_getaffinity(0), signal.pthread_sigmask(signal.SIG_BLOCK, [])

before = state()
import bfrb
bfrb.load(sys.argv[1])
after = state()
loaded = {'torch', 'onnx', 'scipy', 'pandas', 'sklearn', 'pyarrow'} & set(sys.modules)
sys.exit(", ".join([*loaded, *(str(pair) for pair in zip(before, after) if pair[0] != pair[1])]) or 0)
"""
    assert run_python(code, bundle) == (0, "")
    source = "".join(path.read_text() for path in Path(predict.__file__).parent.glob("*.py"))
    assert not re.search(r"mallopt|madvise|ctypes|signal\.|set_num_threads", source)


def test_the_runtime_is_told_not_to_report_before_it_is_loaded(bundle: Path, tmp_path: Path) -> None:
    script = "import sys, bfrb; bfrb.load(sys.argv[1]); assert 'onnxruntime' in sys.modules"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= dict.fromkeys(["TMPDIR", "HOME", "XDG_CACHE_HOME"], str(tmp_path))
    subprocess.run([sys.executable, "-B", "-c", script, str(bundle)], check=True, env=environment)
    assert not list(tmp_path.rglob("*"))
