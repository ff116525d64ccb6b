"""What `bfrb compare` compares: variants of a training run."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from bfrb.errors import ConfigError
from bfrb.spec import Spec
from bfrb.train.presets import read_preset
from bfrb.train.run import RunSpec


class VariantSpec(Spec):
    """One variant; a plain list of changes is enough to give one."""

    preset: str | None = None
    """Another preset or .toml file than the comparison's."""
    changes: tuple[str, ...] = ()
    """Changes such as `"training.mixup_alpha=0"`."""
    without: tuple[str, ...] = ()
    """Sensors that are taken away from all recordings, such as `"tof"`."""

    @model_validator(mode="before")
    @classmethod
    def _from_list(cls, values: Any) -> Any:
        return {"changes": values} if isinstance(values, list | tuple) else values


class CompareSpec(Spec):
    """Variants of a run on the same folds."""

    preset: str = "quick"
    changes: tuple[str, ...] = ()
    """Changes to every variant's preset, before its own."""
    reference: str | None = None
    """The variant that the others are compared with; the first one by default."""
    variants: Annotated[dict[str, VariantSpec], Field(min_length=1)]

    @model_validator(mode="after")
    def _check_names(self) -> Self:
        if self.reference is not None and self.reference not in self.variants:
            raise ValueError(f"the reference {self.reference!r} is none of the variants")
        if bad := [name for name in self.variants if not name.replace("-", "").replace("_", "").isalnum()]:
            raise ValueError(f"expected names of letters, digits, - and _, found {bad[0]!r}")
        return self

    @property
    def compared_with(self) -> str:
        """Name of the reference."""
        return self.reference or next(iter(self.variants))

    def run(self, name: str) -> RunSpec:
        """The whole run of one variant.

        Raises
        ------
        ConfigError
            If there is no such variant or preset, or a change is impossible.
        """
        if name not in self.variants:
            raise ConfigError(f"no variant {name!r}", remedy=f"choose {', '.join(self.variants)}")
        variant = self.variants[name]
        return read_preset(variant.preset or self.preset).updated([*self.changes, *variant.changes])


SENSOR_VARIANTS = {
    "imu": VariantSpec(without=("thm", "tof")),
    "imu_thm": VariantSpec(without=("tof",)),
    "imu_tof": VariantSpec(without=("thm",)),
    "all": VariantSpec(),
}
"""What each kind of sensor adds to the motion sensors."""
