"""Which trainings have which techniques, and what each technique is worth on average over them."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bfrb.train.presets import CompareSpec, VariantSpec

Signs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_GENERATOR = "++-+++---+-"
"""First row of Plackett and Burman's design of 12 runs (Biometrika 1946); the others are its turns."""

CERTAIN = 2.2
"""So many times luck is more than luck: the 97.5 % point of Student's t with 11 degrees of freedom."""


@dataclass(frozen=True)
class Plan:
    """What is trained and judged, as `techniques.toml` says.

    Parameters
    ----------
    preset, changes
        What all trainings begin with.
    techniques
        By name the changes that switch a technique on, and off.
    further
        By name the changes of trainings that are compared one by one with the first of them.
    together
        By name trainings whose answers are averaged.
    words
        By name what each is, in words.
    """

    preset: str
    changes: tuple[str, ...]
    techniques: Mapping[str, tuple[list[str], list[str]]]
    further: Mapping[str, list[str]]
    together: Mapping[str, list[str]]
    words: Mapping[str, str]

    @property
    def signs(self) -> Signs:
        """(24, F) 1 where a training has a technique, -1 where it has not."""
        return mirrored_design()[:, : len(self.techniques)]

    @property
    def runs(self) -> list[str]:
        """Names of the trainings of the design."""
        return [f"run-{number + 1:02d}" for number in range(len(self.signs))]

    def variants(self) -> CompareSpec:
        """All trainings, those of the design last."""
        switches = list(self.techniques.values())
        variants = {name: VariantSpec(changes=tuple(changes)) for name, changes in self.further.items()}
        variants |= {
            name: VariantSpec(
                changes=tuple(c for s, found in zip(row, switches, strict=True) for c in found[int(s < 0)])
            )
            for name, row in zip(self.runs, self.signs, strict=True)
        }
        return CompareSpec(preset=self.preset, changes=self.changes, reference=self.reference, variants=variants)

    @property
    def reference(self) -> str:
        """What the further trainings are compared with."""
        return next(iter(self.further))


def read_plan(path: Path, *changes: str) -> Plan:
    """The plan in a file, with further changes to all trainings."""
    found: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    parts = {kind: found[kind] for kind in ("techniques", "further", "together")}
    return Plan(
        preset=found["preset"],
        changes=(*found["changes"], *changes),
        techniques={name: (part["on"], part["off"]) for name, part in parts["techniques"].items()},
        further={name: part.get("changes", []) for name, part in parts["further"].items()},
        together={name: part["of"] for name, part in parts["together"].items()},
        words={name: part["words"] for kind in parts.values() for name, part in kind.items()},
    )


def mirrored_design() -> Signs:
    """(24, 12) a design of 12 runs, mirrored: its columns are orthogonal to each other and to products of two."""
    row = np.array([1 if sign == "+" else -1 for sign in _GENERATOR])
    runs = np.vstack([*(np.roll(row, turn) for turn in range(11)), -np.ones(11, dtype=np.int64)])
    half = np.column_stack([-np.ones(12, dtype=np.int64), runs])
    return np.vstack([-half, half])


def effects(scores: Floats, signs: Signs) -> Floats:
    """(..., F) mean score with a technique less that without it, from (..., 24) scores."""
    found: Floats = scores @ signs * (2.0 / len(signs))
    return found


def luck(scores: Floats) -> float:
    """How large an effect of nothing is, typically: of the directions that belong to no technique, from (24,) scores.

    They hold what two techniques do together, besides what two trainings differ by; so this is rather too much.
    """
    design = mirrored_design()
    idle = design[:, :1] * design[:, 1:]
    return float(np.sqrt(np.mean(effects(scores, idle) ** 2)))


def is_sure(effect: float, interval: tuple[float, float], by_luck: float) -> bool:
    """Whether an effect is more than what differs between people, and more than luck."""
    return bool(interval[0] * interval[1] > 0 and abs(effect) > CERTAIN * by_luck)
