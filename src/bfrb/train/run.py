"""`RunSpec`: a whole training run: what is varied, how networks are trained, and which."""

import tomllib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from bfrb.features.spec import FeatureSpec
from bfrb.networks.specs import (
    SPECS,
    ContextSpec,
    GatedTwoBranchSpec,
    MicroSpec,
    NetworkSpec,
    RocketSpec,
    TwoBranchSpec,
    check_name,
    find_spec,
    short_name,
)
from bfrb.parts import is_import_path
from bfrb.predict.bundle import SPEC, Bundle
from bfrb.spec import Count, NotNegative, Positive, Share, Spec
from bfrb.study.windows import WindowSpec

LOST_TOGETHER = {
    "lose_thm": ("thm",),
    "lose_tof": ("tof",),
    "lose_proximity": ("thm", "tof"),
    "lose_rotation": ("quaternion", "gyr"),
}
"""The variations that take sensors away altogether, and which."""


class VariationSpec(Spec):
    """How training recordings are varied anew for every epoch, in physical units; 0 leaves them as they are.

    The variations are applied in the order in which they stand here. A key may also be the import path
    `package.module:name` of a variation of one's own (`train.variation.Variation`).

    >>> VariationSpec.parse({"tilt_device": 5, "mypackage.changes:blink": 0.1}).own
    {'mypackage.changes:blink': 0.1}
    """

    tilt_device: Annotated[float, Field(ge=0.0, le=45.0)] = 0.0
    """Spread, in degrees, of the angle by which the device is turned on the wrist."""
    change_wrist: Share = 0.0
    """Chance that a recording is mirrored, as if made on the other wrist."""
    lose_piece: Share = 0.0
    """Chance of every thermopile and every time-of-flight sensor that it measures nothing."""
    lose_thm: Share = 0.0
    """Chance that no thermopile measures anything."""
    lose_tof: Share = 0.0
    """Chance that no time-of-flight sensor measures anything."""
    lose_proximity: Share = 0.0
    """Chance that neither thermopiles nor time-of-flight sensors measure anything."""
    lose_rotation: Share = 0.0
    """Chance that neither an orientation nor a gyroscope tells how the device turns."""

    own: dict[str, NotNegative] = Field(default_factory=dict)
    """Strengths of variations of one's own, by import path; they come last."""

    @model_validator(mode="before")
    @classmethod
    def _gather_own(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        own = {key: strength for key, strength in values.items() if is_import_path(key)}
        others = {key: strength for key, strength in values.items() if key not in own}
        return {**others, "own": {**others.get("own", {}), **own}}

    @field_validator("own")
    @classmethod
    def _check_paths(cls, own: dict[str, float]) -> dict[str, float]:
        for name in own:
            if not is_import_path(name):
                raise ValueError(f"expected variations by import path package.module:name, got {name!r}")
        return own

    @property
    def changes_something(self) -> bool:
        """Whether any strength is above 0."""
        return any({**self.model_dump(exclude={"own"}), **self.own}.values())

    @property
    def lost(self) -> frozenset[str]:
        """Sensors that are taken away altogether at times, so that a network learns to do without them."""
        return frozenset(sensor for name, sensors in LOST_TOGETHER.items() if getattr(self, name) for sensor in sensors)


class TrainingSpec(Spec):
    """How a network is trained; the defaults are the published ones."""

    optimizer: Literal["adam", "adamw"] = "adam"
    learning_rate: Positive = 5e-4
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_epochs: NotNegative = 0.0
    """Over so many epochs the learning rate rises from 0, before the schedule begins."""
    weight_decay: NotNegative = 3e-3
    """With `adam`, L2: this times the sum of squares of the decayed weights is added to the loss, as Keras does. With
    `adamw`, every step shrinks the decayed weights by this times the learning rate."""
    clip_norm: NotNegative = 0.0
    """Gradients with a larger norm are scaled down to it; 0 does not clip."""
    ema_decay: Share = 0.0
    """Weights are averaged over steps, each step keeping this share of the average; the average is what is scored and
    exported. 0 takes the weights as they are."""
    batch_size: Annotated[int, Field(ge=2)] = 64
    bucket_batches: Count = 8
    """Recordings are sorted by length within random groups of this many batches, so that less is padding."""
    mixup_alpha: NotNegative = 0.4
    mixup_at: Literal["start", "gesture"] = "start"
    """What MixUp lays upon each other: the first rows, or the first rows of the gestures where they are known."""
    label_smoothing: Share = 0.1
    heads_loss: NotNegative = 0.5
    """Weight of the class loss of every further head that a network has."""
    teacher_share: Share = 0.5
    """In `bfrb distill`, how much what the ensemble says counts against the label."""
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


class RunSpec(Spec):
    """A whole training run. The defaults are the published baseline: two networks on ten folds.

    >>> spec = RunSpec().updated(["networks=['context']", "context.near_s=3", "training.variation.tilt_device=5"])
    >>> spec.network("context").near_s, spec.variation("context").tilt_device
    (3.0, 5.0)
    """

    seed: Annotated[int, Field(ge=0)] = 0
    folds: Annotated[int, Field(ge=2)] | Literal["subject"] = 10
    seeds: Count = 1
    """Every network is trained so many times on every fold, from other random numbers; their answers are averaged."""
    networks: tuple[str, ...] = ("two_branch", "gated_two_branch")
    """Short names, or import paths `package.module:Class` of your own, which have an attribute `Spec`."""
    answer: Literal["class", "target_first"] = "class"
    """What recordings are answered with: the most probable class; or first whether it is any target, by a threshold on
    their summed probability that makes the F1 of targets large, then the most probable of those or of the others."""
    length_percentile: Annotated[float, Field(gt=0.0, le=100.0)] = 95.0
    """Longer recordings keep their last rows; the limit is this percentile of the lengths."""
    features: FeatureSpec = FeatureSpec()
    training: TrainingSpec = TrainingSpec()
    windows: WindowSpec = WindowSpec()
    two_branch: TwoBranchSpec = TwoBranchSpec()
    gated_two_branch: GatedTwoBranchSpec = GatedTwoBranchSpec()
    context: ContextSpec = ContextSpec()
    rocket: RocketSpec = RocketSpec()
    micro: MicroSpec = MicroSpec()
    sizes: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Specs of networks that are not the package's, by the names of their classes."""

    @field_validator("networks")
    @classmethod
    def _check_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            check_name(network)
        names = [short_name(network) for network in networks]
        if not names or len(set(names)) < len(names):
            raise ValueError(f"expected networks, each named once, got {', '.join(names) or 'none'}")
        return networks

    @model_validator(mode="after")
    def _check_tables(self) -> Self:
        own = [short_name(network) for network in self.networks if network not in SPECS]
        if others := [name for name in self.sizes if name not in own]:
            raise ValueError(f"sizes of {others[0]!r}, expected those of {', '.join(own) or 'no network'}")
        for network in SPECS:
            self.variation(network)
        return self

    def network(self, name: str) -> NetworkSpec:
        """The spec of one network; one that is not the package's is imported.

        ConfigError if there is no such network, or its sizes are not those of its spec.
        """
        if name in SPECS:
            spec: NetworkSpec = getattr(self, name)
            return spec
        return find_spec(name).parse(self.sizes.get(short_name(name), {}))

    def variation(self, name: str) -> VariationSpec:
        """How the training recordings of one network are varied: as those of all, but for what its own spec says.

        ConfigError if its own spec names a variation that does not exist.
        """
        return VariationSpec.parse({**self.training.variation.model_dump(), **self.network(name).variation})

    def dispensable(self, name: str) -> frozenset[str]:
        """Sensors without which one network can answer, by its making or by what its training took away."""
        return self.variation(name).lost | set(self.network(name).DISPENSABLE)

    @property
    def branches(self) -> dict[str, tuple[str, ...]]:
        """Names of the features of every branch that a network of the run takes in."""
        used = [branch for network in self.networks for branch in self.network(network).BRANCHES]
        return self.features.branches(dict.fromkeys(used))


def read_run_spec(bundle: Bundle) -> RunSpec:
    """How a bundle was trained; what later versions no longer know is left out."""
    values = tomllib.loads(bundle.file(SPEC).read_text(encoding="utf-8"))
    return RunSpec.parse(_known(values, RunSpec))


def _known(values: Mapping[str, Any], kind: type[BaseModel]) -> dict[str, Any]:
    """The values, tables within tables included, whose keys a spec has."""
    known = {key: value for key, value in values.items() if key in kind.model_fields}
    for key, value in known.items():
        inner = kind.model_fields[key].annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            known[key] = _known(value, inner)
    return known
