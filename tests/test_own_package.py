"""A package of a user's own brings a device, labels, a feature, a variation and a network, and this one knows none."""

import os
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from bfrb.predict.bundle import Bundle
from bfrb.train.run import read_run_spec

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "own_package"
DATASET = ("--description", "tapwatch:watch.toml")
RATE_HZ = 50


def run(*command: object, path: tuple[Path, ...] = (), code: int = 0) -> str:
    """What a command says in a process of its own, with these folders and this package to import from."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*path, ROOT / "src"))), "NO_COLOR": "1"}
    arguments = [sys.executable, "-m", *map(str, command)]
    options: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "timeout": 600}
    done = subprocess.run(arguments, env=environment, check=False, **options)
    assert done.returncode == code, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the package is installed."""
    place = tmp_path_factory.mktemp("own")
    shutil.copytree(EXAMPLE, place / "package")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target")
    run("pip", "install", *options, place / "site", place / "package")
    return place / "site"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of four people who sit, stand and tap."""
    folder, rng = tmp_path_factory.mktemp("tap") / "study", np.random.default_rng(0)
    for person, (session, doing) in product("abcd", enumerate(("tap", "sit", "tap", "stand"))):
        (folder / person).mkdir(parents=True, exist_ok=True)
        row = np.arange(150 + 10 * session)
        ax, ay, az = rng.normal(0, 0.01, (3, len(row)))
        az += 1 + 0.8 * (doing == "tap") * np.sin(2 * np.pi * 4 * row / RATE_HZ)
        columns = {"ms": row * 1000 // RATE_HZ, "doing": [doing] * len(row), "ax": ax, "ay": ay, "az": az}
        pl.DataFrame(columns).write_csv(folder / person / f"{session}.csv")
    return folder


@pytest.fixture(scope="module")
def model(site: Path, study: Path) -> Path:
    out = study.parent / "model"
    options = ("--preset", "tapwatch:run.toml", "--out", out, "--workers", 1, "--no-report")
    run("bfrb", "train", study, *DATASET, *options, path=(site,))
    return out


def test_nothing_here_knows_the_package() -> None:
    files = [path for path in (ROOT / "src" / "bfrb").rglob("*") if path.is_file()]
    assert not [path for path in files if b"tapwatch" in path.read_bytes()]


def test_its_parts_are_trained_and_travel_in_the_bundle(model: Path) -> None:
    bundle = Bundle.open(model)
    assert bundle.device.name == "tapwatch"
    assert bundle.label_set.classes == ("tapping", "rest")
    assert bundle.manifest.branches["wobble"] == ("tapwatch.signals:WOBBLE",)
    assert {member.network for member in bundle.manifest.members} == {"tapwatch.network:Spread"}
    spec = read_run_spec(bundle)
    assert spec.training.variation.own == {"tapwatch.signals:drift": 0.2}
    channels = pl.read_parquet(bundle.file("statistics.parquet"))
    assert "wobble" in channels["channel"].to_list()


def test_another_process_predicts_with_it(model: Path, site: Path, study: Path) -> None:
    out = model.parent / "predictions.csv"
    run("bfrb", "predict", model, study, *DATASET, "--out", out, path=(site,))
    predictions = pl.read_csv(out).sort("sequence_id")
    taps = predictions["sequence_id"].str.contains("/[02]$")
    assert (predictions["prediction"] == pl.Series(["tapping" if tap else "rest" for tap in taps])).all()


def test_without_the_package_it_says_what_is_missing(model: Path, study: Path) -> None:
    description = EXAMPLE / "tapwatch" / "watch.toml"
    out = study.parent / "none.csv"
    said = run("bfrb", "predict", model, study, "--out", out, "--description", description, code=2)
    assert "Traceback" not in said
    assert "No module named 'tapwatch'" in said
    assert "PYTHONPATH" in said


def test_its_parts_hold_the_contracts(site: Path, tmp_path: Path) -> None:
    shutil.copy(EXAMPLE / "tests" / "test_tapwatch.py", tmp_path)
    run("pytest", "-q", "-p", "no:cacheprovider", "--rootdir", tmp_path, tmp_path, path=(site,))
