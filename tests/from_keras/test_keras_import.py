"""Models that real Keras saved, imported: the same answers, and clear refusals."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import joblib
import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

from bfrb.cli import app
from bfrb.errors import BundleError
from bfrb.from_keras.convert import import_keras
from bfrb.predict.predictor import load
from bfrb.read.cmi import recordings_from_frame
from bfrb.study.labels import CMI_GESTURES
from bundles import make_recordings
from notebook_reference import notebook_features, pad_after

if find_spec("keras") is None:
    pytest.skip("Keras is not installed: pip install -e '.[train,dev]'", allow_module_level=True)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import keras_nets

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:keras")

ROWS = 40


@pytest.fixture(scope="module")
def frame(real_data: Path) -> pd.DataFrame:
    """The real sample; in one sequence the quaternion is missing at times, and one has no thermopiles and images."""
    frame = pd.read_csv(real_data / "cmi" / "train_sample.csv")
    ids = frame["sequence_id"].unique()
    rotation = [name for name in frame.columns if name.startswith("rot_")]
    proximity = [name for name in frame.columns if name.startswith(("thm_", "tof_"))]
    turning = np.flatnonzero(frame["sequence_id"] == ids[1])
    frame.loc[[turning[0], *turning[5:9], turning[-1]], rotation] = np.nan
    frame.loc[frame["sequence_id"] == ids[2], proximity] = np.nan
    frame.loc[frame["sequence_id"] == ids[3], rotation] = np.nan
    return frame


@pytest.fixture(scope="module")
def features(frame: pd.DataFrame) -> dict[str, Any]:
    grouped = frame.groupby("sequence_id", sort=False)
    return {str(name): notebook_features(rows, keras_nets.COLUMNS) for name, rows in grouped}


def expected_answers(folder: Path, models: list[Any], features: dict[str, Any], rows: int) -> Any:
    """(R, K) the notebook's answers, classes in the order of the package."""
    scaler = joblib.load(folder / "scaler.pkl")
    padded = np.stack([pad_after(scaler.transform(found), rows) for found in features.values()])
    answers = []
    for model in models:
        found = model.predict(padded, verbose=0)
        answers.append(found[0] if isinstance(found, list) else found)
    classes = np.load(folder / "gesture_classes.npy", allow_pickle=True).tolist()
    return np.mean(answers, axis=0)[:, [classes.index(name) for name in CMI_GESTURES.classes]]


def check_parity(tmp_path: Path, models: dict[str, Any], frame: Any, features: Any, rows: int = ROWS) -> None:
    everything = np.concatenate(list(features.values()))
    folder = keras_nets.make_folder(tmp_path / "notebook", models, everything, rows=rows)
    predictor = load(import_keras(folder, tmp_path / "model"))
    found = predictor.predict(recordings_from_frame(frame))
    expected = expected_answers(folder, list(models.values()), features, rows)
    assert list(found.ids) == list(features)
    assert np.ptp(expected, axis=0).max() > 0.01, "the networks answer everything alike: the test would prove nothing"
    assert np.abs(found.probabilities - expected).max() < 1e-5


@pytest.mark.parametrize("suffix", [".h5", ".keras"])
@pytest.mark.parametrize("gated", [False, True], ids=["two_branch", "gated"])
def test_the_published_networks_answer_as_in_keras(
    tmp_path: Path, frame: Any, features: Any, gated: bool, suffix: str
) -> None:
    model = keras_nets.build(rows=127, gated=gated, units=128)
    check_parity(tmp_path, {f"D-111_0{suffix}": model}, frame, features, rows=127)


def test_the_older_gru_and_nameless_lambdas_are_understood(tmp_path: Path, frame: Any, features: Any) -> None:
    models = {
        "older_gru.h5": keras_nets.build(reset_after=False, seed=1),
        "nameless.keras": keras_nets.build(nameless=True, gated=True, seed=2),
    }
    check_parity(tmp_path, models, frame, features)


def test_twenty_networks_answer_as_their_mean_in_keras(tmp_path: Path, frame: Any, features: Any) -> None:
    models = {f"D-111_{fold}.h5": (False, fold) for fold in range(10)}
    models |= {f"v0629_{fold}.keras": (True, 10 + fold) for fold in range(10)}
    built = {gated: keras_nets.build(gated=gated, units=16) for gated in (False, True)}
    folder = keras_nets.make_folder(tmp_path / "notebook", {}, np.concatenate(list(features.values())))
    expected = []
    for name, (gated, seed) in models.items():
        model = keras_nets.randomise(built[gated], np.random.default_rng(seed))
        model.save(folder / name)
        expected.append(expected_answers(folder, [model], features, ROWS))
    predictor = load(import_keras(folder, tmp_path / "model"))
    found = predictor.predict(recordings_from_frame(frame)).probabilities
    assert np.abs(found - np.mean(expected, axis=0)).max() < 1e-5
    assert [member.fold for member in predictor.bundle.manifest.members] == [*range(10), *range(10)]


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one small network of each kind."""
    models = {"D-111_0.h5": keras_nets.build(units=16), "v0629_0.keras": keras_nets.build(units=16, gated=True)}
    rng = np.random.default_rng(0)
    return keras_nets.make_folder(
        tmp_path_factory.mktemp("keras") / "notebook", models, rng.normal(size=(50, len(keras_nets.COLUMNS)))
    )


@pytest.fixture
def folder(notebook: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(notebook, tmp_path / "notebook"))


def refused(folder: Path) -> str:
    """The complaint about a folder, once it is known that nothing is left behind."""
    with pytest.raises(BundleError) as caught:
        import_keras(folder, folder.parent / "out" / "model")
    assert not list(folder.parent.glob("out/*"))
    assert not list(folder.parent.glob("out/.*"))
    return str(caught.value)


def change_model(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the layers of a model in a `.h5` file, by name."""
    with h5py.File(path, "r+") as file:
        model = json.loads(file.attrs["model_config"])
        change({layer["name"]: layer for layer in model["config"]["layers"]})
        file.attrs["model_config"] = json.dumps(model)


def test_a_model_in_the_form_of_keras_2_gives_the_same_answers(folder: Path, tmp_path: Path) -> None:
    for path in folder.glob("*.keras"):
        path.unlink()
    recordings = make_recordings(5)
    now = load(import_keras(folder, tmp_path / "now")).predict(recordings)
    keras_nets.as_keras_2(folder / "D-111_0.h5")
    then = load(import_keras(folder, tmp_path / "then")).predict(recordings)
    np.testing.assert_array_equal(now.probabilities, then.probabilities)


def test_a_selection_of_columns_in_another_order_is_followed(tmp_path: Path, frame: Any, features: Any) -> None:
    chosen = [7, 2, 0, 16, 12, 44, 20, 31]
    columns = np.array([keras_nets.COLUMNS[place] for place in chosen], dtype=object)
    model = keras_nets.build(imu_dim=5, tof_dim=3, units=16)
    picked = {name: found[:, chosen] for name, found in features.items()}
    folder = keras_nets.make_folder(tmp_path / "notebook", {"a.keras": model}, np.concatenate(list(picked.values())))
    np.save(folder / "feature_cols.npy", columns)
    found = load(import_keras(folder, tmp_path / "model")).predict(recordings_from_frame(frame)).probabilities
    assert np.abs(found - expected_answers(folder, [model], picked, ROWS)).max() < 1e-5


def test_answers_do_not_depend_on_the_company(folder: Path, tmp_path: Path) -> None:
    predictor = load(import_keras(folder, tmp_path / "model"))
    recordings = make_recordings(4, lengths=[3, 39, 40, 90])
    together = predictor.predict(recordings).probabilities
    alone = [predictor.predict(recordings[number]).probabilities[0] for number in range(4)]
    np.testing.assert_allclose(together, alone, atol=1e-6)


def test_the_bundle_says_where_it_comes_from(folder: Path, tmp_path: Path) -> None:
    manifest = load(import_keras(folder, tmp_path / "model")).bundle.manifest
    assert manifest.keep == "first"
    assert manifest.provenance["preset"] == "cmi-notebook"
    assert manifest.provenance["models"] == ["D-111_0.h5", "v0629_0.keras"]
    assert [member.name for member in manifest.members] == ["D-111_0", "v0629_0"]


@pytest.mark.parametrize("name", ["feature_cols.npy", "sequence_maxlen.npy", "scaler.pkl", "gesture_classes.npy"])
def test_a_missing_or_damaged_file_is_named(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    assert name in refused(folder)
    (folder / name).unlink()
    assert f"missing: {name}" in refused(folder)


def test_what_is_no_folder_of_the_notebook_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "there is no folder" in refused(tmp_path / "nothing")
    assert "there is no folder" in refused(tmp_path / "file")
    for path in (*folder.glob("*.h5"), *folder.glob("*.keras")):
        path.unlink()
    assert "no .h5 or .keras model" in refused(folder)


@pytest.mark.parametrize("name", ["D-111_0.h5", "v0629_0.keras"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_model_is_named(folder: Path, name: str, share: float) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: int(share * len(whole))])
    assert name in refused(folder)


def test_weights_without_their_model_are_refused(folder: Path) -> None:
    with h5py.File(folder / "D-111_0.h5", "r+") as file:
        del file.attrs["model_config"]
    assert "weights without the model" in refused(folder)


def test_one_model_in_two_files_is_refused(folder: Path) -> None:
    shutil.copy(folder / "D-111_0.h5", folder / "v0629_0.h5")
    assert "would count twice" in refused(folder)


def named_like(layers: dict[str, Any], start: str) -> dict[str, Any]:
    return next(layer for name, layer in layers.items() if name.startswith(start))


@pytest.mark.parametrize(
    ("start", "changes", "complaint"),
    [
        ("max_pooling1d", {"class_name": "Conv2DTranspose"}, "is a Conv2DTranspose, which is not known"),
        ("input_layer", {"class_name": "Masking"}, "is a Masking, which is not known"),
        ("activation", {"config": {"activation": "gelu"}}, "activation 'gelu'"),
        ("batch_normalization", {"config": {"axis": 1}}, "axis=1"),
        ("bidirectional", {"config": {"merge_mode": "sum"}}, "merge_mode='sum'"),
        ("conv1d", {"config": {"filters": 7}}, "should have weights of the shapes"),
        ("reshape", {"config": {"target_shape": [2, 4]}}, r"into (2, 4)"),
        ("multiply", {"class_name": "Custom>Attention"}, "is a Custom>Attention, which is not known"),
        ("input_layer", {"config": {"batch_shape": [None, 50, 45]}}, "the folder's other files say (40, 45)"),
        ("main_output", {"config": {"activation": "sigmoid"}}, "18 softmax probabilities"),
    ],
)
def test_what_would_change_the_answer_is_refused_by_name(
    folder: Path, start: str, changes: dict[str, Any], complaint: str
) -> None:
    def change(layers: dict[str, Any]) -> None:
        layer = named_like(layers, start)
        layer["config"] |= changes.get("config", {})
        layer["class_name"] = changes.get("class_name", layer["class_name"])

    change_model(folder / "D-111_0.h5", change)
    assert complaint in refused(folder)


CODE = "AAAA"


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        ({"class_name": "function", "config": "time_mean"}, "calls 'time_mean'"),
        ({"class_name": "function", "config": "os.system"}, "calls 'system'"),
        ({"class_name": "__lambda__", "config": {"code": "not base64!", "closure": [20]}}, "not understood"),
        ({"class_name": "__lambda__", "config": {"code": CODE, "closure": [7]}}, "takes 20 of 45 channels"),
        ([CODE, None, [30]], "takes 20 of 45 channels"),
        ({"class_name": "__lambda__", "config": {"code": "2gR0YW5o2gJ0Zg==", "closure": [20]}}, "speaks of tanh, tf"),
    ],
)
def test_a_lambda_that_is_not_understood_is_refused(folder: Path, function: Any, complaint: str) -> None:
    change_model(folder / "D-111_0.h5", lambda layers: named_like(layers, "lambda")["config"].update(function=function))
    assert complaint in refused(folder)


def test_the_code_of_a_lambda_is_never_loaded(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise AssertionError("code was loaded")

    monkeypatch.setattr("marshal.loads", fail)
    import_keras(folder, tmp_path / "model")


@pytest.mark.parametrize(
    ("name", "values", "complaint"),
    [
        ("feature_cols.npy", np.array([*keras_nets.COLUMNS[:-1], "tof_5_median"]), "'tof_5_median'"),
        ("feature_cols.npy", np.array([*keras_nets.COLUMNS[:-1], "acc_x"]), "comes twice"),
        ("feature_cols.npy", np.array(keras_nets.COLUMNS[:-1]), "45"),
        ("feature_cols.npy", np.zeros(45), "a list of names"),
        ("sequence_maxlen.npy", np.array([1, 2]), "a number of rows"),
        ("sequence_maxlen.npy", np.array(-3), "a number of rows"),
        ("sequence_maxlen.npy", np.array(41), "the folder's other files say (41, 45)"),
        ("gesture_classes.npy", np.array(["Wave hello", "Nod"]), "18 gestures"),
        ("gesture_classes.npy", np.array([*CMI_GESTURES.classes[1:], "Nod"]), "Nod"),
    ],
)
def test_files_that_do_not_fit_are_refused(folder: Path, name: str, values: Any, complaint: str) -> None:
    np.save(folder / name, values)
    assert complaint in refused(folder)


def test_a_scaler_of_other_columns_is_refused(folder: Path) -> None:
    joblib.dump(StandardScaler().fit(np.random.default_rng(0).normal(size=(9, 44))), folder / "scaler.pkl")
    assert "expected 45 finite numbers in the scaler" in refused(folder)
    joblib.dump(StandardScaler(), folder / "scaler.pkl")
    assert "expected 45 finite numbers in the scaler" in refused(folder)
    joblib.dump(np.zeros(45), folder / "scaler.pkl")
    assert "expected a fitted StandardScaler" in refused(folder)


def test_a_scaler_without_mean_is_followed(folder: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(5, 2, size=(9, 45))
    joblib.dump(StandardScaler(with_mean=False).fit(rows), folder / "scaler.pkl")
    statistics = pl.read_parquet(import_keras(folder, tmp_path / "model") / "statistics.parquet")
    assert set(statistics["mean"]) == {0.0}


def test_the_command_imports_and_refuses(folder: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    done = runner.invoke(app, ["import-keras", str(folder), "--out", str(tmp_path / "model"), "--json"])
    assert done.exit_code == 0
    assert json.loads(done.stdout)["members"] == ["D-111_0", "v0629_0"]
    again = runner.invoke(app, ["import-keras", str(folder), "--out", str(tmp_path / "model")])
    assert isinstance(again.exception, BundleError)
    assert (
        runner.invoke(app, ["import-keras", str(folder), "--out", str(tmp_path / "model"), "--overwrite"]).exit_code
        == 0
    )
    scored = runner.invoke(app, ["evaluate", str(tmp_path / "model")])
    assert "imported, not trained" in str(scored.exception)
