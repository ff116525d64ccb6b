"""A described device's file and its live samples: the same rows and the same answers, to the last bit."""

import csv
import io
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bfrb.predict.predictor import load
from bfrb.read.described_source import DescribedSource
from bfrb.read.stretches import iter_stretches
from bfrb.stream.events import EventRule, WindowProbabilities
from bfrb.stream.layouts import Layout
from bfrb.stream.listen import listen
from bfrb.stream.resampling import Orienting, Resampler
from bfrb.stream.samples import StreamCounts, check_samples, parse_samples
from bfrb.stream.spec import EventSpec, StreamSpec
from bfrb.stream.stream import Stream
from bfrb.study.description import Description
from bfrb.study.device import Device
from bundles import make_bundle

QUATERNION = """
[quaternion]
columns = ["qw", "qx", "qy", "qz"]
turns = "world_to_device"
"""
WATCH = """
name = "watch"
[time]
column = "t"
unit = "{unit}"
[acc]
columns = ["gx + ux", "gy + uy", "gz + uz"]
unit = "mg"
at_rest = "down"
[gyr]
columns = ["rx", "ry", "rz"]
unit = "rad/s"
[axes]
x = "3h"
y = "12h"
z = "out"
[worn]
wrist = "left"
"""
TEN_HZ = Device.parse({"name": "any", "sensors": [{"name": "acc"}, {"name": "quaternion"}], "row_rate_hz": 10.0})


def write_file(path: Path, rate_hz: float, seed: int, *, seconds: float = 12.0, unit: str = "ms") -> None:
    """What a watch wrote: jitter of up to a sample, lost samples, gaps, and a sensor that is silent at times."""
    rng = np.random.default_rng(seed)
    count = int(seconds * rate_hz)
    steps = np.sort(np.arange(count) + rng.uniform(0, 0.9, count)) if seed % 3 else np.arange(float(count))
    time_s = steps / rate_hz
    for place in range(seed % 4):
        time_s[(place + 1) * count // 5 + rng.integers(count // 9) :] += rng.choice([0.3, 0.99, 1.0, 1.02, 1.7, 40.0])
    phase = np.stack([np.sin(time_s * speed) for speed in (0.7, 1.1, 2.3)], axis=1)
    turns = rng.normal(size=(count, 4))
    columns = dict(zip(["gx", "gy", "gz"], -1000 * phase.T, strict=True))
    columns |= dict(zip(["ux", "uy", "uz"], rng.normal(0, 90, (3, count)), strict=True))
    columns |= dict(zip(["rx", "ry", "rz"], rng.normal(0, 2, (3, count)), strict=True))
    columns |= dict(zip(["qw", "qx", "qy", "qz"], (turns / np.linalg.norm(turns, axis=1)[:, None]).T, strict=True))
    frame = pl.DataFrame(columns)
    silent = pl.Series(rng.random(count) < 0.1 * (seed % 2))
    frame = frame.with_columns(pl.when(silent).then(None).otherwise(pl.col("^[gu][xyz]$")).name.keep())
    micros = pl.Series("t", np.round(time_s * 1e6).astype(np.int64) + 1_700_000_000_000_000)
    times = micros / 1e3 if unit == "ms" else micros.cast(pl.Datetime("us")).dt.to_string("%Y-%m-%dT%H:%M:%S%.6f+00:00")
    frame.with_columns(t=times).filter(pl.Series(rng.random(count) > 0.05)).write_csv(path)


def live(path: Path, description: Description, device: Device) -> list[dict[str, object]]:
    """The file's lines, as they would come one by one."""
    layout = Layout.of_description(description, device)
    rows = csv.DictReader(io.StringIO(path.read_text()))
    found = [layout.samples({name: text or None for name, text in row.items()}) for row in rows]
    return [sample for sample in found if sample.keys() - {"time_s"}]


@example(100.0, 7487, "mean", False, "ms")  # a gap after which the accelerometer is silent at first
@settings(max_examples=4, deadline=None)
@given(
    st.sampled_from([20.0, 50.0, 100.0]),
    st.integers(0, 10**6),
    st.sampled_from(["mean", "nearest"]),
    st.booleans(),
    st.sampled_from(["ms", "iso8601"]),
)
def test_rows_of_a_file_are_those_of_its_stream(
    tmp_path_factory: pytest.TempPathFactory, rate_hz: float, seed: int, how: str, recorded: bool, unit: str
) -> None:
    path = tmp_path_factory.mktemp("watch") / "walk.csv"
    write_file(path, rate_hz, seed, unit=unit)
    text = WATCH.format(unit=unit) + QUATERNION * recorded
    description = Description.from_toml(text)
    recording = DescribedSource(path, description, TEN_HZ, how).read()  # type: ignore[arg-type]
    counts = StreamCounts()
    source = Device.parse({**TEN_HZ.model_dump(), "sensors": [{"name": name} for name in ("acc", "quaternion", "gyr")]})
    resampler = Resampler(TEN_HZ, StreamSpec(), counts, how, Orienting(TEN_HZ, counts))  # type: ignore[arg-type]
    rows = []
    for sample in live(path, description, source):
        rows += list(resampler.push(check_samples([parse_samples(sample, source)], source, {})))
    rows += list(resampler.finish())
    for name in ("acc", "quaternion"):
        made = np.concatenate([part.sensors[name] for part in rows])
        kept = recording.sensors[name]
        if name == "quaternion":
            made = np.where(made[:, :1] < 0, -made, made)
        known = ~np.isnan(made).any(axis=1)
        np.testing.assert_array_equal(kept[~np.isnan(kept).any(axis=1)], made[known])
    assert counts.wrong_time == 0
    assert (counts.oriented == 0) == recorded  # what is sent is not replaced


@pytest.mark.parametrize("rate_hz", [20.0, 100.0])
def test_answers_for_a_file_are_those_of_its_stream(rate_hz: float, tmp_path: Path) -> None:
    features = {"imu": ("acc", "linear_acc")}
    predictor = load(make_bundle(tmp_path / "bundle", device=TEN_HZ, features=features, rows="mean"))
    write_file(tmp_path / "walk.csv", rate_hz, seed=7, seconds=40.0)
    (tmp_path / "watch.toml").write_text(WATCH.format(unit="ms"))
    description = Description.from_toml(WATCH.format(unit="ms"))
    rule = EventRule(spec=EventSpec(on=0.02, off=0.01, smoothing_s=0.0, minimum_s=0.0))
    stretches = iter_stretches(tmp_path / "walk.csv", predictor.source_device, str(tmp_path / "watch.toml"), how="mean")
    parts = list(listen(lambda _: predictor, stretches, rule))
    offline = WindowProbabilities.concat([part.windows for part in parts], len(predictor.label_set))
    answers: list[WindowProbabilities] = []
    stream = Stream(predictor, rule, on_windows=answers.append)
    samples = live(tmp_path / "walk.csv", description, predictor.source_device)
    events = [event for sample in samples for event in stream.push(sample)] + stream.finish()
    online = WindowProbabilities.concat(answers, len(predictor.label_set))
    begin_s = float(np.ravel(samples[0]["time_s"])[0])
    assert len(online) > 20
    np.testing.assert_array_equal(offline.probabilities, online.probabilities)
    np.testing.assert_array_equal(offline.middle_s, online.middle_s - begin_s)
    assert [event for part in parts for event in part.events] == [event.since(begin_s) for event in events] != []
