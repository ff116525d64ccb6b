"""Which features enter a network."""

from __future__ import annotations

from collections.abc import Iterable

from bfrb.spec import Spec

DEPLOYABLE_ROTATION = (
    "gravity_direction",
    "angular_velocity",
    "angular_distance",
    "linear_acc",
    "linear_acc_magnitude",
    "gyr",
    "gyr_magnitude",
)
"""How the device turns and where down is: the same whatever compass direction the wearer faces."""

BENCHMARK_ROTATION = (*DEPLOYABLE_ROTATION, "heading_direction", "linear_acc_world")
"""With the compass direction too, which in the CMI study was the same for everybody."""


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
    acc: tuple[str, ...] = ("acc", "acc_magnitude", "acc_magnitude_jerk")
    rotation: tuple[str, ...] = DEPLOYABLE_ROTATION
    thm: tuple[str, ...] = ("thm_clean", "thm_clean_difference")
    tof: tuple[str, ...] = ("tof_nearness",)
    mirror_left_hand: bool = False
    """Whether recordings of left-handed subjects are mirrored to right hands before anything is computed."""

    def branches(self, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Feature names of the named branches."""
        return {name: getattr(self, name) for name in names}
