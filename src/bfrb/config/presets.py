"""Run specs by name, and from TOML files."""

from __future__ import annotations

from pathlib import Path

from bfrb.config.networks import TwoBranchSpec
from bfrb.config.run import RunSpec
from bfrb.config.spec import read_toml
from bfrb.config.training import TrainingSpec
from bfrb.errors import ConfigError

PRESETS = {
    "baseline": RunSpec(),
    "quick": RunSpec(
        folds=3,
        training=TrainingSpec(
            learning_rate=2e-3,
            schedule="cosine",
            epochs=15,
            stopping="last_epoch",
            mixup_alpha=0.2,
            batch_size=32,
            class_weights=False,
        ),
        two_branch=TwoBranchSpec(lose_proximity=0.35),
    ),
}
"""`baseline` is the published ensemble; `quick` trains in minutes on two cores, to try things."""


def read_preset(name: str) -> RunSpec:
    """The run spec of a preset, or of a TOML file when the name ends in `.toml`.

    Raises
    ------
    ConfigError
        If there is no such preset or file, or the file has unknown keys.
    """
    if name.endswith(".toml"):
        return RunSpec.from_toml(read_toml(Path(name)))
    if name not in PRESETS:
        raise ConfigError(f"no preset {name!r}", remedy=f"choose {', '.join(PRESETS)}, or name a .toml file")
    return PRESETS[name]
