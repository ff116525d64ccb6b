"""A cluster of two nodes on this machine, and a training and a trial to run on it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bfrb.train import crossval
from studies import TINY, Here
from waiting import is_listening, until

ROOT = Path(__file__).resolve().parents[1]
PATH = os.pathsep.join([*(str(ROOT / name) for name in ("src", "tests", "examples")), os.environ.get("PYTHONPATH", "")])

NODE = {"object_store_memory": 80 * 2**20, "include_dashboard": False, "include_log_monitor": False, "no_monitor": True}

SPEC = TINY.updated(["folds=3", "seeds=2"])


@contextmanager
def started(nodes: int = 2) -> Iterator[tuple[Any, str]]:
    """A cluster of nodes of one core, whose workers find these tests, and its address from outside.

    That from inside is in RAY_ADDRESS meanwhile.
    """
    from ray.cluster_utils import Cluster

    before = dict(os.environ)
    os.environ.update(RAY_worker_niceness="0")  # or they starve where other work goes on
    os.environ.update(PYTHONPATH=PATH, AWS_ACCESS_KEY_ID="a", AWS_SECRET_ACCESS_KEY="b", AWS_REGION="us-east-1")
    port = 20_000 + os.getpid() % 3_000  # below those that systems hand out: Ray's nodes take many of these
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "ray_client_server_port": port, **NODE})
    try:
        for _ in range(nodes - 1):
            cluster.add_node(num_cpus=1, **NODE)
        until(lambda: is_listening(port))  # as Ray's server for clients does some seconds after the head
        os.environ["RAY_ADDRESS"] = cluster.address
        yield cluster, f"ray://127.0.0.1:{port}"
    finally:
        cluster.shutdown()
        os.environ.clear()
        os.environ.update(before)


def try_settings(*trial: Any) -> float:
    """A trial of the example, whose networks are trained in the machine's own process."""
    import search_settings

    crossval.LocalProcesses = lambda *_: Here()
    return search_settings.run_trial(*trial)
