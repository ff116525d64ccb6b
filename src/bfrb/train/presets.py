"""Run specs by name, and from TOML files."""

from __future__ import annotations

from pathlib import Path

from bfrb.errors import ConfigError
from bfrb.features.spec import BENCHMARK_ROTATION, FeatureSpec
from bfrb.networks.specs import ContextSpec, TwoBranchSpec
from bfrb.spec import read_toml
from bfrb.study.windows import WindowSpec
from bfrb.train.run import RunSpec
from bfrb.train.spec import AuxiliarySpec, TrainingSpec, VariationSpec

_BENCHMARK_TRAINING = TrainingSpec(
    optimizer="adamw",
    learning_rate=2e-3,
    schedule="cosine",
    warmup_epochs=1.0,
    weight_decay=0.02,
    clip_norm=5.0,
    ema_decay=0.98,
    batch_size=32,
    mixup_alpha=0.3,
    mixup_at="gesture",
    auxiliary=AuxiliarySpec(orientation=0.1, phase=0.1),
    class_weights=False,
    epochs=100,
    stopping="last_epoch",
    variation=VariationSpec(tilt_device=5.0),
)

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
        two_branch=TwoBranchSpec(variation={"lose_proximity": 0.35}),
    ),
    "benchmark": RunSpec(
        folds=5,
        networks=("stems",),
        features=FeatureSpec(rotation=BENCHMARK_ROTATION, mirror_left_hand=True),
        training=_BENCHMARK_TRAINING,
    ),
    "deployable": RunSpec(
        folds=5,
        networks=("stems",),
        features=FeatureSpec(mirror_left_hand=True),
        training=_BENCHMARK_TRAINING,
    ),
    "watch": RunSpec(
        folds="subject",
        networks=("context",),
        length_percentile=100.0,
        windows=WindowSpec(context_s=60.0),
        training=TrainingSpec(
            optimizer="adamw",
            learning_rate=3e-3,
            schedule="cosine",
            weight_decay=1.0,
            mixup_alpha=0.0,
            label_smoothing=0.05,
            epochs=6,
            stopping="last_epoch",
            variation=VariationSpec(change_wrist=0.5),
        ),
        context=ContextSpec(dropout=0.3),
    ),
}
"""`baseline` is the published ensemble; `quick` trains in minutes on two cores, to try things; `benchmark` is meant to
score best, and knows the compass direction, which was the same for everybody in the CMI study; `deployable` is the
same without it, so that it answers alike whatever direction a wearer faces; `watch` is for continuous recordings, such
as those of Searle et al. 2021: 5 s windows with the minute before them."""


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
