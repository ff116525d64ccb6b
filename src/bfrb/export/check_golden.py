"""Hold a graph that `bfrb export` wrote against the answers beside it: python check_golden.py [folder]."""

import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime


def find_difference(folder: Path) -> float:
    """The largest difference of a probability."""
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    worst = 0.0
    for one in json.loads((folder / "golden.json").read_text())["recordings"]:
        known = {name: np.array([values], dtype=np.float32) for name, values in one["sensors"].items()}  # null is NaN
        known |= {"lengths": np.array([one["lengths"]]), "left_handed": np.array([one.get("left_handed", False)])}
        [found] = session.run(["probabilities"], {name: known[name] for name in names})
        worst = float(np.maximum(worst, np.abs(found[0] - one["probabilities"]).max()))  # NaN stays NaN
    return worst


if __name__ == "__main__":
    difference = find_difference(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
    sys.stdout.write(f"largest difference of a probability: {difference:.1e}\n")
    sys.exit(not difference <= 1e-5)
