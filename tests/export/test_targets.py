"""Other runtimes say what the package says, from a bundle's samples and from those of a described device."""

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import polars as pl
import pytest
import torch

from bfrb.errors import ConfigError
from bfrb.export import targets
from bfrb.export.portable import Conversion, arrange, export_bundle, pad_samples
from bfrb.export.targets import TARGETS, Whole
from bfrb.export.worn import Worn
from bfrb.predict.bundle import Bundle
from bfrb.predict.predictor import Predictor
from bfrb.read.series import bring_to_wrist
from bfrb.study.description import Description
from bfrb.study.recordings import Recordings
from bundles import make_bundle, make_recordings
from typed_commands import Bfrb

ROWS = 30
MOTION = {"imu": ("acc", "linear_acc", "gyr")}
WATCH = Description.parse(
    {
        "name": "my watch",
        "time": {"column": "t", "unit": "s", "rate_hz": 50},
        "acc": {"columns": ["ax", "ay", "az"], "unit": "g", "at_rest": "down"},
        "quaternion": {"columns": ["qw", "qx", "qy", "qz"], "turns": "world_to_device"},
        "axes": {"x": "3h", "y": "12h", "z": "out"},
        "worn": {"wrist": "left"},
    }
)


def hard_windows() -> Recordings:
    """Of one length, with gaps, of left hands, and one in which nothing was measured."""
    recordings = make_recordings(6, lengths=[ROWS] * 6, seed=2)
    acc = recordings.sensors["acc"].copy()
    acc[np.random.default_rng(0).random(len(acc)) < 0.3] = np.nan
    acc[-ROWS:] = np.nan
    table = recordings.table.with_columns(handedness=pl.Series([0, 1] * 3))
    return replace(recordings, sensors={**recordings.sensors, "acc": acc}, table=table)


@pytest.mark.parametrize("worn", [None, WATCH])
def test_the_module_that_is_converted_says_what_the_package_says(distilled: Path, worn: Description | None) -> None:
    bundle, recordings = Bundle.open(distilled), hard_windows()
    module = Whole(bundle, None if worn is None else Worn.of(bundle.device, worn)).eval()
    assert module.inputs == ["acc", "left_handed"]  # and nothing that no network looks at
    expected = Predictor(bundle).predict(recordings).probabilities
    with torch.inference_mode():
        answers = [module(*map(torch.from_numpy, one)) for one in arrange(module, recordings, ROWS)]
    np.testing.assert_allclose(torch.cat(answers), expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 1e-3


def golden(folder: Path) -> tuple[list[str], list[list[np.ndarray]], np.ndarray]:
    """The names of the inputs, what goes in of every recording, and the probabilities of all."""
    names = json.loads((folder / "input.json").read_text())["graph"]["inputs"]
    made_up = json.loads((folder / "golden.json").read_text())["recordings"]
    values: list[dict[str, Any]] = [{**one["sensors"], "left_handed": one["left_handed"]} for one in made_up]
    examples = [[np.array([one[name]], np.float32) for name in names] for one in values]
    return names, examples, np.array([one["probabilities"] for one in made_up])


def need(*packages: str) -> None:
    if missing := [name for name in packages if find_spec(name) is None]:
        pytest.skip(f"{', '.join(missing)} is not installed: pip install 'bfrb[litert,executorch,coreml]'")


@pytest.mark.parametrize("target", list(TARGETS))
@pytest.mark.filterwarnings("ignore")
def test_a_runtime_says_what_the_package_says(distilled: Path, tmp_path: Path, target: str, bfrb: Bfrb) -> None:
    need(*TARGETS[target].packages)
    bfrb("export", distilled, "--out", tmp_path / "out", "--to", target, "--window", 3).works()
    about = json.loads((tmp_path / "out" / "input.json").read_text())
    assert set(about["inputs"]) == {"acc", "left_handed"}
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {TARGETS[target].file, "input.json", "golden.json", "event_rule.c"}
    names, examples, expected = golden(tmp_path / "out")
    found = targets.ask(target, tmp_path / "out" / TARGETS[target].file, names, examples)
    if found is not None:
        assert about["graph"]["largest_difference"] < 1e-4
        np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("target", ["litert", "executorch"])
@pytest.mark.filterwarnings("ignore")
def test_eight_bits_change_little(distilled: Path, tmp_path: Path, target: str) -> None:
    need(*TARGETS[target].packages)
    seen = make_recordings(20, lengths=[ROWS + 5] * 20, seed=8)
    path = export_bundle(Bundle.open(distilled), tmp_path / "out", window_s=3, conversion=Conversion(target, seen))
    names, examples, expected = golden(tmp_path / "out")
    off = np.abs(targets.ask(target, path, names, examples) - expected).max(axis=1)
    assert ((off > 0) & (off < 0.02)).all()
    assert path.stat().st_size < 100_000


@pytest.mark.filterwarnings("ignore")
def test_micro_runs_in_the_interpreter_for_microcontrollers(distilled: Path, tmp_path: Path) -> None:
    need(*TARGETS["litert"].packages, "tflite_micro")
    from tflite_micro.python.tflite_micro.runtime import Interpreter

    seen = make_recordings(20, lengths=[ROWS] * 20, seed=8)
    written = export_bundle(Bundle.open(distilled), tmp_path / "out", window_s=3, conversion=Conversion("litert", seen))
    interpreter = Interpreter.from_file(str(written))
    _, examples, expected = golden(tmp_path / "out")
    for samples, answer in zip(examples, expected, strict=True):
        for number, values in enumerate(samples):
            interpreter.set_input(values, number)
        interpreter.invoke()
        np.testing.assert_allclose(interpreter.get_output(0)[0], answer, atol=0.02)


def test_a_described_device_has_its_units_axes_and_sign_inside(tmp_path: Path) -> None:
    bundle = Bundle.open(make_bundle(tmp_path / "model", features=MOTION, requires=(("acc", "quaternion"), ("acc",))))
    graph = export_bundle(bundle, tmp_path / "out", worn=Worn.of(bundle.device, WATCH))
    described = json.loads((tmp_path / "out" / "input.json").read_text())
    assert described["device"] == "my watch"
    units = {name: one.get("unit") for name, one in described["inputs"].items() if name != "lengths"}
    assert units == {"acc": "g", "quaternion": "1"}
    rng = np.random.default_rng(0)
    read = {"acc": rng.normal(size=(ROWS, 3)), "quaternion": rng.normal(size=(ROWS, 4))}
    read["quaternion"] /= np.linalg.norm(read["quaternion"], axis=1, keepdims=True)
    recording = make_recordings(1, lengths=[ROWS])
    recording = recording.without("thm", "tof").with_sensors(**bring_to_wrist(read, WATCH))
    expected = Predictor(bundle).predict(recording).probabilities
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    feed = {name: values[None].astype(np.float32) for name, values in read.items()}
    feed["lengths"] = np.array([ROWS])
    np.testing.assert_allclose(session.run(["probabilities"], feed)[0], expected, atol=1e-5)
    assert not np.allclose(pad_samples(recording)["acc"], feed["acc"])


def test_what_cannot_be_exported_is_refused(distilled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, seen = Bundle.open(distilled), make_recordings(3, lengths=[9] * 3)
    with pytest.raises(ConfigError, match="litert knows no free sizes"):
        export_bundle(bundle, tmp_path / "out", conversion=Conversion("litert"))
    with pytest.raises(ConfigError, match="no recording for int8 has 30 rows"):
        export_bundle(bundle, tmp_path / "out", window_s=3, conversion=Conversion("litert", seen))
    with pytest.raises(ConfigError, match="at most"):
        export_bundle(bundle, tmp_path / "out", window_s=60, conversion=Conversion("litert"))
    monkeypatch.setattr("bfrb.parts.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"exporting for coreml needs coremltools"):
        export_bundle(bundle, tmp_path / "out", window_s=3, conversion=Conversion("coreml"))
    monkeypatch.undo()
    with pytest.raises(ConfigError, match=r"has no \[axes\]"):
        Worn.of(bundle.device, WATCH.model_copy(update={"axes": None}))
    assert not (tmp_path / "out").exists()
