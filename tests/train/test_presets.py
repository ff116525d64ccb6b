"""Presets and the experiments that measured them say the same."""

from __future__ import annotations

from pathlib import Path

from bfrb.train.presets import PRESETS, read_preset

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


def test_the_watch_preset_is_what_was_measured_on_searle2021() -> None:
    assert read_preset(str(EXPERIMENTS / "searle2021" / "spec.toml")) == PRESETS["watch"]
