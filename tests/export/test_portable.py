"""What `bfrb export` writes says what the package says, from samples to probabilities."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import polars as pl
import pytest
from onnx import TensorProto, helper

import bfrb
from bfrb.errors import BundleError, ConfigError
from bfrb.export.portable import export_bundle, pad_samples
from bfrb.predict.bundle import CHECKSUMS, Bundle, _write_checksums
from bfrb.predict.member import unpadded_name
from bfrb.study.device import HELIOS, Device
from bfrb.study.recordings import Recordings
from bundles import make_bundle
from made_up import random_recordings

PAGE = Path(__file__).parents[2] / "docs" / "export.md"
LENGTHS = [1, 40, 64, 65, 90, 7, 12, 30]


def hard_recordings(device: Device) -> Recordings:
    """With gaps, of left hands, and without some of the sensors; longer ones than the networks take in."""
    recordings = random_recordings(device, LENGTHS, np.random.default_rng(3), missing=0.2)
    sensors = {name: values.copy() for name, values in recordings.sensors.items()}
    for place, sensor in enumerate(device.sensors):
        lost = slice(*recordings.offsets[place + 3 : place + 5])
        sensors[sensor.name][lost] = sensor.absent
    table = recordings.table.with_columns(handedness=pl.Series([0, 1] * 4))
    return replace(recordings, sensors=sensors, table=table)


def answers(graph: Path, recordings: Recordings) -> np.ndarray:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    names = {value.name for value in session.get_inputs()}
    feed = pad_samples(recordings) | {"left_handed": recordings.table["handedness"].to_numpy() == 0}
    for values in (values for name, values in feed.items() if name in recordings.sensors):
        values[np.arange(values.shape[1]) >= recordings.lengths[:, None]] = 1e6  # what stands there means nothing
    return np.asarray(session.run(["probabilities"], {name: feed[name] for name in names})[0])


def check(graph: Path, predictor: bfrb.Predictor, recordings: Recordings) -> None:
    """The graph's answers to some recordings together, and to the longest alone, are the predictor's."""
    expected, at = predictor.predict(recordings).probabilities, int(recordings.lengths.argmax())
    np.testing.assert_allclose(answers(graph, recordings), expected, atol=1e-5)
    np.testing.assert_allclose(answers(graph, recordings[at : at + 1]), expected[at : at + 1], atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 0.01


def test_the_graph_gives_the_predictor_s_answers(bundle: Path, exported: Path) -> None:
    check(exported / "model.onnx", bfrb.load(bundle), hard_recordings(HELIOS))


def test_it_does_so_for_real_recordings(bundle: Path, exported: Path, real_data: Path) -> None:
    check(exported / "model.onnx", bfrb.load(bundle), bfrb.read(real_data / "cmi" / "train_sample.csv"))


def test_a_watch_is_exported_without_what_it_has_not(watch: Path, exported_watch: Path) -> None:
    predictor = bfrb.load(watch)
    check(exported_watch / "model.onnx", predictor, hard_recordings(predictor.device))
    described = json.loads((exported_watch / "input.json").read_text())
    assert set(described["inputs"]) == {"acc", "gyr", "quaternion", "lengths"}


def write_unpadded(bundle: Path) -> None:
    """Beside each graph the same one for recordings of one length."""
    for path in list((bundle / "members").iterdir()):
        model = onnx.load(path)
        del model.graph.input[0]
        batch, rows = (helper.make_node("Shape", ["imu"], [f"axis_{n}"], start=n, end=n + 1) for n in range(2))
        model.graph.node.insert(0, helper.make_node("Expand", ["axis_1", "axis_0"], ["lengths"]))
        model.graph.node.insert(0, rows)
        model.graph.node.insert(0, batch)
        onnx.save(model, bundle / unpadded_name(f"members/{path.name}"))
    (bundle / CHECKSUMS).write_text("{}")
    _write_checksums(bundle)


def test_a_window_has_a_fixed_length_and_no_lengths(tmp_path: Path) -> None:
    model = make_bundle(tmp_path / "model")
    with pytest.raises(BundleError, match="no graph without padding"):
        export_bundle(Bundle.open(model), tmp_path / "out", window_s=5)
    write_unpadded(model)
    graph = export_bundle(Bundle.open(model), tmp_path / "out", window_s=5, member="two_branch-01")
    inputs = {value.name: value.type.tensor_type.shape.dim for value in onnx.load(graph).graph.input}
    assert {name: axes[1].dim_value for name, axes in inputs.items()} == dict.fromkeys(HELIOS.sensor_names, 50)
    recordings = random_recordings(HELIOS, [50, 50], np.random.default_rng(4), missing=0.2)
    recordings = replace(recordings, table=recordings.table.with_columns(handedness=pl.Series([1, 1])))
    check(graph, bfrb.Predictor(Bundle.open(model).only(1)), recordings)
    with pytest.raises(ConfigError, match="at most 64 rows"):
        export_bundle(Bundle.open(model), tmp_path / "long", window_s=8)


def run_python(*arguments: Path | str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=cwd, check=False, capture_output=True, text=True)


def test_the_golden_vectors_tell_a_right_graph_from_a_wrong_one(exported: Path, tmp_path: Path) -> None:
    right = run_python(exported / "check_golden.py")
    assert re.fullmatch(r"largest difference of a probability: \d\.\de-0[678]\n", right.stdout), right.stderr
    golden = json.loads((exported / "golden.json").read_text())
    assert golden["note"] == "made up: no person's"
    assert golden["events"]
    golden["recordings"][1]["probabilities"].reverse()
    for name in ("model.onnx", "check_golden.py"):
        (tmp_path / name).write_bytes((exported / name).read_bytes())
    (tmp_path / "golden.json").write_text(json.dumps(golden))
    assert run_python(tmp_path / "check_golden.py").returncode == 1


def test_the_description_fits_the_graph_and_the_page_s_example_runs(exported: Path) -> None:
    described = json.loads((exported / "input.json").read_text())
    graph = onnx.load(exported / "model.onnx").graph
    types = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "bool": TensorProto.BOOL}
    assert [value.name for value in graph.input] == list(described["inputs"])
    for value in graph.input:
        said = described["inputs"][value.name]
        assert value.type.tensor_type.elem_type == types[said["type"]]
        assert [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim] == said["shape"]
    assert described["inputs"]["acc"]["unit"] == "m/s^2"
    assert described["simulated"] is True
    [code] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert "bfrb" not in code
    done = run_python("-c", code, cwd=exported.parent)
    assert done.returncode == 0, done.stderr
    label, probability = done.stdout.rsplit(maxsplit=1)
    assert label in described["output"]["classes"]
    assert 0 < float(probability) <= 1


def test_nothing_is_written_over_and_nothing_is_left_of_a_failed_export(
    bundle: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").touch()
    with pytest.raises(ConfigError, match="is there already"):
        export_bundle(Bundle.open(bundle), tmp_path / "out")
    with pytest.raises(ConfigError, match="no member 'nobody'"):
        export_bundle(Bundle.open(bundle), tmp_path / "other", member="nobody")
    monkeypatch.setattr("bfrb.export.portable.PARITY", -1.0)
    monkeypatch.setattr("bfrb.export.portable.build_graph", lambda *_, **__: onnx.load(exported / "model.onnx"))
    with pytest.raises(BundleError, match="agree"):
        export_bundle(Bundle.open(bundle), tmp_path / "other")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
