"""How networks are trained: variation of recordings, and the training itself."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from bfrb.config.spec import Count, Positive, Share, Spec


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
