"""`RunSpec`: a whole training run."""

from __future__ import annotations

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
    StemsSpec,
    TwoBranchSpec,
    check_name,
    find_spec,
    short_name,
)
from bfrb.predict.bundle import SPEC, Bundle
from bfrb.spec import Count, Spec
from bfrb.study.windows import WindowSpec
from bfrb.train.spec import TrainingSpec, VariationSpec


class RunSpec(Spec):
    """A whole training run. The defaults are the published baseline: two networks on ten folds.

    Examples
    --------
    >>> spec = RunSpec().updated(["networks=['stems']", "stems.head_units=64", "training.variation.tilt_device=5"])
    >>> spec.network("stems").head_units, spec.variation("stems").tilt_device
    (64, 5.0)
    """

    seed: Annotated[int, Field(ge=0)] = 0
    folds: Annotated[int, Field(ge=2)] | Literal["subject"] = 10
    seeds: Count = 1
    """Every network is trained so many times on every fold, from other random numbers; their answers are averaged."""
    networks: tuple[str, ...] = ("two_branch", "gated_two_branch")
    """Short names, or import paths `package.module:Class` of your own, which have an attribute `Spec`."""
    length_percentile: Annotated[float, Field(gt=0.0, le=100.0)] = 95.0
    """Longer recordings keep their last rows; the limit is this percentile of the lengths."""
    features: FeatureSpec = FeatureSpec()
    training: TrainingSpec = TrainingSpec()
    windows: WindowSpec = WindowSpec()
    two_branch: TwoBranchSpec = TwoBranchSpec()
    gated_two_branch: GatedTwoBranchSpec = GatedTwoBranchSpec()
    stems: StemsSpec = StemsSpec()
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
