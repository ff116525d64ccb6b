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
from bfrb.read.cmi_write import rows_of
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
def day() -> Recordings:
    """Half an hour of a simulated wearer."""
    return simulate_study(StudySpec(subjects=1), seed=3).without("tof")


@pytest.fixture(scope="module")
def simulated(day: Recordings) -> Recordings:
    return day[:60]


@pytest.fixture(scope="module")
def real(real_data: Path) -> Recordings:
    return open_source(real_data / "cmi" / "train_sample.csv").read().without("tof")


@pytest.fixture(params=["simulated", "real"])
def right(request: pytest.FixtureRequest) -> Recordings:
    recordings: Recordings = request.getfixturevalue(request.param)
    return recordings


def stored(folder: Path, recordings: Recordings, **changed: Array) -> Path:
    return write_store([recordings.with_sensors(**changed)], folder / "store", source="a test").path


@pytest.mark.parametrize("fault", FAULTS)
def test_what_physics_speaks_against_is_found_and_refused(fault: str, right: Recordings, tmp_path: Path) -> None:
    change, remedy = FAULTS[fault]
    data = stored(tmp_path, right, **change(dict(right.sensors)))
    report = check(data)
    assert report.verdict == "usable with warnings"
    assert any(remedy in finding.remedy for finding in report.findings if finding.severity == "warning")
    assert report.findings[0].refused  # the one that is told last, beside the table
    with pytest.raises(DataError) as refused:
        JudgedSource(open_source(data)).read()
    assert remedy in refused.value.remedy
    assert len(JudgedSource(open_source(data), anyway=True).read()) == len(right)


def test_every_command_refuses_it_unless_it_is_told_to_go_on(
    simulated: Recordings, bundle: Path, bfrb: Bfrb, tmp_path: Path
) -> None:
    change, remedy = FAULTS["the other sign"]
    data, out = stored(tmp_path, simulated, **change(dict(simulated.sensors))), tmp_path / "answers.csv"
    predict, model = ("predict", bundle, data, "--out", out), tmp_path / "model"
    train = (("train", data, "--out", model), ("compare", data, "--out", model, "--sensors"))
    for command in (predict, ("evaluate", bundle, data), *train):
        bfrb(*command).refuses(remedy, "--anyway")
    assert not out.exists()
    assert not model.exists()
    assert remedy in " ".join(bfrb(*predict, "--anyway").works().err.split())


def test_recordings_that_are_right_are_answered(right: Recordings, bundle: Path, bfrb: Bfrb, tmp_path: Path) -> None:
    found = bfrb("predict", bundle, stored(tmp_path, right), "--out", tmp_path / "answers.csv").works()
    assert "warning" not in found.err


def test_one_device_worn_wrongly_is_not_hidden_by_the_others(simulated: Recordings) -> None:
    acc = simulated.sensors["acc"].copy()
    acc[simulated.offsets[-3] :] *= -1
    mixed = simulated.with_sensors(acc=acc)
    assert not any(found.fatal for found in find_suspicions(mixed))
    with pytest.raises(DataError, match="gravity should point up"):
        list(JudgedSource(SourceOf(mixed)).batches())


def test_accelerations_alone_are_refused_or_answered_if_able(simulated: Recordings, bfrb: Bfrb, tmp_path: Path) -> None:
    data, out, both = stored(tmp_path, simulated.without("quaternion")), tmp_path / "answers.csv", ("acc", "quaternion")
    assert "accelerometer only" in [finding.kind for finding in check(data).findings]
    alone = make_bundle(tmp_path / "needing", requires=[both, both])
    bfrb("predict", alone, data, "--out", out).refuses("no network of the bundle can do without acc and quaternion")
    told = bfrb("predict", alone, data, "--out", out, "--anyway").works().err
    assert "their answers are doubtful" in " ".join(told.split())
    command = detecting(alone, simulated.without("quaternion"), tmp_path)
    bfrb(*command).refuses("lack what every network")
    counts = bfrb(*command, "--anyway").works().json["counts"]
    assert counts["windows_doubtful"] == counts["windows"] > 100
    able = make_bundle(tmp_path / "able", requires=[both, ("acc",)])
    bfrb("predict", able, data, "--out", tmp_path / "others.csv").works()


@pytest.mark.parametrize(
    ("study", "folder"), [("ha24", "ha24_watch"), ("utd_mhad", "utd_mhad_wrist"), ("wisdm", "wisdm_watch")]
)
def test_real_studies_are_right_and_in_another_unit_wrong(real_data: Path, study: str, folder: str) -> None:
    source = JudgedSource(open_source(real_data / folder, str(EXAMPLES / f"{study}.toml")))
    for _, batch in zip(range(2), source.batches(), strict=False):
        radians = replace(batch, sensors={**batch.sensors, "gyr": np.deg2rad(batch.sensors["gyr"])})
        fatal = [found for found in find_suspicions(radians) if found.fatal]
        assert [found.kind for found in fatal] == ["angular velocity"]
        assert 'unit = "rad/s"' in fatal[0].remedy


def detecting(bundle: Path, recordings: Recordings, folder: Path, unit_m_s2: float = 1.0) -> tuple[object, ...]:
    """The command to detect in all rows one after the other, as one recording's samples, accelerations in a unit."""
    rows = rows_of(recordings).select(pl.selectors.matches("^(acc|rot)_"))
    rows = rows.with_columns(pl.selectors.starts_with("acc_") / unit_m_s2)
    rows.with_columns(time_s=pl.int_range(len(rows)) / recordings.device.row_rate_hz).write_csv(folder / "samples.csv")
    return ("detect", bundle, folder / "samples.csv", "--out", folder / "events.csv", "--overwrite", "--json")


@pytest.mark.parametrize("fault", [None, "the other sign", "x, y, z, w"])
def test_a_stream_counts_what_physics_speaks_against_and_detect_refuses_it(
    fault: str | None, day: Recordings, bundle: Path, bfrb: Bfrb, tmp_path: Path
) -> None:
    changed = {} if fault is None else FAULTS[fault][0](dict(day.sensors))
    command = detecting(bundle, day.with_sensors(**changed), tmp_path)
    if fault is not None:
        bfrb(*command).refuses(FAULTS[fault][1])
        assert not (tmp_path / "events.csv").exists()
    counts = bfrb(*command, *(["--anyway"] if fault else [])).works().json["counts"]
    assert counts["windows"] > 100
    assert counts["windows_contradictory"] == (counts["windows"] if fault else 0)
    assert counts["windows_doubtful"] == 0


def test_detect_refuses_another_unit(simulated: Recordings, bundle: Path, bfrb: Bfrb, tmp_path: Path) -> None:
    command = detecting(bundle, simulated, tmp_path, 0.00980665)
    bfrb(*command).refuses("expected accelerations of 3 to 30 m/s^2", "--acc-unit")
    assert not (tmp_path / "events.csv").exists()
    assert "nothing was answered" in bfrb(*command, "--anyway").works().err
    assert bfrb(*command, "--acc-unit", "mg", "--overwrite").works().json["counts"]["windows"] > 100
