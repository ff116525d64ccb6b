"""Motion-BIDS: what is written is read again, and data sets of others are read as they say."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from bfrb.cli import app
from bfrb.errors import DataError
from bfrb.read.motion_bids_write import write_motion_bids
from bfrb.read.sources import HeldSource, open_source
from bfrb.study.device import GALAXY_WATCH, HELIOS, Device
from bfrb.study.recordings import Annotation
from bundles import make_recordings

CHANNELS = (
    "time\tn/a\tLATENCY\tn/a\ts\n"
    "belt_x\tx\tACCEL\tbelt\tg\nbelt_y\ty\tACCEL\tbelt\tg\nbelt_z\tz\tACCEL\tbelt\tg\n"
    "right_z\tz\tACCEL\tRightWrist\tg\nright_x\tx\tACCEL\tRightWrist\tg\nright_y\ty\tACCEL\tRightWrist\tg\n"
    "turn_x\tx\tGYRO\tRightWrist\trad/s\nturn_y\ty\tGYRO\tRightWrist\trad/s\nturn_z\tz\tGYRO\tRightWrist\trad/s\n"
)
HEAD = "name\tcomponent\ttype\ttracked_point\tunits\n"


def others(folder: Path) -> Path:
    """A data set as other programs write it: what is about all files lies above them."""
    motion = folder / "sub-07" / "ses-1" / "motion"
    motion.mkdir(parents=True)
    (folder / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.9.0"}')
    (folder / "participants.tsv").write_text("participant_id\tage\nsub-07\t31\n")
    (folder / "task-eat_tracksys-imu_channels.tsv").write_text(HEAD + CHANNELS)
    (folder / "task-eat_tracksys-imu_motion.json").write_text(json.dumps({"SamplingFrequency": 50}))
    (folder / "task-rest_tracksys-imu_motion.json").write_text(json.dumps({"SamplingFrequency": 20}))
    rows = [[row / 50, 0, 0, 9, 1, 0.5, 0, np.pi if row else "n/a", 0, 0] for row in range(100)]
    lines = "\n".join("\t".join(map(str, row)) for row in rows)
    (motion / "sub-07_ses-1_task-eat_tracksys-imu_run-2_motion.tsv").write_text(lines + "\n")
    events = "onset\tduration\ttrial_type\n0.5\t1.0\tnail biting\n"
    (motion / "sub-07_ses-1_task-eat_run-2_events.tsv").write_text(events)
    return folder


def test_a_data_set_is_read_as_its_channels_say(tmp_path: Path) -> None:
    source = open_source(others(tmp_path / "set"))
    recordings = source.read()
    assert recordings.table.select("id", "subject", "age").rows() == [("sub-07_ses-1_task-eat_run-2", "sub-07", 31)]
    assert recordings.device.row_rate_hz == 50
    np.testing.assert_allclose(recordings.sensors["acc"][3], [0.5 * 9.80665, 0, 9.80665], rtol=1e-6)
    np.testing.assert_allclose(recordings.sensors["gyr"][3], [180, 0, 0], rtol=1e-6)
    assert np.isnan(recordings.sensors["gyr"][0, 0])
    annotation = recordings.annotations["gesture"]
    labels = [annotation.names[code] if code >= 0 else None for code in annotation.codes]
    assert labels == [None] * 25 + ["nail biting"] * 50 + [None] * 25


def test_a_study_adds_what_the_format_does_not_say(tmp_path: Path) -> None:
    folder = others(tmp_path / "set")
    study = 'name = "mine"\ndevice = "motion_bids"\n[acc]\ncolumns = ["belt_x", "belt_y", "belt_z"]\nunit = "g"\n'
    study += '[axes]\nx = "thumb"\ny = "palm"\nz = "elbow"\n[worn]\nwrist = "right"\n'
    (folder / "study.toml").write_text(study + '[labels]\nclasses = ["none", "nail biting"]\nunlabelled = "none"\n')
    recordings = open_source(folder).read()
    np.testing.assert_allclose(recordings.sensors["acc"][3], [0, -9 * 9.80665, 0], atol=1e-4)
    assert (recordings.annotations["gesture"].codes >= 0).all()


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("task-eat_tracksys-imu_motion.json", "{}", "expected a SamplingFrequency"),
        ("task-eat_tracksys-imu_motion.json", None, r"there is no \*_motion.json"),
        ("task-eat_tracksys-imu_channels.tsv", "name\ttype\nx\tACCEL\n", "lacks component, tracked_point, units"),
        ("task-eat_tracksys-imu_channels.tsv", HEAD + CHANNELS.replace("RightWrist", "head"), "ACCEL of belt, head"),
        ("sub-08/motion/sub-08_task-rest_tracksys-imu_motion.tsv", "0\n", "there is no .*_channels.tsv"),
        ("sub-07/ses-1/motion/sub-07_ses-1_task-eat_tracksys-imu_run-2_motion.tsv", "1\t2\n", "columns"),
    ],
)
def test_an_incomplete_data_set_is_refused(name: str, text: str | None, told: str, tmp_path: Path) -> None:
    place = others(tmp_path / "set") / name
    place.parent.mkdir(parents=True, exist_ok=True)
    if text is None:
        place.unlink()
    else:
        place.write_text(text)
    with pytest.raises(DataError, match=told):
        open_source(tmp_path / "set").read()


@pytest.mark.parametrize(("device", "per_row"), [(HELIOS, False), (GALAXY_WATCH, True)])
def test_what_is_written_is_read_again(device: Device, per_row: bool, tmp_path: Path) -> None:
    recordings = make_recordings(5, device=device)
    acc = recordings.sensors["acc"].copy()
    acc[7] = np.nan
    recordings = recordings.with_sensors(acc=acc)
    expected = np.repeat(np.array(recordings.gestures, dtype=object), recordings.lengths).tolist()
    if per_row:
        codes = (np.arange(recordings.n_rows) // 9 % 3 - 1).astype(np.int8)
        expected = [None if code < 0 else "ab"[code] for code in codes]
        table = recordings.table.drop("gesture")
        recordings = replace(recordings, table=table, annotations={"gesture": Annotation(codes, ("a", "b"))})
    out = tmp_path / "bids"
    assert write_motion_bids(HeldSource(recordings, "made up"), out) == 5
    names = pl.read_csv(out / "recordings.tsv", separator="\t")
    read = open_source(out).read()
    order = [read.ids.index(f"{name.replace('_run', '_task-recording_run')}") for name in names["recording"]]
    again = read[order]
    assert names["id"].to_list() == recordings.ids
    assert again.lengths.tolist() == recordings.lengths.tolist()
    assert again.device.row_rate_hz == recordings.device.row_rate_hz
    kept = [sensor.name for sensor in again.device.sensors if not sensor.made]  # a watch's orientation is
    for name in kept:
        np.testing.assert_allclose(again.sensors[name], recordings.sensors[name], atol=1e-4)
    assert set(kept) == set(recordings.device.sensor_names) - {"thm", "tof"}
    found = again.annotations["gesture"]
    assert [found.names[code] if code >= 0 else None for code in found.codes] == expected
    with pytest.raises(DataError, match="is there already"):
        write_motion_bids(HeldSource(recordings, "made up"), out)


def test_a_command_writes_motion_bids_and_what_is_simulated_says_so(tmp_path: Path) -> None:
    (others(tmp_path / "set") / "simulated.toml").touch()
    command = ["ingest", str(tmp_path / "set"), "--out", str(tmp_path / "out"), "--to", "bids"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    assert "SIMULATED" in json.loads((tmp_path / "out" / "dataset_description.json").read_text())["Name"]
    found = open_source(tmp_path / "out").read()
    assert (found.n_rows, found.simulated) == (100, True)
