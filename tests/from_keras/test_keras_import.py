"""Models that real Keras saved, imported: the same answers, and clear refusals."""

import base64
import json
import marshal
import shutil
import tomllib
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import h5py
import joblib
import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from typer.testing import CliRunner

from bfrb.cli import app
from bfrb.errors import BundleError
from bfrb.features.pipeline import compute_features
from bfrb.features.sequences import Sequences
from bfrb.from_keras.architecture import recognise
from bfrb.from_keras.convert import fill_member, import_keras
from bfrb.from_keras.files import KerasFolder, read_folder
from bfrb.predict.predictor import load
from bfrb.read.described_source import recordings_from_frame
from bfrb.study.labels import CMI_GESTURES
from published import notebook_features, pad_after

if find_spec("keras") is None:
    pytest.skip("Keras is not installed: pip install -e '.[train,dev]'", allow_module_level=True)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")

    import keras_notebook

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning:keras")

TOLERANCE = 1e-5
layers = keras_notebook.layers


def with_gaps(frame: pd.DataFrame) -> pd.DataFrame:
    """A quaternion that is missing at times, one that is missing throughout, and no thermopiles and images."""
    ids = frame["sequence_id"].unique()
    rotation = [name for name in frame.columns if name.startswith("rot_")]
    proximity = [name for name in frame.columns if name.startswith(("thm_", "tof_"))]
    turning = np.flatnonzero(frame["sequence_id"] == ids[1])
    frame.loc[[turning[0], *turning[5:9], turning[-1]], rotation] = np.nan
    frame.loc[frame["sequence_id"] == ids[2], proximity] = np.nan
    frame.loc[frame["sequence_id"] == ids[3], rotation] = np.nan
    return frame


def made_up(frame: pd.DataFrame) -> pd.DataFrame:
    """Shuffled rows of real recordings as sequences of other lengths, some longer than what the networks see."""
    lengths = [1, 2, 3, 5, 126, 127, 128, 300]
    rows = frame.sample(sum(lengths), replace=True, random_state=0, ignore_index=True)
    rows["sequence_id"] = np.repeat([f"MADE_{length:03}" for length in lengths], lengths)
    return rows.assign(subject=frame["subject"][0], sequence_counter=np.concatenate([np.arange(n) for n in lengths]))


@pytest.fixture(scope="module")
def frames(real_data: Path) -> dict[str, pd.DataFrame]:
    sample, test = (pd.read_csv(real_data / "cmi" / name) for name in ("train_sample.csv", "test.csv"))
    return {"sample": with_gaps(sample.copy()), "test": test, "made up": made_up(sample[test.columns])}


def features_of(frame: pd.DataFrame, columns: tuple[str, ...] = keras_notebook.COLUMNS) -> list[Any]:
    return [notebook_features(rows, columns) for _, rows in frame.groupby("sequence_id", sort=False)]


def answers_of_keras(folder: Path, model: Any, features: list[Any], rows: int) -> Any:
    """(R, K) the answers of one network, as the notebook computes them; classes in the order of the package."""
    scaler = joblib.load(folder / "scaler.pkl")
    padded = np.stack([pad_after(scaler.transform(found), rows) for found in features])
    found = model.predict(padded, verbose=0)
    classes = np.load(folder / "gesture_classes.npy", allow_pickle=True).tolist()
    answers = found[0] if isinstance(found, list) else found
    return answers[:, [classes.index(name) for name in CMI_GESTURES.classes]]


def answers_of_ours(folder: KerasFolder, name: str, frame: pd.DataFrame) -> Any:
    """The same of the network of ours that a model becomes."""
    motion, recordings = len(folder.branches["imu"].order), recordings_from_frame(frame)
    member = fill_member(recognise(folder.models[name], folder.rows, motion, len(folder.columns)), folder)
    branches = {name: compute_features(recordings, branch.features) for name, branch in folder.branches.items()}
    batch = Sequences(branches, recordings.offsets).batch(range(len(recordings)), folder.rows, "first")
    inputs = {name: torch.from_numpy(values) for name, values in batch.inputs.items()}
    with torch.inference_mode():
        return member.answers(inputs, torch.from_numpy(batch.lengths))["probabilities"].numpy()


@pytest.fixture(scope="module")
def twenty(frames: dict[str, pd.DataFrame], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder with ten networks of each kind, and what Keras answers with each to all frames."""
    folder, answers = tmp_path_factory.mktemp("published") / "notebook", {}
    features = [found for frame in frames.values() for found in features_of(frame)]
    keras_notebook.make_folder(folder, {}, np.concatenate(features_of(frames["test"])), rows=127)
    for gated, name in ((False, "D-111"), (True, "v0629")):
        model = keras_notebook.build(rows=127, gated=gated, units=16)
        for fold in range(10):
            keras_notebook.randomise(model, np.random.default_rng(fold + 10 * gated))
            head = model.get_layer("main_output")
            head.set_weights([values / 10 for values in head.get_weights()])  # lest one class have all probability
            model.save(folder / f"{name}_{fold}{'.h5' if fold % 2 else '.keras'}")
            answers[f"{name}_{fold}"] = answers_of_keras(folder, model, features, 127)
    return folder, answers


def test_twenty_networks_of_both_kinds_answer_as_in_keras(twenty: Any, frames: dict[str, pd.DataFrame]) -> None:
    path, expected = twenty
    folder = read_folder(path)
    assert set(folder.models) == set(expected)
    for name in folder.models:
        found = np.concatenate([answers_of_ours(folder, name, frame) for frame in frames.values()])
        assert np.abs(found - expected[name]).max() < TOLERANCE
    spread = [np.ptp(answers, axis=0).max() for answers in expected.values()]
    assert np.median(spread) > 0.02, "they answer everything alike"


def test_a_bundle_answers_as_their_mean_and_says_where_it_comes_from(twenty: Any, frames: Any, tmp_path: Path) -> None:
    names = ["D-111_0", "D-111_1", "v0629_0", "v0629_1"]
    for path in twenty[0].iterdir():
        if path.suffix not in (".h5", ".keras") or path.stem in names:
            shutil.copy(path, tmp_path)
    done = CliRunner().invoke(app, ["import-keras", str(tmp_path), "--out", str(tmp_path / "model"), "--json"])
    assert done.exit_code == 0, done.output
    predictor = load(tmp_path / "model")
    found = np.concatenate([predictor.predict(recordings_from_frame(frame)).probabilities for frame in frames.values()])
    assert np.abs(found - np.mean([twenty[1][name] for name in names], axis=0)).max() < TOLERANCE
    manifest = predictor.bundle.manifest
    assert json.loads(done.stdout)["members"] == [member.name for member in manifest.members] == names
    assert [member.fold for member in manifest.members] == [0, 1, 0, 1]
    assert manifest.provenance["imported_from"] == "keras"
    assert manifest.provenance["models"][:2] == ["D-111_0.keras", "D-111_1.h5"]
    assert (manifest.keep, manifest.max_length) == ("first", 127)
    spec = tomllib.loads((tmp_path / "model" / "spec.toml").read_text())
    assert spec["gated_two_branch"]["padded_rows"] == 127
    assert spec["two_branch"]["widths"] == [8, 16]
    scored = CliRunner().invoke(app, ["evaluate", str(tmp_path / "model")])
    assert "imported, not trained" in str(scored.exception)


def test_a_selection_of_columns_in_another_order_is_followed(tmp_path: Path, frames: Any) -> None:
    columns = tuple(keras_notebook.COLUMNS[place] for place in [7, 2, 0, 16, 12, 44, 20, 31])
    model, features = keras_notebook.build(imu_dim=5, tof_dim=3, units=16), features_of(frames["sample"], columns)
    path = keras_notebook.make_folder(tmp_path / "n", {"a.keras": model}, np.concatenate(features), columns=columns)
    found = answers_of_ours(read_folder(path), "a", frames["sample"])
    assert np.abs(found - answers_of_keras(path, model, features, 40)).max() < TOLERANCE


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one small network of each kind."""
    models = {"D-111_0.h5": keras_notebook.build(units=16), "v0629_0.keras": keras_notebook.build(units=16, gated=True)}
    features = np.random.default_rng(0).normal(size=(50, len(keras_notebook.COLUMNS)))
    return keras_notebook.make_folder(tmp_path_factory.mktemp("keras") / "notebook", models, features)


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


@pytest.mark.parametrize("name", ["feature_cols.npy", "sequence_maxlen.npy", "scaler.pkl", "gesture_classes.npy"])
def test_a_missing_or_damaged_file_is_named(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) // 2])
    assert name in refused(folder)
    (folder / name).unlink()
    assert f"lacks {name}" in refused(folder)


def test_a_folder_without_models_or_with_one_twice_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "D-111_0.h5", folder / "v0629_0.h5")
    assert "would count twice" in refused(folder)
    for path in (*folder.glob("*.h5"), *folder.glob("*.keras")):
        path.unlink()
    assert "no .h5 or .keras model" in refused(folder)
    assert "lacks feature_cols.npy" in refused(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["D-111_0.h5", "v0629_0.keras"])
def test_a_truncated_model_and_weights_without_theirs_are_named(folder: Path, name: str) -> None:
    whole = (folder / name).read_bytes()
    for share in (0.0, 0.9, 0.999):
        (folder / name).write_bytes(whole[: int(share * len(whole))])
        assert name in refused(folder)
    if name.endswith(".h5"):
        (folder / name).write_bytes(whole)
        with h5py.File(folder / name, "r+") as file:
            del file.attrs["model_config"]
        assert "weights without the model" in refused(folder)


def check_refused(folder: Path, model: Any, odd: str) -> None:
    """In both formats, a model alone is refused for one of its layers."""
    for suffix in (".h5", ".keras"):
        for path in (*folder.glob("*.h5"), *folder.glob("*.keras")):
            path.unlink()
        model.save(folder / f"a{suffix}")
        assert f"the layer {odd!r}" in refused(folder)


TWISTS: dict[str, Callable[[Any], Any]] = {
    "times a number": lambda x: x * 3.0,
    "plus a constant": lambda x: layers.Add()([x, np.full((1, 10, 64), 0.5, dtype=np.float32)]),
    "times itself": lambda x: layers.Multiply()([x, x]),
    "a dropout that always drops": lambda x: layers.Dropout(0.1)(x, training=True),
    "other code": layers.Lambda(lambda t: t * 3.0),
    "reversed": lambda x: x[:, ::-1],
}


@pytest.mark.parametrize("twist", TWISTS)
def test_a_network_with_an_operation_more_is_refused_by_its_name(folder: Path, twist: str) -> None:
    model = keras_notebook.build(twist=TWISTS[twist])
    concatenate = next(layer for layer in model.layers if layer.name.startswith("concatenate"))
    check_refused(folder, model, concatenate._outbound_nodes[0].operation.name)


class Dropout(layers.Layer):
    """A layer of one's own that is called like one of Keras's."""

    def __init__(self, rate: float, **options: Any) -> None:
        super().__init__(**options)
        self.rate = rate

    def call(self, x: Any) -> Any:
        return x * 3.0


def test_a_layer_of_ones_own_that_is_called_like_another_is_refused(folder: Path) -> None:
    model = keras_notebook.build(dropout=Dropout)
    check_refused(folder, model, next(layer.name for layer in model.layers if isinstance(layer, Dropout)))


def change_layer(path: Path, kind: str, number: int, key: str, value: Any) -> None:
    """Change what a `.h5` file says of one of the layers of a class."""
    with h5py.File(path, "r+") as file:
        model = json.loads(file.attrs["model_config"])
        part = [layer for layer in model["config"]["layers"] if layer["class_name"] == kind][number]
        *parents, last = key.split(".")
        for parent in parents:
            part = part[parent]
        part[last] = value
        file.attrs["model_config"] = json.dumps(model)


CHANGES: list[tuple[str, int, str, Any, str]] = [
    ("Dropout", 0, "class_name", "SpatialDropout1D", "is SpatialDropout1D("),
    ("Dense", 0, "inbound_nodes", [{}, {}], "is used 2 times"),
    ("Concatenate", 0, "inbound_nodes", [], "; expected Concatenate("),
    ("InputLayer", 0, "config.batch_shape", [None, 50, 45], "=[None, 50, 45]; expected [None, 40, 45]"),
    ("MaxPooling1D", 0, "config.padding", "same", "has padding='same'; expected 'valid'"),
    ("Activation", 0, "config.activation", "gelu", "has activation='gelu'; expected 'relu'"),
    ("Conv1D", 0, "config.filters", 7, "has weights of the shapes"),
    ("Conv1D", 0, "config.dtype", "mixed_float16", "has dtype='mixed_float16'; expected 'float32'"),
    ("Conv1D", 0, "config.new_in_keras_9", "spiral", "has new_in_keras_9='spiral'; expected it to be off"),
    ("Dense", -1, "config.activation", "sigmoid", "has activation='sigmoid'; expected 'softmax'"),
    ("GlobalAveragePooling1D", 0, "config.keepdims", True, "has keepdims=True; expected it to be off"),
    ("Bidirectional", 0, "config.layer.config.go_backwards", True, "has forward go_backwards=True"),
    ("Bidirectional", 1, "config.layer.config.reset_after", False, "has forward reset_after=False"),
    ("Lambda", 0, "config.function.config.closure", [7], "is Lambda t[:, :, :7](input_layer"),
    ("Lambda", 0, "config.function.config.defaults", [1], "is Lambda of other code("),
    ("Lambda", -1, "config.function.config", "time_mean", "is Lambda time_mean("),
]


@pytest.mark.parametrize(("kind", "number", "key", "value", "complaint"), CHANGES)
def test_what_would_change_the_answer_is_refused_with_the_name_of_its_layer(
    folder: Path, kind: str, number: int, key: str, value: Any, complaint: str
) -> None:
    change_layer(folder / "D-111_0.h5", kind, number, key, value)
    assert complaint in refused(folder)


def slices(number: int) -> list[Callable[..., Any]]:
    return [lambda t: t[:, :, :number] * 3.0, lambda t: t[:, :, : number - 1], lambda t: t[:, 1:, :number]]


@pytest.mark.parametrize("code", slices(20))
def test_a_lambda_of_other_code_is_refused_unloaded(folder: Path, code: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = base64.b64encode(marshal.dumps(code.__code__)).decode()
    monkeypatch.setattr("marshal.loads", lambda *_: pytest.fail("code was loaded"))
    change_layer(folder / "D-111_0.h5", "Lambda", 0, "config.function.config.code", changed)
    assert "is Lambda of other code(input_layer" in refused(folder)


COMPILED = [
    ("3.10", ":20", "4wEAAAAAAAAAAAAAAAEAAAAFAAAAEwAAAHMaAAAAfABkAGQAhQJkAGQAhQJkAIgAhQJmAxkAUwCpAU6pAKkB2gF0qQHaBw=="),
    ("3.10", "20:", "4wEAAAAAAAAAAAAAAAEAAAAFAAAAEwAAAHMaAAAAfABkAGQAhQJkAGQAhQKIAGQAhQJmAxkAUwCpAU6pAKkB2gF0qQHaBw=="),
    ("3.13", ":20", "4wEAAAAAAAAAAAAAAAUAAAATAAAA8yAAAAA+AZUAVQBTAFMAMgJTAFMAMgJTAFQBMgI0AwUAAAAkAKkBTqkAqQLaAXTaB2lt"),
    ("3.13", "20:", "4wEAAAAAAAAAAAAAAAUAAAATAAAA8yAAAAA+AZUAVQBTAFMAMgJTAFMAMgJUAVMAMgI0AwUAAAAkAKkBTqkAqQLaAXTaB2lt"),
]


@pytest.mark.parametrize(("version", "columns", "start"), COMPILED)
def test_the_slices_are_known_from_other_pythons_too(folder: Path, version: str, columns: str, start: str) -> None:
    model, number = folder / "D-111_0.h5", (":20", "20:").index(columns)
    change_layer(model, "Lambda", number, "config.function.config.code", start)
    assert recognise(model, 40, 20, 45).network == "two_branch"
    change_layer(model, "Lambda", 1 - number, "config.function.config.code", start)
    with pytest.raises(BundleError, match="is Lambda t"):
        recognise(model, 40, 20, 45)


@pytest.mark.parametrize(
    ("name", "values", "complaint"),
    [
        ("feature_cols.npy", np.array([*keras_notebook.COLUMNS[:-1], "tof_5_median"]), "'tof_5_median'"),
        ("feature_cols.npy", np.array([*keras_notebook.COLUMNS[:-1], "acc_x"]), "each once, got 'acc_x'"),
        ("feature_cols.npy", np.array(keras_notebook.COLUMNS[::-1]), "columns of motion, then columns of proximity"),
        ("feature_cols.npy", np.array([1, "x"], dtype=object), "expected names"),
        ("sequence_maxlen.npy", np.array([1, 2]), "a number of rows"),
        ("sequence_maxlen.npy", np.array(41), "expected [None, 41, 45]"),
        ("gesture_classes.npy", np.array([*CMI_GESTURES.classes[:-1], "Zap"]), "Write name on leg"),
    ],
)
def test_files_that_do_not_fit_are_refused(folder: Path, name: str, values: Any, complaint: str) -> None:
    np.save(folder / name, values)
    assert complaint in refused(folder)


def test_a_scaler_that_does_not_fit_is_refused(folder: Path) -> None:
    for scaler in (StandardScaler().fit(np.random.default_rng(0).normal(size=(9, 44))), StandardScaler()):
        joblib.dump(scaler, folder / "scaler.pkl")
        assert "fitted on 45 columns" in refused(folder)
    joblib.dump(np.zeros(45), folder / "scaler.pkl")
    assert "expected a StandardScaler" in refused(folder)
