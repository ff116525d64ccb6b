"""Run specs by name (`presets.toml`) and from TOML files, variants for `bfrb compare`, and what training needs."""

import tomllib
from importlib.resources import files
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from bfrb.errors import ConfigError
from bfrb.parts import locate_file, need
from bfrb.spec import Spec, read_toml
from bfrb.train.run import RunSpec

_TABLES = tomllib.loads(files("bfrb.train").joinpath("presets.toml").read_text(encoding="utf-8"))

PRESETS = {name: RunSpec.parse(values) for name, values in _TABLES.items()}
"""The run specs that come with the package; `presets.toml` says what each is for."""


def read_preset(name: str) -> RunSpec:
    """The run spec of a preset, or of a TOML file, perhaps in a package, when the name ends in `.toml`.

    ConfigError if there is no such preset or file, or the file has unknown keys.

    >>> read_preset("watch").networks
    ('context',)
    """
    if name.endswith(".toml"):
        return RunSpec.from_toml(read_toml(locate_file(name)))
    if name not in PRESETS:
        raise ConfigError(f"no preset {name!r}", remedy=f"choose {', '.join(PRESETS)}, or name a .toml file")
    return PRESETS[name]


PACKAGES = ("torch", "onnx", "onnxscript", "safetensors", "sklearn")
"""Packages that only training needs."""


def check_installed() -> None:
    """Refuse to train without the packages that only training needs; errors as of `need`."""
    need("training", PACKAGES, "train")


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

        ConfigError if there is no such variant or preset, or a change is impossible.
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
