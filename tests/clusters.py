"""A cluster of three nodes on this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]

NODE = {"object_store_memory": 80 * 2**20, "include_dashboard": False}


@contextmanager
def started(nodes: int = 3, cores: int = 1) -> Iterator[Any]:
    """A cluster whose workers find this package and these tests; its address is in RAY_ADDRESS meanwhile."""
    from ray.cluster_utils import Cluster

    before = dict(os.environ)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(ROOT / "tests"), *filter(None, sys.path)])
    os.environ["RAY_IGNORE_UNHANDLED_ERRORS"] = "1"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": cores, **NODE})
    try:
        for _ in range(nodes - 1):
            cluster.add_node(num_cpus=cores, **NODE)
        os.environ["RAY_ADDRESS"] = cluster.address
        yield cluster
    finally:
        cluster.shutdown()
        os.environ.clear()
        os.environ.update(before)
