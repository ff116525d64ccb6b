"""`EventSpec` and `StreamSpec`: how answers for a stream become events, and what disorder a stream puts up with."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from bfrb.read.series import GAP_S
from bfrb.spec import Count, NotNegative, Positive, Share, Spec

Probability = Annotated[float, Field(ge=0.0, le=1.0)]


class EventSpec(Spec):
    """How the answers for the windows of a stream become events; a window's answer stands for its middle `step_s`."""

    step_s: Positive = 1.0
    """Seconds from one window to the next; their length is the bundle's `windows.length_s`."""
    smoothing_s: NotNegative = 2.0
    """Time constant of the exponential mean of the target probability over the windows so far; 0 takes it as it is."""
    on: Probability = 0.6
    """Smoothed target probability that a run of windows has to reach somewhere to be an event."""
    off: Probability = 0.4
    """Smoothed target probability below which a run ends; at most `on`."""
    merge_s: NotNegative = 3.0
    """Events that are at most so far apart are one. An event is complete once that time has passed."""
    minimum_s: NotNegative = 2.0
    """Shorter events are not reported."""
    refractory_s: NotNegative = 0.0
    """An event that begins within this time after the end of a reported one is not reported."""
    min_measured: Share = 0.5
    """A window is answered if more than this share of its rows was measured."""

    @model_validator(mode="after")
    def _check_thresholds(self) -> Self:
        if self.off > self.on:
            raise ValueError(f"expected off to be at most on, got off {self.off:g} and on {self.on:g}")
        return self


class StreamSpec(Spec):
    """What a stream takes for disorder, for a gap and for another clock; times in seconds of the source's clock."""

    reorder_s: NotNegative = 0.2
    """Samples may come so much later than later ones; what is older is dropped. Every answer waits so long."""
    gap_s: Positive = GAP_S
    """Longer silences are gaps: no window spans one, and an event ends there."""
    reset_s: Positive = 10.0
    """Samples that are older than this are not late: their clock may have been set back."""
    patience: Count = 5
    """So many samples in a row that fit each other but not the clock so far are a new beginning; fewer are dropped."""
