"""Which features enter a network."""

from collections.abc import Iterable

from pydantic import Field

from bfrb.errors import ConfigError
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


class FeatureSpec(Spec):
    """Which features enter which branch of a network; those a device cannot give are left out.

    Features are called by their names, or by import path `package.module:name` where they are one's own.
    """

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
    samples: tuple[str, ...] = ("acc", "gyr")
    """What the motion sensors read, as it is: for networks on microcontrollers."""
    mirror_left_hand: bool = False
    """Whether recordings of left-handed subjects are mirrored to right hands before anything is computed."""

    own: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Features of branches that only networks of one's own take in, by the names of the branches."""

    def branches(self, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Feature names of the named branches; raises `ConfigError` if a branch has no features."""
        known = {name: found for name, found in dict(self).items() if isinstance(found, tuple)} | self.own
        for name in names:
            if name not in known:
                raise ConfigError(f"no features of the branch {name!r}", remedy=f"name some in features.own.{name}")
        return {name: known[name] for name in names}
