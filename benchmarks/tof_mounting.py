"""How the five time-of-flight sensors are mounted, by real recordings: `python benchmarks/tof_mounting.py`.

Neighbouring sensors see partly the same things. For each way in which the image of a side sensor could be turned, the
pixels that would then look in the same direction as those of the middle sensor are compared: the right way correlates
best. Needs real recordings (BFRB_DATA, or ../shared/data beside the repository).
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from bfrb.read.sources import read

DATA = Path(os.environ.get("BFRB_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
SHIFT = 4
"""Pixels by which the outer sensors look past the middle one: half a field of view."""


def main() -> None:
    """Print one line per hand and side sensor."""
    recordings = read(DATA / "cmi" / "train_sample.csv")
    hands = np.array(recordings.table["handedness"].to_list())
    for hand, name in ((1, "right hand"), (0, "left hand")):
        rows = np.repeat(hands == hand, recordings.lengths)
        images = recordings.sensors["tof"][rows].astype(np.float64)
        images[images < 0] = 255
        for site, inner in ((2, range(4, 8)), (4, range(4))):
            found = {way: _agreement(images, site, way, inner) for way in ("not turned", "a quarter turn on")}
            print(f"{name}, sensor {site + 1}: " + ", ".join(f"{way} {value:.2f}" for way, value in found.items()))


def _agreement(images: npt.NDArray[np.float64], site: int, way: str, columns: range) -> float:
    """Mean correlation of pixels of the middle sensor with those of a side sensor that would look the same way."""
    shift = -SHIFT if site == 2 else SHIFT
    pairs = []
    for column in columns:
        for row in range(1, 7):
            other = images[:, site, row, column + shift]
            if way == "a quarter turn on":
                other = images[:, site, 7 - (column + shift), row]
            pairs.append(np.corrcoef(images[:, 0, row, column], other)[0, 1])
    return float(np.mean(pairs))


if __name__ == "__main__":
    main()
