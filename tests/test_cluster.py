"""A cluster of three nodes on this machine: the same answers as without it, whatever happens to nodes and drivers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

pytest.importorskip("ray", reason="Ray is not installed: pip install 'bfrb[cluster]'")

from typer.testing import CliRunner

from bfrb.cli import app
from bfrb.cluster import connect, nodes, parts
from bfrb.cluster.connection import check_engine
from bfrb.errors import BfrbError, ConfigError
from bfrb.jobs import Need
from bfrb.predict.bundle import OUT_OF_FOLD
from bfrb.read.store import write_store
from bfrb.train.crossval import RunOptions, Status, cross_validate
from bundles import make_bundle, make_recordings
from clusters import started
from studies import TINY, make_study

pytestmark = pytest.mark.filterwarnings("default")  # Ray's own

SPEC = TINY.updated(["folds=3", "networks=['gated_two_branch', 'rocket']", "rocket.features=200", "training.epochs=4"])

DRIVER = """
import sys
from pathlib import Path
from bfrb.cluster import connect
from bfrb.train.crossval import RunOptions, cross_validate
from studies import make_study
from test_cluster import SPEC
with connect() as cluster:
    cross_validate(make_study(), SPEC, Path(sys.argv[1]), options=RunOptions(on=cluster))
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with started(3) as found:
        yield found


def run(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(one) for one in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output
