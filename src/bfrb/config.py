"""Specs: frozen, typed descriptions of what to do, read from and written to TOML.

This module is the only home of defaults. Every spec refuses unknown keys and names the nearest known one.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bfrb.errors import ConfigError


class Spec(BaseModel):
    """Base of all specs: immutable, and closed to keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """A spec from plain values.

        Raises
        ------
        ConfigError
            If a key is unknown or a value is impossible.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise _explain(cls, error) from None

    @classmethod
    def from_toml(cls, text: str) -> Self:
        """A spec from TOML text.

        Raises
        ------
        ConfigError
            If the text is not TOML, a key is unknown or a value is impossible.
        """
        try:
            return cls.parse(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"expected TOML, but {error}", remedy="correct that line") from None

    def to_toml(self) -> str:
        """The spec as TOML text; keys that are None are left out."""
        return tomli_w.dumps(self.model_dump(mode="json", exclude_none=True))

    def updated(self, assignments: Iterable[str]) -> Self:
        """A copy with changes such as `"training.epochs=30"`; values are written as in TOML, strings may be bare.

        Raises
        ------
        ConfigError
            If an assignment has no `=`, its key is unknown or its value impossible.
        """
        values = self.model_dump(mode="json", exclude_none=True)
        for assignment in assignments:
            key, equals, text = assignment.partition("=")
            if not equals:
                raise ConfigError(f"expected key=value, got {assignment!r}", remedy="write, say, training.epochs=30")
            *parents, last = key.strip().split(".")
            place = values
            for parent in parents:
                place = place.setdefault(parent, {})
                if not isinstance(place, dict):
                    raise ConfigError(f"{parent!r} in {key!r} has no keys of its own", remedy="name a key of the spec")
            place[last] = _parse_value(text.strip())
        return self.parse(values)


Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0.0)]


class FeatureSpec(Spec):
    """Which features enter which branch of a network; those a device cannot give are left out."""

    imu: tuple[str, ...] = (
        "acc",
        "quaternion",
        "acc_magnitude",
        "rotation_angle",
        "acc_magnitude_jerk",
        "rotation_angle_velocity",
        "linear_acc",
        "linear_acc_magnitude",
        "linear_acc_magnitude_jerk",
        "angular_velocity",
        "angular_distance",
        "gyr",
        "gyr_magnitude",
    )
    proximity: tuple[str, ...] = ("thm", "tof_statistics")
    mirror_left_hand: bool = False
    """Whether recordings of left-handed subjects are mirrored to right hands before anything is computed."""

    @property
    def branches(self) -> dict[str, tuple[str, ...]]:
        """Feature names by branch."""
        return {"imu": self.imu, "proximity": self.proximity}


class NetworkSpec(Spec):
    """What every network's spec has: how it is trained to do without its proximity branch."""

    lose_proximity: Share = 0.0
    """Chance that a training sequence loses all its thermopile and time-of-flight readings."""
    presence_loss: Annotated[float, Field(ge=0.0)] = 0.0
    """Weight of the loss for judging whether proximity readings are there."""


class TwoBranchSpec(NetworkSpec):
    """Sizes of `two_branch`; the defaults are the published network's."""

    widths: tuple[Count, Count] = (64, 128)
    imu_kernels: tuple[Count, Count] = (3, 5)
    imu_dropout: Share = 0.1
    proximity_kernel: Count = 3
    proximity_dropout: Share = 0.2
    recurrent_units: Count = 128
    noise_sd: Annotated[float, Field(ge=0.0)] = 0.09
    noise_units: Count = 16
    recurrent_dropout: Share = 0.4
    head_units: tuple[Count, ...] = (256, 128)
    head_dropouts: tuple[Share, ...] = (0.5, 0.3)

    @model_validator(mode="after")
    def _check_head(self) -> Self:
        if len(self.head_units) != len(self.head_dropouts):
            raise ValueError(f"expected one dropout per dense layer, got {self.head_units} and {self.head_dropouts}")
        return self


class GatedTwoBranchSpec(TwoBranchSpec):
    """Sizes of `gated_two_branch`: `two_branch` with a learned gate on the proximity branch."""

    gate_units: Count = 16
    lose_proximity: Share = 0.35
    presence_loss: Annotated[float, Field(ge=0.0)] = 0.2


class VariationSpec(Spec):
    """How training recordings are varied anew for every epoch, in physical units; 0 leaves them as they are."""

    stretch_time: Annotated[float, Field(ge=0.0, le=1.0)] = 0.0
    """Natural logarithm of the largest factor by which a recording is slowed down or sped up."""
    tilt_device: Annotated[float, Field(ge=0.0, le=45.0)] = 0.0
    """Spread, in degrees, of the angle by which the device is turned on the wrist."""
    turn_heading: Annotated[float, Field(ge=0.0, le=180.0)] = 0.0
    """Largest change, in degrees, of the compass direction a recording is made in."""
    lose_site: Share = 0.0
    """Chance that one of the places with a thermopile and a time-of-flight sensor measures nothing."""

    @property
    def changes_something(self) -> bool:
        """Whether any strength is above 0."""
        return any(self.model_dump().values())


class TrainingSpec(Spec):
    """How a network is trained; the defaults are the published ones."""

    learning_rate: Positive = 5e-4
    schedule: Literal["constant", "cosine"] = "constant"
    weight_decay: Annotated[float, Field(ge=0.0)] = 3e-3
    """L2: this times the sum of squares of the decayed weights is added to the loss, as Keras does."""
    batch_size: Annotated[int, Field(ge=2)] = 64
    bucket_batches: Count = 8
    """Recordings are sorted by length within random groups of this many batches, so that less is padding."""
    mixup_alpha: Annotated[float, Field(ge=0.0)] = 0.4
    label_smoothing: Share = 0.1
    class_weights: bool = True
    epochs: Count = 160
    patience: Count = 40
    stopping: Literal["inner", "held_out_fold", "last_epoch"] = "inner"
    """Whose competition score chooses the epoch: `inner`, subjects set apart from the training subjects;
    `held_out_fold`, the fold that is judged, as published notebooks do (its score is then too good); `last_epoch`,
    nobody's."""
    inner_share: Annotated[float, Field(gt=0.0, le=0.5)] = 0.12
    """About this share of the training subjects is set apart for `stopping = "inner"`."""
    variation: VariationSpec = VariationSpec()


class WindowSpec(Spec):
    """How continuous recordings are cut."""

    length_s: Positive = 5.0
    step_s: Positive = 5.0


class RunSpec(Spec):
    """A whole training run. The defaults are the published baseline: two networks on ten folds."""

    seed: Annotated[int, Field(ge=0)] = 0
    folds: Annotated[int, Field(ge=2)] | Literal["subject"] = 10
    networks: tuple[Literal["two_branch", "gated_two_branch"], ...] = ("two_branch", "gated_two_branch")
    length_percentile: Annotated[float, Field(gt=0.0, le=100.0)] = 95.0
    """Longer recordings keep their last rows; the limit is this percentile of the lengths."""
    features: FeatureSpec = FeatureSpec()
    training: TrainingSpec = TrainingSpec()
    windows: WindowSpec = WindowSpec()
    two_branch: TwoBranchSpec = TwoBranchSpec()
    gated_two_branch: GatedTwoBranchSpec = GatedTwoBranchSpec()

    def network(self, name: str) -> NetworkSpec:
        """The spec of one network."""
        spec: NetworkSpec = getattr(self, name)
        return spec


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
        return RunSpec.from_toml(_read_text(Path(name)))
    if name not in PRESETS:
        raise ConfigError(f"no preset {name!r}", remedy=f"choose {', '.join(PRESETS)}, or name a .toml file")
    return PRESETS[name]


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"expected a TOML file at {path}, but {error}", remedy="name a readable TOML file") from None


def _parse_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _explain(kind: type[Spec], error: ValidationError) -> ConfigError:
    """The first complaint of a validation, in this project's words."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return ConfigError(f"{place}: {first['msg']}, got {first.get('input')!r}", remedy=f"correct {place}")
    known = sorted(_known_keys(kind))
    near = difflib.get_close_matches(place, known, n=1, cutoff=0.4)
    remedy = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
    return ConfigError(f"unknown key {place!r}", remedy=remedy)


def _known_keys(kind: type[Spec], prefix: str = "") -> Iterable[str]:
    for name, field in kind.model_fields.items():
        yield prefix + name
        if isinstance(field.annotation, type) and issubclass(field.annotation, Spec):
            yield from _known_keys(field.annotation, f"{prefix}{name}.")
