"""Windows of several studies, and what fixed kernels answer to them: the network `rocket` without its linear answer."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from bfrb.features.sequences import build_sequences
from bfrb.networks.network import Shape
from bfrb.networks.rocket import Rocket
from bfrb.networks.specs import RocketSpec
from bfrb.read.sources import open_source
from bfrb.study.recordings import Recordings
from bfrb.study.windows import WindowSpec, cut_continuous
from bfrb.train.variation import tilt_device

HERE = Path(__file__).parent
BRANCHES = {"acc": ("acc", "acc_magnitude", "acc_magnitude_jerk"), "rotation": ("gyr", "gyr_magnitude")}
SPEC = RocketSpec(biases=2, contrast=0.0)
WINDOW_S = 5.0
_BATCH, _PLACED_BY = 32, 256
_LEAST_SPREAD, _LIMIT = 0.01, 4.0


@dataclass(frozen=True)
class Described:
    """W windows: whose and of which recording each is, what was done, (W, D) features and how many are of acc alone."""

    subjects: np.ndarray
    recordings: np.ndarray
    labels: np.ndarray
    copies: np.ndarray
    features: np.ndarray
    acc_width: int

    def columns(self, sensors: str) -> np.ndarray:
        """(W, d) features of `acc`, or of all sensors."""
        return self.features[:, : self.acc_width] if sensors == "acc" else self.features


def read_windows(name: str, data: Path, out: Path, step_s: float = WINDOW_S) -> Recordings:
    """Labelled windows of the studies that a file in this folder lists."""
    text = (HERE / name).read_text(encoding="utf-8")
    text = re.sub(r'^data = "', f'data = "{data.resolve()}/', text, flags=re.MULTILINE)
    text = re.sub(r'^description = "(.*\.toml)"', rf'description = "{HERE.resolve()}/\1"', text, flags=re.MULTILINE)
    listed = out / name
    listed.write_text(text, encoding="utf-8")
    windows = cut_continuous(open_source(listed).read(), WindowSpec(length_s=WINDOW_S, step_s=step_s))
    return windows[np.array([gesture is not None for gesture in windows.gestures])]


def turned(windows: Recordings, degrees: float, seed: int) -> Recordings:
    """The windows as if the watch had been worn turned, each by an angle of its own."""
    return tilt_device(windows, degrees, np.random.default_rng(seed))


def describe(parts: list[Recordings], by: np.ndarray) -> Described:
    """Features of windows and of varied copies of some of them.

    Parameters
    ----------
    parts
        The windows, then copies.
    by
        Numbers of the windows by which channels are scaled, thresholds placed and features standardised: of people
        who are never judged.
    """
    torch.set_num_threads(1)
    inputs = _inputs(parts[0])
    scale = {name: _moments(values[by]) for name, values in inputs.items()}
    shape = Shape({**{name: values.shape[2] for name, values in inputs.items()}, "thm": 0, "tof": 0}, 2)
    torch.manual_seed(0)
    network = Rocket(shape, SPEC).eval()
    drawn = np.sort(np.random.default_rng(0).permutation(by)[:_PLACED_BY])
    with torch.no_grad():
        placed_by = {name: (values[drawn] - scale[name][0]) / scale[name][1] for name, values in inputs.items()}
        network.place(placed_by, torch.full((len(drawn),), inputs["acc"].shape[1]))
        found = [_answers(network, _inputs(part), scale) for part in parts]
    mean, spread = found[0][by].mean(axis=0), np.sqrt(found[0][by].var(axis=0) + _LEAST_SPREAD**2)
    standard = [np.clip((one - mean) / spread, -_LIMIT, _LIMIT).astype(np.float16) for one in found]
    ids = [name.rpartition("@")[0] for part in parts for name in part.ids]
    return Described(
        subjects=np.array([name for part in parts for name in part.subjects], dtype=str),
        recordings=np.array(ids, dtype=str),
        labels=np.array([name for part in parts for name in part.gestures], dtype=str),
        copies=np.repeat(np.arange(len(parts)) > 0, list(map(len, parts))),
        features=np.concatenate(standard),
        acc_width=network.kernels.widths[0],
    )


def _inputs(windows: Recordings) -> dict[str, torch.Tensor]:
    found = {}
    present = {
        name: tuple(one for one in names if one[:3] in windows.device.sensor_names) for name, names in BRANCHES.items()
    }
    for name, features in build_sequences(windows, present).branches.items():
        rows = np.split(np.nan_to_num(features.values), windows.offsets[1:-1])
        found[name] = torch.from_numpy(np.stack([_stretched(one, windows.lengths[0]) for one in rows]))
    return found


def _stretched(rows: np.ndarray, count: int) -> np.ndarray:
    """(count, C) rows, by linear interpolation where there are more or fewer."""
    if len(rows) == count:
        return rows
    places = np.linspace(0, len(rows) - 1, count)
    return np.stack([np.interp(places, np.arange(len(rows)), column) for column in rows.T], axis=1).astype(np.float32)


def _moments(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return values.mean(dim=(0, 1)), values.std(dim=(0, 1)).clamp(min=1e-3)


def _answers(
    network: Rocket, inputs: dict[str, torch.Tensor], scale: dict[str, tuple[torch.Tensor, torch.Tensor]]
) -> np.ndarray:
    parts = []
    lengths = None
    for start in range(0, len(inputs["acc"]), _BATCH):
        batch = {
            name: (values[start : start + _BATCH] - scale[name][0]) / scale[name][1] for name, values in inputs.items()
        }
        parts.append(network.features(batch, lengths)[0].numpy().astype(np.float32))
    return np.concatenate(parts)


def save(described: Described, path: Path) -> None:
    """Write to a file; arrays of text too."""
    np.savez(path, **{name: getattr(described, name) for name in Described.__dataclass_fields__})


def load(path: Path) -> Described:
    """Read what `save` wrote."""
    with np.load(path) as kept:
        return Described(**{name: kept[name] for name in Described.__dataclass_fields__})
