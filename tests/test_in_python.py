"""What `import bfrb` offers to scripts and notebooks: frames in, frames out, and an estimator."""

import pickle
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, cross_val_predict, cross_val_score
from sklearn.utils import estimator_checks

import bfrb
from bfrb.errors import DataError
from bfrb.predict.predictor import load
from bfrb.read.sources import Source
from bfrb.study.description import Description
from bfrb.study.labels import CMI_GESTURES, LabelSet
from bfrb.study.windows import WindowSpec, cut_continuous
from bfrb.train import estimator
from bfrb.train.in_python import find_labels
from bundles import make_bundle, make_recordings
from cmi_files import assert_same

WATCH = Description.parse(
    {
        "name": "my watch",
        "time": {"column": "ms", "unit": "ms"},
        "acc": {"columns": ["ax", "ay", "az"], "unit": "g"},
        "recordings": {"id": "{session}", "subject": "{who}"},
        "labels": {"column": "doing", "classes": ["rest", "knead"], "targets": ["knead"]},
    }
)
FOUR = LabelSet("own", ("bite", "none", "pull", "rest"), frozenset({"bite", "pull"}))


def watch_frame(rows: int = 40) -> pl.DataFrame:
    """Two recordings of half of the rows each."""
    row, half = np.arange(rows), rows // 2
    about = {"session": ["a"] * half + ["b"] * half, "who": ["s"] * half + ["t"] * half, "doing": ["knead"] * rows}
    tremble = 0.01 * (row % 7)
    return pl.DataFrame(about | {"ms": 20 * (row % half), "ax": tremble, "ay": tremble, "az": 1 + tremble})


def test_there_are_at_most_twelve_public_names_and_all_are_there() -> None:
    assert len(bfrb.__all__) <= 12
    assert {name for name in bfrb.__all__ if getattr(bfrb, name) is not None} <= set(dir(bfrb))
    assert bfrb.__version__ == version("bfrb")
    with pytest.raises(AttributeError, match="laod"):
        bfrb.laod  # noqa: B018


WRONG: list[tuple[Any, str]] = [
    (lambda _: bfrb.load(5), "expected the path of a bundle, got int"),
    (lambda _: bfrb.load(make_recordings(1)), "the path of a bundle, got Recordings"),
    (lambda _: bfrb.read(5), "as a polars or pandas frame, got int"),
    (lambda frame: bfrb.read(frame, frame), "expected a description, its name or its file, got DataFrame"),
    (lambda frame: bfrb.read(__file__, demographics=frame), "a file of demographics beside a path, got DataFrame"),
]


@pytest.mark.parametrize(("call", "told"), WRONG, ids=[told for _, told in WRONG])
def test_what_is_given_in_another_s_place_is_told(call: Any, told: str) -> None:
    with pytest.raises(bfrb.BfrbError, match=told):
        call(watch_frame())


@pytest.mark.parametrize("kind", ["polars", "pandas"])
def test_a_frame_is_read_as_a_description_says(kind: str, tmp_path: Path) -> None:
    frame: Any = watch_frame() if kind == "polars" else watch_frame().to_pandas()
    (tmp_path / "watch.toml").write_text(WATCH.to_toml(), encoding="utf-8")
    watch_frame().write_csv(tmp_path / "watch.csv")
    from_file = bfrb.read(tmp_path / "watch.csv", WATCH)
    assert (from_file.ids, from_file.subjects.tolist(), from_file.device.row_rate_hz) == (["a", "b"], ["s", "t"], 50)
    for recordings in (bfrb.read(frame, WATCH), bfrb.read(frame, tmp_path / "watch.toml")):
        assert_same(recordings, from_file)


def test_a_predictor_takes_paths_and_frames(tmp_path: Path) -> None:
    recordings = bfrb.read(watch_frame(), WATCH)
    predictor = load(make_bundle(tmp_path / "model", device=recordings.device, label_set=FOUR))
    windows = predictor.predict(watch_frame(1200), WATCH)
    watch_frame(1200).write_csv(tmp_path / "watch.csv")
    again = predictor.predict(tmp_path / "watch.csv", description=WATCH)
    np.testing.assert_array_equal(windows.probabilities, again.probabilities)
    assert len(windows) > 2
    assert windows.to_frame().columns == ["sequence_id", "prediction", "confidence", *FOUR.classes]
    expected = predictor.predict(predictor.cut(bfrb.read(watch_frame(1200), WATCH)))
    np.testing.assert_array_equal(windows.probabilities, expected.probabilities)


def test_what_physics_speaks_against_is_refused_or_gone_on_with_anyway(real_data: Path, tmp_path: Path) -> None:
    frame = pl.read_csv(real_data / "cmi" / "test.csv").with_columns(pl.col("^acc_.$") / 9.80665)
    predictor = load(make_bundle(tmp_path / "model"))
    assert bfrb.features(frame, "acc_magnitude").columns == ["id", "row", "time_s", "acc_magnitude"]
    with pytest.raises(DataError, match=r"(?s)g.*anyway=True"):
        predictor.predict(frame)
    assert len(predictor.predict(frame, anyway=True).gestures) == 2
    with pytest.raises(DataError, match="anyway=True"):
        bfrb.train(frame.with_columns(gesture=pl.lit("Text on phone")), tmp_path / "new")


def test_recordings_predictors_and_predictions_show_themselves(tmp_path: Path) -> None:
    recordings = make_recordings(3)
    predictor = load(make_bundle(tmp_path / "model", simulated=True))
    shown = {
        "3 of helios, 3 subjects": recordings,
        "2 networks, 18 classes of cmi, helios at 10 Hz, SIMULATED": predictor,
        "3 recordings, 18 classes of cmi": predictor.predict(recordings),
    }
    for text, thing in shown.items():
        assert text in repr(thing)
        assert "\n" not in repr(thing)
        assert all(part in thing._repr_html_() for part in (text, "<table"))


def test_features_are_a_frame_with_gaps_per_row_or_statistics_of_what_was_measured_per_recording() -> None:
    recordings = make_recordings(4).without("thm")
    acc = recordings.sensors["acc"].copy()
    acc[4] = np.nan
    table = bfrb.features(recordings.with_sensors(acc=acc))
    assert table["id"].to_list() == np.repeat(recordings.ids, recordings.lengths).tolist()
    assert table["time_s"].to_list()[:3] == [0.0, 0.1, 0.2]
    assert table["row"].max() == recordings.lengths.max() - 1
    assert table["acc_magnitude"].is_null().arg_true().to_list() == [4]
    assert table["thm_1"].is_null().all()
    np.testing.assert_allclose(table["acc_x"].to_numpy()[5:], acc[5:, 0], rtol=1e-6)
    acc[recordings.offsets[1] : recordings.offsets[2]] = np.nan
    table = bfrb.features(recordings.with_sensors(acc=acc), ["acc"], per="recording")
    assert table.columns[:4] == [*recordings.table.columns, "acc_x_mean"]
    for number in (0, 2, 3):
        own = acc[recordings.offsets[number] : recordings.offsets[number + 1], 1].astype(np.float64)
        expected = [np.nanmean(own), np.nanstd(own), np.nanmin(own), np.nanmax(own)]
        found = table.select(f"acc_y_{kind}" for kind in ("mean", "sd", "min", "max")).row(number)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert set(table.drop(recordings.table.columns).row(1)) == {None}


def test_the_labels_of_recordings_in_memory() -> None:
    assert find_labels(make_recordings(4)) is CMI_GESTURES
    own = make_recordings(8, label_set=FOUR)
    assert find_labels(own, ["pull"]) == LabelSet("own", ("none", "bite", "pull", "rest"), frozenset({"pull"}))
    assert find_labels(own).targets == {"bite", "pull", "rest"}
    assert find_labels(bfrb.read(watch_frame(), WATCH), "knead").classes == ("knead", "rest")
    with pytest.raises(DataError, match="no recording is of the target 'lick'"):
        find_labels(own, ["lick"])
    with pytest.raises(DataError, match="found no gesture"):
        find_labels(own.with_table(own.table.drop("gesture")))


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Source]:
    """Trainings give random networks at once; the sources they were asked to learn from."""
    sources: list[Source] = []

    def train_source(source: Source, out: Path, *_: object, **options: Any) -> bfrb.Predictor:
        assert options == {"workers": 0, "overwrite": True}
        assert source.label_set is not None
        sources.append(source)
        return load(make_bundle(out, label_set=source.label_set))

    monkeypatch.setattr(estimator, "train_source", train_source)
    return sources


def test_cross_validation_keeps_people_apart(quick: list[Source]) -> None:
    recordings = make_recordings(24, label_set=FOUR, subjects=6)
    classifier = bfrb.Classifier(targets=["bite", "pull"])
    groups = classifier.groups(recordings)
    scores = cross_val_score(classifier, recordings, groups=groups, cv=GroupKFold(3), error_score="raise")
    assert ((scores >= 0) & (scores <= 1)).tolist() == [True] * 3
    learnt = [set(source.read().subjects) for source in quick]
    assert [len(people) for people in learnt] == [4, 4, 4]
    assert set.intersection(*learnt) == set()
    assert {source.label_set for source in quick} == {FOUR}


def test_labels_of_any_kind_are_given_and_answered(quick: list[Source]) -> None:
    recordings = make_recordings(12, subjects=4)
    numbers = np.arange(12) % 3 + 8
    found = cross_val_predict(bfrb.Classifier(), recordings, numbers, groups=recordings.subjects, cv=GroupKFold(2))
    assert (found.dtype, {8, 9, 10} >= set(found.tolist())) == (numbers.dtype, True)
    fitted = bfrb.Classifier().fit(recordings, numbers)
    assert fitted.classes_.tolist() == [8, 9, 10]
    probabilities = fitted.predict_proba([recordings[0], recordings[5]])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0)
    expected = fitted.predictor_.predict(recordings[[0, 5]])
    order = [expected.label_set.classes.index(str(name)) for name in fitted.classes_]
    np.testing.assert_allclose(probabilities, expected.probabilities[:, order])
    assert fitted.score(recordings, np.where(numbers == 8, 11, numbers)) < 1


def test_a_fitted_classifier_is_pickled_and_its_folder_goes_with_it(quick: list[Source], tmp_path: Path) -> None:
    recordings = make_recordings(6)
    fitted = bfrb.Classifier().fit(recordings)
    folder = fitted.predictor_.bundle.path
    again = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(again.predict_proba(recordings), fitted.predict_proba(recordings))
    del fitted
    assert not folder.exists()
    bfrb.Classifier(out=tmp_path / "kept").fit(recordings)
    assert (tmp_path / "kept").exists()


def test_it_is_an_estimator_to_scikit_learn_and_refuses_what_it_cannot_learn_from() -> None:
    for check in ("parameters_default_constructible", "get_params_invariance", "estimator_cloneable"):
        getattr(estimator_checks, f"check_{check}")("Classifier", bfrb.Classifier())
    recordings = make_recordings(6)
    classifier = clone(bfrb.Classifier(preset="watch", settings={"folds": 2}))
    assert classifier.get_params().items() >= {"preset": "watch", "settings": {"folds": 2}}.items()
    with pytest.raises(NotFittedError):
        classifier.predict(recordings)
    with pytest.raises(DataError, match="expected recordings, got float"):
        classifier.fit([1.0, 2.0], ["a", "b"])
    with pytest.raises(DataError, match="expected a label for each of 6 recordings, got 2"):
        classifier.fit(recordings, ["a", "b"])
    continuous = bfrb.read(watch_frame(1200), WATCH)
    with pytest.raises(DataError, match="cut_continuous"):
        classifier.fit(continuous)
    assert set(cut_continuous(continuous, WindowSpec()).gestures or ()) == {"knead"}
