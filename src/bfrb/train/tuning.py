"""What `bfrb tune` searches: a space of run specs."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from bfrb.spec import Count, Spec
from bfrb.train.presets import read_preset
from bfrb.train.run import RunSpec

Value = bool | int | float | str


class RangeSpec(Spec):
    """Values that one key of a run spec may have: from `low` to `high`, or one of `choices`."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    """Whether a factor counts rather than a difference; `low` is then above 0."""
    integer: bool = False
    choices: tuple[Value, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.choices:
            if self.low is not None or self.high is not None:
                raise ValueError("expected choices, or low and high, not both")
        elif self.low is None or self.high is None or self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError("expected low below high (above 0 with log), or choices")
        return self


class TuneSpec(Spec):
    """A search for a better run spec."""

    preset: str = "quick"
    changes: tuple[str, ...] = ()
    """Changes to the preset in every trial, such as `"folds=3"`."""
    trials: Count = 20
    scenario: Literal["all", "imu", "half"] = "half"
    """Whose out-of-fold score is made large."""
    judge_folds: Annotated[int, Field(ge=2)] = 5
    """One of so many equal parts of the subjects is kept out of the search, to judge what it found."""
    seed: Annotated[int, Field(ge=0)] = 0
    space: Annotated[dict[str, RangeSpec], Field(min_length=1)]
    """Values by key, such as `training.learning_rate`."""

    def run(self, values: dict[str, Value]) -> RunSpec:
        """The run of a trial.

        Raises
        ------
        ConfigError
            If a key is unknown or a value impossible.
        """
        texts = [f"{key}={str(value).lower() if isinstance(value, bool) else value}" for key, value in values.items()]
        return read_preset(self.preset).updated([*self.changes, *texts])
