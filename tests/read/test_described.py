"""Tables as devices and apps write them, and studies as a user would describe them."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from bfrb.errors import BfrbError, ConfigError, DataError
from bfrb.read.described import Reader
from bfrb.read.described_source import DescribedSource
from bfrb.read.describing import describe_file
from bfrb.read.findings import Findings
from bfrb.read.series import RecordedSamples, make_rows
from bfrb.read.sources import open_source
from bfrb.study.description import Description, find_description
from bfrb.study.device import Device, Sensor
from bfrb.study.labels import LabelSet
from made_up import plain_table

WATCH = """
name = "watch"
[time]
column = "t"
unit = "ms"
[acc]
columns = ["ax", "ay", "az"]
unit = "g"
"""
TABLES = {
    "commas": ("t,ax,ay,az\n", ","),
    "a byte order mark": ("\ufefft,ax,ay,az\n", ","),
    "semicolons": ("sep=;\nt;ax;ay;az\n", ";"),
    "tabs and lines before": ("Device: x\nFirmware 1.2, beta\n\nt\tax\tay\taz\n", "\t"),
    "a line of units": ("t,ax,ay,az\nms,g,g,g\nms,g,g,g\n", ","),
    "more columns": ("number,t,ax,ay,az\n", ","),
}


def describe(text: str, **tables: str) -> Description:
    return Description.from_toml(text + "".join(f"[{name}]\n{values}\n" for name, values in tables.items()))


@pytest.mark.parametrize("layout", TABLES)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_table_is_read_however_it_is_laid_out(layout: str, ends: str, tmp_path: Path) -> None:
    head, separator = TABLES[layout]
    rows = [[*[str(n)] * (layout == "more columns"), str(10 * n), "0.5", "-0.25", str(n / 4)] for n in range(40)]
    text = head + "\n".join(map(separator.join, rows)) + "\n"
    (tmp_path / "walk.csv").write_bytes(text.replace("\n", ends).encode())
    (series,) = Reader(describe(WATCH)).iter_samples(tmp_path / "walk.csv")
    expected = [[0.5 * 9.80665, -0.25 * 9.80665, n / 4 * 9.80665] for n in range(40)]
    np.testing.assert_allclose(series.sensors["acc"], expected, rtol=1e-6)
    np.testing.assert_allclose(series.time_s - series.time_s[0], np.arange(40) / 100, atol=1e-9)
    assert series.table["id"].to_list() == ["walk"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("t,ax,ay,az\n0,1,2,3\n10,1,oops,3\n", "expected a number, found 'oops' in line 3, column ay"),
        ("t,ax,ay,az\n0,1,2,3\n10,1,2,3,4\n", "4 fields in every line, as many as there are names, found 5 in line 3"),
        ("t,ax,ay,az\n10,1,2,3\n0,1,2,3\n", "one that is 0.010 s earlier than one before it in line 3"),
        ("t,ax,ay,az\n0,1,2,3\n,1,2,3\n", "a time in every row, found None in line 3"),
    ],
)
def test_what_is_damaged_is_named_with_its_line(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "walk.csv").write_text(text)
    with pytest.raises(DataError) as refused:
        list(Reader(describe(WATCH)).iter_samples(tmp_path / "walk.csv"))
    assert complaint in refused.value.problem


def test_clocks_with_and_without_a_zone_agree(tmp_path: Path) -> None:
    text = WATCH.replace('unit = "ms"', 'unit = "iso8601"\nzone = "Europe/Berlin"')
    for times in ("2024-07-01T12:00:00.5{}0+02:00", "2024-07-01 12:00:00.5{}0"):
        (tmp_path / "a.csv").write_text("t,ax,ay,az\n" + "".join(f"{times.format(n)},0,0,1\n" for n in (0, 2)))
        (series,) = Reader(describe(text)).iter_samples(tmp_path / "a.csv")
        np.testing.assert_allclose(series.time_s, [1719828000.5, 1719828000.52])


def test_sensors_with_files_of_their_own_meet_by_time(tmp_path: Path) -> None:
    for person in ("ann", "bob"):
        (tmp_path / person).mkdir()
        times = np.arange(0, 2000, 20)
        pl.DataFrame({"t": times, "x": 1.0, "y": 0.0, "z": times / 1000}).write_csv(tmp_path / person / "Acc.csv")
        pl.DataFrame({"t": times[5:] + 3, "x": 1.0, "y": 0.0, "z": 0.0}).write_csv(tmp_path / person / "Gyro.csv")
    text = WATCH.replace('["ax", "ay", "az"]', '["x", "y", "z"]\nmatch = "Acc.csv"')
    gyr = 'columns = ["x", "y", "z"]\nunit = "rad/s"\nmatch = "Gyro.csv"'
    ann, bob = Reader(describe(text, gyr=gyr, recordings='id = "{folder}"')).iter_samples(tmp_path)
    assert [one.table.row(0) for one in (ann, bob)] == [("ann", "ann"), ("bob", "bob")]
    assert np.isnan(ann.sensors["gyr"][:5]).all()
    np.testing.assert_allclose(ann.sensors["gyr"][5:, 0], np.rad2deg(1.0), rtol=1e-6)


def study(folder: Path, labels: str, match: str = "*") -> DescribedSource:
    """Two people, two recordings each in one table, with a label in every row."""
    rows = np.arange(200)
    doing = np.where(rows % 100 < 50, "rest", "pulls")
    frame = pl.DataFrame({"t": rows % 100 * 20, "ax": 0.0, "ay": 0.0, "az": 1.0, "walk": rows // 100, "doing": doing})
    for person in ("p01", "p1"):
        frame.write_csv(folder / f"{person}.csv")
    text = 'id = "{file}-{walk}"\nsubject = "{file}"'
    return DescribedSource(folder, describe(WATCH, recordings=text, labels=labels, file=f'match = "{match}"'))


def test_a_study_has_its_own_labels_and_people(tmp_path: Path) -> None:
    source = study(tmp_path, 'column = "doing"\nmerge = { pulls = "hair pulling" }\ntargets = ["hair pulling"]')
    recordings = source.read()
    assert recordings.ids == ["p01-0", "p01-1", "p1-0", "p1-1"]
    assert set(recordings.subjects) == {"p01", "p1"}
    assert source.label_set == LabelSet("watch", ("hair pulling", "rest"), frozenset({"hair pulling"}))
    assert recordings.device.row_rate_hz == pytest.approx(50)
    assert recordings[0].annotations["gesture"].codes.tolist() == [1] * 50 + [0] * 50
    assert [len(part) for part in source.batches(150)] == [1, 1, 1, 1]
    with pytest.raises(DataError, match="one doing in all rows of a recording, found 'pulls'"):
        study(tmp_path, 'column = "doing"\nper = "recording"').read()
    with pytest.raises(ConfigError, match="looks for 'sleeping'"):
        _ = study(tmp_path, 'column = "doing"\ntargets = ["sleeping"]').label_set


def test_labels_saved_beside_the_recordings_are_theirs(tmp_path: Path) -> None:
    labels = 'files = "*.labels.csv"\nunlabelled = "none"\ntargets = ["nail biting"]'
    (tmp_path / "study.labels.csv").write_text("recording,start_s,end_s,label\np1-1,0.5,1.0,nail biting\n")
    annotation = study(tmp_path, labels, "p*.csv").read().annotations["gesture"]
    names = np.array(annotation.names)[annotation.codes]
    assert names.tolist() == ["none"] * 325 + ["nail biting"] * 25 + ["none"] * 50


def test_a_file_of_labels_is_of_the_recording_it_is_called_like_and_strays_are_told(tmp_path: Path) -> None:
    rows = pl.DataFrame({"t": np.arange(100) * 20, "ax": 0.0, "ay": 0.0, "az": 1.0})
    for name in ("p1_mon", "p1_monday", "p2_mon"):
        rows.write_csv(tmp_path / f"{name}.csv")
    events = "onset\tduration\ttrial_type\n{}\t0.5\tbiting\n"
    for name, onset in (("p1_mon_events", 0), ("p1_monday", 1), ("p20_mon", 1), ("p2_mon", 9)):
        (tmp_path / f"{name}.tsv").write_text(events.format(onset))
    tables = {
        "recordings": 'path = "{subject}_{session}.csv"\nid = "{file}"\nsubject = "{subject}"',
        "labels": 'files = "*.tsv"\nunlabelled = "none"\ntargets = ["biting"]',
    }
    found = Findings()
    description = describe(WATCH, file='match = "*.csv"', **tables)
    recordings = DescribedSource(tmp_path, description, report=found).read()
    assert list(recordings.subjects) == ["p1", "p1", "p2"]
    labels = [one.annotations["gesture"] for one in recordings]
    first = [np.flatnonzero(np.array(label.names)[label.codes] == "biting").tolist()[:1] for label in labels]
    assert dict(zip(recordings.ids, first, strict=True)) == {"p1_mon": [0], "p1_monday": [50], "p2_mon": []}
    assert [finding.sentence for finding in found] == [
        "expected labels of times within their recording, found none, the first at 9 s in p2_mon",
        "expected labels of recordings that are there, such as 'p1_mon', found some of 'p20_mon'",
    ]


@pytest.mark.parametrize("how", ["nearest", "mean"])
@pytest.mark.parametrize("count", [1, 2, 400])
def test_gaps_stay_gaps_and_every_sample_falls_into_its_row(count: int, how: str) -> None:
    rng = np.random.default_rng(count)
    times = np.cumsum(rng.choice([0.02, 0.021, 0.3], count, p=[0.6, 0.3, 0.1]))
    values = rng.normal(size=(count, 3)).astype(np.float32)
    samples = RecordedSamples(plain_table(1), np.array([0, count]), times, {"acc": values})
    device = Device(name="watch", sensors=(Sensor(name="acc"),), row_rate_hz=25)
    sensors, rows, offsets = make_rows(samples, device, how)
    made = sensors["acc"]
    assert len(made) == rows[-1] + 1 == offsets[-1]
    filled = np.isin(np.arange(len(made)), rows)
    assert (np.isnan(made).any(axis=1) == ~filled).all()
    alone = np.flatnonzero(np.bincount(rows, minlength=len(made)) == 1)
    np.testing.assert_array_equal(made[alone], values[np.isin(rows, alone)])


def test_a_wrong_description_says_what_is_expected() -> None:
    for text, complaint in (
        ("[acc]\ncolumns = ['x', 'y', 'z']\nunit = 'lb'", "expected the unit of acc"),
        ("[acc]\ncolumns = ['x', 'y']\nunit = 'g'", "three columns"),
        ("[axes]\nx = 'noon'\ny = '3h'\nz = 'out'", "expected one of thumb"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            Description.from_toml(f"name = 'x'\n{text}")


def turned_arm(rate_hz: float = 50.0) -> dict[str, np.ndarray]:
    """Eight seconds of an arm that turns about its x axis, in SI units: gravity goes as the gyroscope says."""
    time_s = np.arange(0, 8, 1 / rate_hz)
    angle = np.sin(2.0 * time_s)
    zero = np.zeros_like(time_s)
    acc = {"ax": zero, "ay": 9.80665 * np.sin(angle), "az": 9.80665 * np.cos(angle)}
    turn = {"qw": np.cos(angle / 2), "qx": np.sin(angle / 2), "qy": zero, "qz": zero}
    return {"time": time_s, **acc, "gx": np.rad2deg(2.0 * np.cos(2.0 * time_s)), "gy": zero, "gz": zero, **turn}


UNITS = "s" + ",m/s^2" * 3 + ",deg/s" * 3 + ",1" * 4
Change = Callable[[dict[str, np.ndarray]], dict[str, object]]
Write = Callable[[str], str]
FILES: dict[str, tuple[Change, Write]] = {
    "semicolons, decimal commas": (dict, lambda text: text.replace(",", ";").replace(".", ",")),
    "units, lines before": (
        dict,
        lambda text: "No 17\nby hand, twice\n" + text.replace("\n", f"\n{UNITS}\n", 1),
    ),
    "no names": (lambda c: {n: c[n] for n in ("time", "ax", "ay", "az")}, lambda text: text.partition("\n")[2]),
    "microseconds since 1970": (lambda c: c | {"time": np.round(c["time"] * 1e6) + 1.7e15}, str),
    "a clock with its zone": (
        lambda c: c | {"time": [f"2026-05-01T10:00:{second:09.6f}+02:00" for second in c["time"]]},
        str,
    ),
    "radians, g, gravity down": (
        lambda c: {n: np.deg2rad(v) if n[0] == "g" else -v / 9.80665 if n[0] == "a" else v for n, v in c.items()},
        str,
    ),
    "world to device": (lambda c: c | {"qx": -c["qx"]}, str),
    "parquet": (dict, str),
}


@pytest.mark.parametrize("kind", FILES)
def test_what_is_found_out_about_a_file_reads_it(kind: str, tmp_path: Path) -> None:
    right = turned_arm()
    change, write = FILES[kind]
    frame, path = pl.DataFrame(change(dict(right))), tmp_path / f"arm.{'parquet' if kind == 'parquet' else 'csv'}"
    frame.write_parquet(path) if kind == "parquet" else path.write_text(write(frame.write_csv(float_precision=9)))
    text = describe_file(path)
    for question, answer in {"x": "thumb", "y": "hand", "z": "palm", "wrist": "right", "at_rest": "up"}.items():
        text = re.sub(rf'^{question} = "\?.*"$', f'{question} = "{answer}"', text, flags=re.MULTILINE)
    assert '"?' not in text, text
    (tmp_path / "study.toml").write_text(text)
    (found,) = Reader(find_description(tmp_path / "study.toml")).iter_samples(tmp_path)
    np.testing.assert_allclose(found.sensors["acc"].T, [right[name] for name in ("ax", "ay", "az")], atol=1e-4)
    np.testing.assert_allclose(found.time_s - found.time_s[0], right["time"], atol=1e-6)
    if "gyr" in found.sensors:
        np.testing.assert_allclose(found.sensors["gyr"][:, 0], right["gx"], atol=1e-3)
        np.testing.assert_allclose(found.sensors["quaternion"][:, 1], right["qx"], atol=1e-6)
    assert ("gyr" in found.sensors) == (kind != "no names")


def test_questions_that_are_not_answered_are_refused(tmp_path: Path) -> None:
    names = "t;x-axis (g);y-axis (g);z-axis (g)\n"  # as many columns as Garmin's table without names
    (tmp_path / "walk.csv").write_text(names + "".join(f"{10 * k};0;0;1\n" for k in range(50)))
    text = describe_file(tmp_path / "walk.csv")
    for line in ('columns = ["x-axis (g)", "y-axis (g)", "z-axis (g)"]', 'unit = "ms"', 'unit = "g"'):
        assert line in text
    (tmp_path / "study.toml").write_text(text)
    with pytest.raises(ConfigError, match=r"open question at acc\.at_rest"):
        open_source(tmp_path)
    for question, answer in {"x": "3h", "y": "12h", "z": "out", "at_rest": "up", "wrist": "left"}.items():
        text = text.replace(f'{question} = "?', f'{question} = "{answer}" #')
    (tmp_path / "study.toml").write_text(text)
    recordings = open_source(tmp_path).read()
    np.testing.assert_allclose(recordings.sensors["acc"][0], [0, 0, -9.80665], rtol=1e-5)  # the palm faces down


@pytest.mark.parametrize(
    ("name", "file", "samples"),
    [
        ("actigraph", "pygt3x/small.gt3x", 810_270),
        ("actigraph", "actfast/actigraph.gt3x", 4_860),
        ("geneactiv", "actfast/geneactiv.bin", 6_000),
        ("axivity", "skdh/ax6_sample.cwa", 10_360),
        ("empatica_e4", "empatica-e4-devicely/ACC.csv", 890),
        ("garmin_csv", "garmin-flirt/acc.csv", 10_000),
        ("shimmer", "shimmer-devicely/read_test_data.csv", 90),
        ("nilspod", "mad-gui/sensor_data.csv", 5_526),
        ("axivity_csv", "ggir/ax3_testfile_unix_timestamps.csv", 210),
        ("actigraph_csv", "wristpy/example_hbn_actigraph_idle_sleep_mode_false.csv", 7_200),
    ],
)
def test_real_files_of_devices_are_read(real_data: Path, name: str, file: str, samples: int) -> None:
    (series,) = Reader(find_description(name)).iter_samples(real_data / "devices" / file)
    assert len(series) == samples
    assert 8.0 < np.median(np.linalg.norm(series.sensors["acc"], axis=1)) < 12.0
    with pytest.raises(BfrbError, match="counts of ActiGraph per epoch"):
        describe_file(real_data / "devices" / "ggirread" / "ActiGraph61.csv")


def test_a_study_may_say_more(tmp_path: Path) -> None:
    """Numbered columns, an order, other words, rows without labels, participants, files in the order of numbers."""
    for person in ("p10", "p2"):
        rows = ["walk,step,t,a_1,a_2,a_3,posture,phase,doing"]
        for walk in ("x", "y"):
            rows += [f"{walk},{n},{n * 20},0,1,9.8,sit,{'go' if n else 'come'},{'' if n else '2.0'}" for n in range(6)]
        (tmp_path / f"{person}.csv").write_text("\n".join([*rows, "y,6,12"]))  # the battery was empty
    (tmp_path / "people.tsv").write_text("who\twrist\thandedness\tsex\np10\tleft\tL\tn/a\np2\tright\tR\tf\n")
    tables = {
        "file": 'match = "p[0-9]*.csv"',
        "recordings": 'id = "{file}-{walk}"\nsubject = "{file}"\norder = "step"',
        "axes": 'x = "3h"\ny = "12h"\nz = "out"',
        "worn": 'column = "wrist"',
        "participants": 'file = "people.tsv"\nsubject = "who"',
        "labels": 'column = "doing"\nmerge = { 2 = "pulls" }\nunlabelled_in = { p2-y = "waits" }\ntargets = ["pulls"]',
        "columns": 'posture = { per = "recording" }\nphase = { classes = ["come", "go"] }',
    }
    text = WATCH.replace('["ax", "ay", "az"]\nunit = "g"', '"a_{1..3}"\nunit = "m/s^2"')
    source = DescribedSource(tmp_path, describe(text, **tables))
    assert source.device.row_rate_hz == 50.0  # told by samples, whoever wore it on whichever wrist
    found = source.read()
    assert found.ids == ["p2-x", "p2-y", "p10-x", "p10-y"]
    assert (found.n_rows, source.paths) == (24, (tmp_path, tmp_path / "people.tsv"))
    assert found.table.select("posture", "handedness", "sex").rows() == [("sit", 1, 0)] * 2 + [("sit", 0, None)] * 2
    assert found.sensors["acc"][[0, -1], 1].tolist() == [0.0, 0.0]
    assert found.annotations["phase"].codes[:7].tolist() == [0, 1, 1, 1, 1, 1, 0]
    assert source.label_set is not None
    assert source.label_set.classes == ("pulls", "waits")
    assert found.annotations["gesture"].codes.reshape(4, 6)[:, :2].tolist() == [[0, -1], [0, 1], [0, -1], [0, -1]]
    strict = describe(text, **tables | {"file": 'match = "p[0-9]*.csv"\nstrict = true'})
    with pytest.raises(DataError, match=r"p2\.csv: expected 9 fields in every line.* found 3 in line 14"):
        DescribedSource(tmp_path, strict).read()
    findings = Findings()
    list(DescribedSource(tmp_path, strict, report=findings).batches())
    assert [(one.kind, one.count, one.place) for one in findings.of("error")] == [
        ("wrong number of fields", 2, "line 14 of p2.csv")
    ]


def test_whose_each_of_several_files_is_is_asked(tmp_path: Path) -> None:
    table = pl.DataFrame({"t": np.arange(200) * 20, "acc_x": 0.0, "acc_y": 0.0, "acc_z": 9.81})
    table.write_csv(tmp_path / "p1_mon.csv")
    assert "person its folder is called by" in describe_file(tmp_path / "p1_mon.csv")
    table.write_csv(tmp_path / "p2_mon.csv")
    assert 'subject = "? Whose is each file' in describe_file(tmp_path / "p1_mon.csv")
