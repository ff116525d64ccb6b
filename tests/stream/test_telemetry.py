from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from bundles import make_bundle

SCRIPT = "import sys, bfrb; bfrb.load(sys.argv[1]); assert 'onnxruntime' in sys.modules"


def test_the_runtime_is_told_not_to_report_before_it_is_loaded(tmp_path: Path) -> None:
    make_bundle(tmp_path / "model")
    traces = tmp_path / "traces"
    traces.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"TMPDIR": str(traces), "HOME": str(traces), "XDG_CACHE_HOME": str(traces)}
    subprocess.run([sys.executable, "-B", "-c", SCRIPT, str(tmp_path / "model")], check=True, env=environment)
    assert not list(traces.rglob("*"))
