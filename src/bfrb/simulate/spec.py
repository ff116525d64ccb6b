"""What a simulated study is made of: every number that can be changed, in one readable spec."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import tomli_w
from pydantic import Field

from bfrb.errors import ConfigError
from bfrb.spec import Spec

Triple = tuple[float, float, float]
Quadruple = tuple[float, float, float, float]


class PeopleSpec(Spec):
    """Who takes part. Counts are per `block` subjects, so that 81 subjects are the published study exactly."""

    block: int = Field(81, ge=1, description="subjects to which the counts below refer")
    left_handed: int = Field(10, ge=0)
    upside_down: int = Field(2, ge=0, description="wear the device turned by 180 degrees about its z axis")
    without_proximity: int = Field(1, ge=0, description="have neither thermopiles nor time of flight")
    without_fifth_sensor: tuple[float, ...] = (1.0, 1.0, 0.9, 0.765, 0.167)  # subjects: in which share of sequences
    missing_sequences: tuple[int, ...] = (0, 5, 0, 51, 48, 1, 6)  # of those above, without proximity sensors, of others
    child_share: float = Field(0.48, ge=0, le=1)
    female_share: float = Field(0.38, ge=0, le=1)


class TimingSpec(Spec):
    """How long things take, in rows of a tenth of a second. Means and spreads of the published lengths."""

    moves_rows: float = Field(26.0, gt=0, description="median rows of 'Moves hand to target location'")
    moves_spread: float = Field(0.72, ge=0, le=10, description="spread of their logarithm")
    relaxes_rows: float = Field(16.2, gt=0, description="median rows of 'Relaxes and moves hand to target location'")
    relaxes_spread: float = Field(0.16, ge=0, le=10)
    pause_rows: float = Field(9.2, gt=0, description="median rows of 'Hand at target location'")
    pause_spread: float = Field(0.60, ge=0, le=10)
    gesture_rows: float = Field(31.4, gt=0, description="mean rows of 'Performs gesture'")
    gesture_spread: float = Field(1.8, ge=0, description="their standard deviation in rows")
    short_gesture_share: float = Field(0.005, ge=0, le=1, description="sequences with 0 to 22 rows of gesture")
    interrupted_share: float = Field(0.012, ge=0, le=1, description="sequences with a long interruption before it")
    subject_spread: float = Field(0.20, ge=0, le=10, description="spread of the logarithm of a subject's own pace")
    reach_s: float = Field(1.10, gt=0, description="median duration of a reach")


class BodySpec(Spec):
    """Spread of bodies, postures and wearing between people (`between`) and between sequences (`within`)."""

    posture_between_rad: float = Field(0.13, ge=0)
    posture_within_rad: float = Field(0.07, ge=0)
    landmark_between_m: float = Field(0.015, ge=0)
    landmark_within_m: float = Field(0.010, ge=0)
    palm_between: float = Field(0.22, ge=0, description="deviation of the palm's direction from the ideal")
    palm_within: float = Field(0.14, ge=0)
    palm_down: Quadruple = Field((0.03, 0.03, 0.15, 0.10), description="share of rests with the palm down, by posture")
    swivel_between_rad: float = Field(0.22, ge=0, description="of the elbow about the line from shoulder to wrist")
    swivel_within_rad: float = Field(0.12, ge=0)
    lying: tuple[float, float] = (1.5, 2.0)  # on the back and on the side: beds carry arms anywhere
    roll_back_rad: float = Field(0.06, ge=0, description="roll of the body about its length on the back")
    roll_side_rad: float = Field(0.25, ge=0, description="the same on the side")
    bare_arms: float = Field(0.5, ge=0, le=1, description="share of wearers with short sleeves")
    device_tilt_rad: float = Field(0.16, ge=0, description="how far the device is twisted on the wrist")
    device_nod_rad: float = Field(0.06, description="mean tilt of the device towards the elbow")
    device_twist_rad: float = Field(0.0, description="mean twist of the device towards the thumb")
    device_place_m: float = Field(0.01, ge=0, description="of its place along the forearm, between people")
    device_slip_rad: float = Field(0.08, ge=0, description="of its turn about the wrist, between sequences")
    strongest_m_s2: float = Field(18.5, gt=0, description="no arm accelerates harder")
    heading_rad: float = Field(0.45, ge=0, description="spread of the compass direction people face")
    amplitude_spread: float = Field(0.30, ge=0, description="spread of the logarithm of the size of movements")
    rhythm_spread: float = Field(0.20, ge=0, description="spread of the logarithm of their rate")
    rocking: float = Field(0.45, ge=0, description="turns of the device on the skin relative to the forearm's roll")
    tendons_rad: float = Field(0.022, ge=0, description="quick turns of the device while fingers work beneath it")
    tendons_spread: float = Field(0.6, ge=0, description="spread of the logarithm of their size")
    sway_rad: float = Field(0.02, ge=0, description="slow turns of elbow and forearm that nobody means")
    sway_spread: float = Field(0.7, ge=0, description="spread of the logarithm of all slow drifts between sequences")
    tremor_m: float = Field(0.00003, ge=0)
    recoil_m: float = Field(0.0006, ge=0, description="how far a hand springs back when what it pulls at slips away")

    @classmethod
    def spreads(cls) -> list[str]:
        """Names of the fields that are spreads."""
        others = {"palm_down", "lying", "bare_arms", "device_nod_rad", "device_twist_rad", "rocking", "recoil_m"}
        return [name for name in cls.model_fields if name not in others | {"strongest_m_s2"}]


class SensorSpec(Spec):
    """Imperfections of the sensors."""

    acc_noise_m_s2: float = Field(0.012, ge=0)
    knock_share: float = Field(0.008, ge=0, le=1, description="sequences in which the device is knocked once")
    knock_low_m_s2: Triple = Field(
        (-34.6, -24.4, -42.9), description="least reading of a knock that was ever published"
    )
    knock_high_m_s2: Triple = Field((46.3, 27.2, 30.1), description="largest, likewise")
    acc_bias_m_s2: float = Field(0.14, ge=0)
    acc_scale: float = Field(1.0045, gt=0, description="readings relative to the truth; at rest the device reads 9.85")
    heading_drift_rad: float = Field(0.03, ge=0, description="drift of the quaternion's heading in a minute")
    tilt_error_rad: float = Field(0.01, ge=0, description="error of the quaternion's vertical")
    quaternion_gap_share: float = Field(0.0064, ge=0, le=1, description="rows without a quaternion")
    room_c: float = Field(22.6, description="temperature of the room")
    room_spread_c: float = Field(1.1, ge=0)
    self_heating_c: float = Field(0.7, description="what the wearer's wrist adds to every thermopile")
    skin_c: float = Field(35.0, description="temperature of bare skin")
    thermopile_gain: float = Field(1.65, gt=0, description="how far a thermopile looks beyond the images")
    thermopile_lag_s: float = Field(0.45, gt=0)
    thermopile_noise_c: float = Field(0.10, ge=0)
    thermopile_gap_share: tuple[float, ...] = Field((0.0014, 0.0025, 0.0005, 0.0, 0.0055))
    thermopile_glitch_share: float = Field(0.0004, ge=0, le=1, description="readings near 0 degrees")
    tof_field_rad: float = Field(1.047, gt=0, description="edge of the square field of view; VL53L7CX: 60 degrees")
    tof_tilt_rad: float = Field(0.35, description="tilt of the four outer sensors from the middle one")
    tof_range_m: float = Field(0.25, gt=0, description="distance that the largest reading, 249, stands for")
    tof_noise: float = Field(0.02, ge=0, description="standard deviation as a share of the distance")
    tof_loss_share: float = Field(0.02, ge=0, le=1, description="pixels lost for no reason")


class StudySpec(Spec):
    """A simulated study.

    >>> spec = StudySpec(subjects=4)
    >>> StudySpec.from_toml(spec.to_toml()) == spec
    True
    """

    subjects: int = Field(81, ge=1)
    steps_per_row: int = Field(5, ge=2, description="steps of the motion within a row")
    randomise: float = Field(1.0, ge=0, le=100, description="factor on every spread between people and sequences")
    people: PeopleSpec = PeopleSpec()
    timing: TimingSpec = TimingSpec()
    body: BodySpec = BodySpec()
    sensors: SensorSpec = SensorSpec()

    def widened(self) -> StudySpec:
        """The same study with every spread multiplied by `randomise`, which becomes 1."""
        noise = ("acc_noise_m_s2", "acc_bias_m_s2", "heading_drift_rad", "tilt_error_rad", "room_spread_c", "tof_noise")
        spreads = {f"body.{name}": getattr(self.body, name) for name in BodySpec.spreads()}
        spreads |= {f"sensors.{name}": getattr(self.sensors, name) for name in noise}
        return self.updated({key: self.randomise * spread for key, spread in spreads.items()} | {"randomise": 1.0})


def mark_of(spec: StudySpec, seed: int, test_subjects: int = 0) -> str:
    """Text of the file that says how a study, and a test beside it, was made, enough to make it again."""
    test = {"test_subjects": test_subjects} if test_subjects else {}
    made = {"seed": seed, **test, "spec": spec.model_dump(mode="json", exclude_none=True)}
    head = "# These recordings are simulated: no person was measured. Results on them must say so.\n"
    return head + tomli_w.dumps({"simulated": True, "bfrb_version": version("bfrb"), **made})


PRESETS = {"study": StudySpec(), "wide": StudySpec(randomise=1.8)}
"""`study` is the published study; `wide` widens every spread."""


def read_study_spec(name: str) -> StudySpec:
    """The preset of that name, or the spec in a `.toml` file; ConfigError if there is none, or it is wrong."""
    if name.endswith(".toml"):
        return StudySpec.from_toml(Path(name).read_text(encoding="utf-8"))
    if name not in PRESETS:
        raise ConfigError(f"unknown preset {name!r}", remedy=f"choose among {', '.join(PRESETS)}")
    return PRESETS[name]
