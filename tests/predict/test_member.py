"""Members of a bundle: what their graphs may be, and what becomes of their answers."""

import shutil
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bfrb.features.sequences import Batch, build_sequences
from bfrb.predict.bundle import Bundle
from bfrb.predict.member import load_member, route
from bfrb.predict.predictor import Predictor
from bfrb.study.device import HELIOS
from bfrb.study.recordings import Recordings
from bundles import make_bundle, make_recordings

OLD_BUNDLE = Path(__file__).parents[1] / "files" / "bundle_0.1.tar.xz"
"""A bundle of two small networks with random weights, of format 1, and what they answered to simulated recordings.

Of their unpadded graphs one takes in no lengths but recurrent weights, the other one lengths.
"""


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(OLD_BUNDLE) as archive:
        archive.extractall(folder, filter="data")
    return folder / "old_bundle"


def test_a_network_is_asked_about_some_at_once_and_answers_as_about_all(bundle: Bundle) -> None:
    batch = build_sequences(make_recordings(7), bundle.manifest.branches).batch(range(7), 20)
    member = load_member(bundle, bundle.manifest.members[0])
    np.testing.assert_allclose(replace(member, together=3).answer(batch), member.answer(batch), atol=1e-6)


@pytest.mark.parametrize("unpadded", [True, False])
def test_a_bundle_of_format_1_answers_as_it_did(old: Path, tmp_path: Path, unpadded: bool) -> None:
    bundle, answers = Bundle.open(old), np.load(old / "answers.npz")
    if not unpadded:  # as the first bundles were
        ignored = shutil.ignore_patterns("*.unpadded.onnx")
        bundle = replace(bundle, path=shutil.copytree(old, tmp_path / "first", ignore=ignored))
    inputs = {name.removeprefix("inputs."): answers[name] for name in answers.files if name.startswith("inputs.")}
    batch = Batch(inputs, np.full(2, 13))
    for spec in bundle.manifest.members:
        member = load_member(bundle, spec)
        np.testing.assert_allclose(member.answer(batch), answers[f"{spec.name}.probabilities"], rtol=0, atol=1e-6)
    assert np.isfinite(Predictor(bundle).predict(make_recordings(3)).probabilities).all()


REQUIRED = ((), ("thm", "tof"), ("quaternion",))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return Bundle.open(make_bundle(tmp_path_factory.mktemp("bundles") / "model", members=3))


def with_members(bundle: Bundle, *numbers: int, requires: tuple[tuple[str, ...], ...] = REQUIRED) -> Predictor:
    """A predictor of some of the members, each of which requires what it requires."""
    members = tuple(
        bundle.manifest.members[number].model_copy(update={"requires": requires[number]}) for number in numbers
    )
    return Predictor(replace(bundle, manifest=bundle.manifest.model_copy(update={"members": members})))


def probabilities(predictor: Predictor, recordings: Recordings) -> np.ndarray:
    return predictor.predict(recordings).probabilities


@pytest.mark.parametrize(
    ("missing", "asked"),
    [((), (0, 1, 2)), (("thm",), (0, 2)), (("tof",), (0, 2)), (("thm", "tof"), (0, 2)), (("quaternion",), (0, 1))],
)
def test_members_that_lack_a_sensor_are_not_asked(bundle: Bundle, missing: tuple[str, ...], asked: tuple[int]) -> None:
    recordings = make_recordings(7).without(*missing)
    found = probabilities(with_members(bundle, 0, 1, 2), recordings)
    np.testing.assert_allclose(found, probabilities(with_members(bundle, *asked), recordings), atol=1e-6)
    assert np.isfinite(found).all()
    others = probabilities(with_members(bundle, *({0, 1, 2} - set(asked) or {0})), recordings)
    assert np.abs(found - others).max() > 1e-3


def test_one_missing_image_is_not_a_missing_sensor(bundle: Bundle) -> None:
    recordings = make_recordings(4)
    tof = recordings.sensors["tof"].copy()
    tof[:, 2] = HELIOS.sensor("tof").absent
    recordings = replace(recordings, sensors={**recordings.sensors, "tof": tof})
    assert route(recordings, REQUIRED).all()
    everybody = with_members(bundle, 0, 1, 2, requires=((), (), ()))
    found = probabilities(with_members(bundle, 0, 1, 2), recordings)
    np.testing.assert_array_equal(found, probabilities(everybody, recordings))


def test_recordings_are_routed_one_by_one(bundle: Bundle) -> None:
    complete = make_recordings(6)
    mixed = Recordings.concat([complete[n].without("tof", "thm") if n in (1, 4) else complete[n] for n in range(6)])
    predictor = with_members(bundle, 0, 1, 2)
    found = probabilities(predictor, mixed)
    lone = np.concatenate([probabilities(predictor, mixed[number]) for number in range(6)])
    np.testing.assert_allclose(found, lone, atol=1e-6)
    np.testing.assert_array_equal(predictor.predict_each(mixed).probabilities, lone)
    full = probabilities(predictor, complete)
    np.testing.assert_allclose(found[[0, 2, 3, 5]], full[[0, 2, 3, 5]], atol=1e-6)
    assert np.abs(found[[1, 4]] - full[[1, 4]]).max() > 1e-3
