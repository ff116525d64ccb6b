"""Which features enter a network."""

from __future__ import annotations

from bfrb.config.spec import Spec


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
