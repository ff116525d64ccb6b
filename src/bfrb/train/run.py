"""`RunSpec`: a whole training run."""

from __future__ import annotations

import tomllib
from typing import Annotated, Literal

from pydantic import Field, field_validator

from bfrb.features.spec import FeatureSpec
from bfrb.networks.specs import ContextSpec, GatedTwoBranchSpec, NetworkSpec, StemsSpec, TwoBranchSpec
from bfrb.predict.bundle import SPEC, Bundle
from bfrb.spec import Count, Spec
from bfrb.study.windows import WindowSpec
from bfrb.train.spec import TrainingSpec


class RunSpec(Spec):
    """A whole training run. The defaults are the published baseline: two networks on ten folds."""

    seed: Annotated[int, Field(ge=0)] = 0
    folds: Annotated[int, Field(ge=2)] | Literal["subject"] = 10
    seeds: Count = 1
    """Every network is trained so many times on every fold, from other random numbers; their answers are averaged."""
    networks: tuple[Literal["two_branch", "gated_two_branch", "stems", "context"], ...] = (
        "two_branch",
        "gated_two_branch",
    )
    length_percentile: Annotated[float, Field(gt=0.0, le=100.0)] = 95.0
    """Longer recordings keep their last rows; the limit is this percentile of the lengths."""
    features: FeatureSpec = FeatureSpec()
    training: TrainingSpec = TrainingSpec()
    windows: WindowSpec = WindowSpec()
    two_branch: TwoBranchSpec = TwoBranchSpec()
    gated_two_branch: GatedTwoBranchSpec = GatedTwoBranchSpec()
    stems: StemsSpec = StemsSpec()
    context: ContextSpec = ContextSpec()

    @field_validator("networks")
    @classmethod
    def _check_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        if not networks or len(set(networks)) < len(networks):
            raise ValueError(f"expected networks, each named once, got {', '.join(networks) or 'none'}")
        return networks

    def network(self, name: str) -> NetworkSpec:
        """The spec of one network."""
        spec: NetworkSpec = getattr(self, name)
        return spec

    def dispensable(self, name: str) -> frozenset[str]:
        """Sensors without which one network has learnt to answer."""
        varied = self.training.variation
        lost = {
            "thm": varied.lose_thm or varied.lose_proximity,
            "tof": varied.lose_tof or varied.lose_proximity,
            "quaternion": varied.lose_quaternion,
        }
        return frozenset({*self.network(name).dispensable, *(sensor for sensor, chance in lost.items() if chance)})

    @property
    def branches(self) -> dict[str, tuple[str, ...]]:
        """Names of the features of every branch that a network of the run takes in."""
        used = [branch for network in self.networks for branch in self.network(network).BRANCHES]
        return self.features.branches(dict.fromkeys(used))


_RETIRED = ("wearing", "transformer")
"""Tables of specs that version 0.1 wrote."""


def read_run_spec(bundle: Bundle) -> RunSpec:
    """How a bundle was trained; what later versions no longer know is left out."""
    values = tomllib.loads(bundle.file(SPEC).read_text(encoding="utf-8"))
    return RunSpec.parse({key: value for key, value in values.items() if key not in _RETIRED})
