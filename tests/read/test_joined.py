"""Several studies of several watches, listed in a file, are read as one."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import tomli_w

from bfrb.errors import ConfigError, DataError
from bfrb.read.sources import open_source

LIST = """
name = "both"
rate_hz = 10
targets = ["scratching"]
[[studies]]
name = "one"
data = "one"
description = "one.toml"
[[studies]]
name = "two"
data = "two"
description = "two.toml"
merge = { itching = "scratching", unclear = "", "*" = "other" }
"""


def write_watch(folder: Path, name: str, rate_hz: float, unit: str, words: list[str]) -> None:
    """A study of one recording: the device lies still, its glass up or, where it is worn turned, down."""
    up, x, z = (9.80665, "3h", "out") if unit == "m/s^2" else (-1.0, "9h", "in")
    told = {
        "name": name,
        "recordings": {"id": "{file}", "subject": "p{file}"},
        "time": {"column": "t"},
        "acc": {"columns": ["ax", "ay", "az"], "unit": unit},
        "axes": {"x": x, "y": "12h", "z": z},
        "worn": {"wrist": "right"},
        "labels": {"column": "doing"},
    }
    (folder / f"{name}.toml").write_text(tomli_w.dumps(told))
    rows = np.arange(int(12 * rate_hz))
    labels = np.array(words)[rows * len(words) // len(rows)]
    (folder / name).mkdir()
    table = pl.DataFrame({"t": rows / rate_hz, "ax": 0.0, "ay": 0.0, "az": up, "doing": labels})
    table.write_csv(folder / name / "a.csv")


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    write_watch(tmp_path, "one", 20.0, "m/s^2", ["scratching", "typing"])
    write_watch(tmp_path, "two", 50.0, "g", ["itching", "unclear", "eating"])
    (tmp_path / "list.toml").write_text(LIST)
    return tmp_path / "list.toml"


def test_frames_units_rates_and_labels_become_one(listed: Path) -> None:
    source = open_source(listed)
    recordings = source.read()
    assert (recordings.ids, recordings.subjects.tolist()) == (["one/a", "two/a"], ["one/pa", "two/pa"])
    assert source.label_set is not None
    assert (source.label_set.classes, source.label_set.targets) == (("scratching", "typing", "other"), {"scratching"})
    assert recordings.lengths.tolist() == [121, 121]
    np.testing.assert_allclose(recordings.sensors["acc"], [[0, 0, -9.80665]] * 242, atol=1e-5)
    codes = recordings.annotations["gesture"].codes
    assert [codes[row] for row in (10, 110, 130, 180, 230)] == [0, 1, 0, -1, 2]
    assert [part.id for part in source.stretches(50) if part.begins] == recordings.ids


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('targets = ["scratching"]', 'targets = ["picking"]'), "picking"),
        (("rate_hz = 10", "rate_hz = 40"), "samples a second"),
        (("rate_hz = 10", 'sensors = ["gyr"]'), "gyr"),
        (('description = "two.toml"', 'descriptions = "two.toml"'), "descriptions"),
    ],
)
def test_what_does_not_fit_is_refused(listed: Path, change: tuple[str, str], message: str) -> None:
    listed.write_text(LIST.replace(*change))
    with pytest.raises((ConfigError, DataError), match=message):
        _ = open_source(listed).label_set, open_source(listed).read()
