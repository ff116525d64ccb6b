"""Recordings that are not what they are said to be: each fault is found by check and refused, none is silent."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bfrb.arrays import Array
from bfrb.errors import DataError
from bfrb.read.check import check
from bfrb.read.judging import JudgedSource
from bfrb.read.quality import find_suspicions
from bfrb.read.sources import open_source
from bfrb.read.store import write_store
from bfrb.simulate.spec import StudySpec
from bfrb.simulate.study import simulate_study
from bfrb.study.recordings import Recordings
from bundles import make_bundle
from studies import SourceOf
from typed_commands import Bfrb

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "studies"
Sensors = dict[str, Array]

FAULTS: dict[str, tuple[Callable[[Sensors], Sensors], str]] = {
    "the other sign": (lambda s: {"acc": -s["acc"]}, 'at_rest = "down"'),
    "axes swapped": (lambda s: {"acc": s["acc"][:, [1, 0, 2]]}, "would fit"),
    "x, y, z, w": (lambda s: {"quaternion": s["quaternion"][:, [1, 2, 3, 0]]}, "in the order w, x, y, z"),
    "one axis turned round": (lambda s: {"acc": s["acc"] * np.float32([1, 1, -1])}, "would fit"),
    "in g": (lambda s: {"acc": s["acc"] / np.float32(9.80665)}, 'unit = "g"'),
}


@pytest.fixture(scope="module")
def simulated() -> Recordings:
    return simulate_study(StudySpec(subjects=1), seed=3)[:60].without("tof")


@pytest.fixture(scope="module")
def real(real_data: Path) -> Recordings:
    return open_source(real_data / "cmi" / "train_sample.csv").read().without("tof")


@pytest.fixture(params=["simulated", "real"])
def right(request: pytest.FixtureRequest) -> Recordings:
    recordings: Recordings = request.getfixturevalue(request.param)
    return recordings


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "model")


def stored(folder: Path, recordings: Recordings, **changed: Array) -> Path:
    return write_store([recordings.with_sensors(**changed)], folder / "store", source="a test").path


@pytest.mark.parametrize("fault", FAULTS)
def test_what_physics_speaks_against_is_found_and_refused(fault: str, right: Recordings, tmp_path: Path) -> None:
    change, remedy = FAULTS[fault]
    data = stored(tmp_path, right, **change(dict(right.sensors)))
    report = check(data)
    assert report.verdict == "usable with warnings"
    assert any(remedy in finding.remedy for finding in report.findings if finding.severity == "warning")
    with pytest.raises(DataError) as refused:
        list(JudgedSource(open_source(data)).batches())
    assert remedy in str(refused.value.remedy)
    with pytest.raises(DataError):
        JudgedSource(open_source(data)).read()
    assert len(JudgedSource(open_source(data), anyway=True).read()) == len(right)


def test_every_command_refuses_it_unless_it_is_told_to_go_on(
    simulated: Recordings, bundle: Path, bfrb: Bfrb, tmp_path: Path
) -> None:
    change, remedy = FAULTS["the other sign"]
    data, out = stored(tmp_path, simulated, **change(dict(simulated.sensors))), tmp_path / "answers.csv"
    predict, model = ("predict", bundle, data, "--out", out), tmp_path / "model"
    train = (("train", data, "--out", model), ("compare", data, "--out", model, "--sensors"))
    for command in (predict, ("evaluate", bundle, data), *train):
        refused = bfrb(*command)
        told = " ".join(refused.err.split())
        assert (refused.code, remedy in told, "--anyway" in told) == (2, True, True), command
    assert not out.exists()
    assert not model.exists()
    went_on = bfrb(*predict, "--anyway")
    assert (went_on.code, remedy in " ".join(went_on.err.split())) == (0, True)


def test_recordings_that_are_right_are_answered(right: Recordings, bundle: Path, bfrb: Bfrb, tmp_path: Path) -> None:
    found = bfrb("predict", bundle, stored(tmp_path, right), "--out", tmp_path / "answers.csv")
    assert (found.code, "warning" in found.err) == (0, False)


def test_one_device_worn_wrongly_is_not_hidden_by_the_others(right: Recordings) -> None:
    acc = right.sensors["acc"].copy()
    acc[right.offsets[-3] :] *= -1
    mixed = replace(right, sensors={**right.sensors, "acc": acc})
    assert not any(found.fatal for found in find_suspicions(mixed))
    with pytest.raises(DataError, match="gravity should point up"):
        list(JudgedSource(SourceOf(mixed)).batches())


def test_accelerations_alone_are_refused_or_answered_by_whoever_can(
    right: Recordings, bfrb: Bfrb, tmp_path: Path
) -> None:
    data = stored(tmp_path, right.without("quaternion"))
    assert "accelerometer only" in [finding.kind for finding in check(data).findings]
    both = ("acc", "quaternion")
    alone = make_bundle(tmp_path / "needing", requires=[both, both])
    refused = bfrb("predict", alone, data, "--out", tmp_path / "answers.csv")
    told = "no network of the bundle can do without acc and quaternion"
    assert (refused.code, told in " ".join(refused.err.split())) == (2, True)
    went_on = bfrb("predict", alone, data, "--out", tmp_path / "answers.csv", "--anyway")
    assert (went_on.code, "their answers are doubtful" in " ".join(went_on.err.split())) == (0, True)
    able = make_bundle(tmp_path / "able", requires=[both, ("acc",)])
    assert bfrb("predict", able, data, "--out", tmp_path / "others.csv").code == 0


@pytest.mark.parametrize(
    ("study", "folder"), [("ha24", "ha24_watch"), ("utd_mhad", "utd_mhad_wrist"), ("wisdm", "wisdm_watch")]
)
def test_nothing_is_said_against_real_studies_and_all_against_another_unit(
    real_data: Path, study: str, folder: str
) -> None:
    source = JudgedSource(open_source(real_data / folder, str(EXAMPLES / f"{study}.toml")))
    for _, batch in zip(range(6), source.batches(), strict=False):
        radians = replace(batch, sensors={**batch.sensors, "gyr": np.deg2rad(batch.sensors["gyr"])})
        fatal = [found for found in find_suspicions(radians) if found.fatal]
        assert [found.kind for found in fatal] == ["angular velocity"]
        assert 'unit = "rad/s"' in fatal[0].remedy


@pytest.fixture(scope="module")
def day() -> Recordings:
    """Half an hour of a simulated wearer."""
    return simulate_study(StudySpec(subjects=1), seed=4).without("thm", "tof")


def sample_table(folder: Path, recordings: Recordings) -> Path:
    """All rows one after the other, as one recording's samples."""
    device = recordings.device
    columns = {"time_s": np.arange(recordings.n_rows) / device.row_rate_hz}
    for name in ("acc", "quaternion"):
        columns |= dict(zip(device.sensor(name).columns, recordings.sensors[name].T, strict=True))
    pl.DataFrame(columns).fill_nan(None).write_csv(folder / "samples.csv")
    return folder / "samples.csv"


@pytest.mark.parametrize("fault", [None, "the other sign", "x, y, z, w"])
def test_a_stream_counts_what_physics_speaks_against_and_detect_refuses_it(
    fault: str | None, day: Recordings, bundle: Path, bfrb: Bfrb, tmp_path: Path
) -> None:
    changed = {} if fault is None else FAULTS[fault][0](dict(day.sensors))
    data = sample_table(tmp_path, replace(day, sensors={**day.sensors, **changed}))
    command = ("detect", bundle, data, "--out", tmp_path / "events.csv", "--json")
    if fault is not None:
        refused = bfrb(*command)
        assert (refused.code, FAULTS[fault][1] in " ".join(refused.err.split())) == (2, True)
        assert not (tmp_path / "events.csv").exists()
    counts = bfrb(*command, *(["--anyway"] if fault else [])).json["counts"]
    assert counts["windows"] > 100
    assert counts["windows_contradictory"] == (counts["windows"] if fault else 0)
    assert counts["windows_doubtful"] == 0


@pytest.mark.parametrize("size", [1 / 9.80665, 1000 / 9.80665])
def test_detect_refuses_accelerations_of_another_unit(
    size: float, day: Recordings, bundle: Path, bfrb: Bfrb, tmp_path: Path
) -> None:
    data = sample_table(tmp_path, day)
    pl.read_csv(data).with_columns(pl.col("^acc_.$") * size).write_csv(data)
    command = ("detect", bundle, data, "--out", tmp_path / "events.csv")
    refused = bfrb(*command)
    assert (refused.code, (tmp_path / "events.csv").exists()) == (2, False)
    assert "expected accelerations of 3 to 30 m/s^2" in refused.err
    assert "--acc-unit" in refused.err
    went_on = bfrb(*command, "--anyway")
    assert (went_on.code, "nothing was answered" in went_on.err) == (0, True)
    assert bfrb(*command, "--acc-unit", "g" if size < 1 else "mg").code == 0


def test_a_stream_counts_windows_that_no_network_can_answer_well(day: Recordings, bfrb: Bfrb, tmp_path: Path) -> None:
    needing = make_bundle(tmp_path / "needing", requires=[("acc", "quaternion")] * 2)
    command = ("detect", needing, sample_table(tmp_path, day.without("quaternion")), "--out", tmp_path / "events.csv")
    refused = bfrb(*command, "--json")
    assert (refused.code, "lack what every network" in " ".join(refused.err.split())) == (2, True)
    counts = bfrb(*command, "--json", "--anyway").json["counts"]
    assert counts["windows_doubtful"] == counts["windows"] > 100
