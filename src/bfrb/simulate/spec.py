"""What a simulated study is made of: every number that can be changed. What each means: `docs/settings.toml`."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import tomli_w
from pydantic import Field

from bfrb.errors import ConfigError
from bfrb.spec import Count, NotNegative, Positive, Spec

Triple = tuple[float, float, float]
Quadruple = tuple[float, float, float, float]


class PeopleSpec(Spec):
    """Who takes part. Counts are per `block` subjects, so that 81 subjects are the published study exactly."""

    block: Count = 81
    left_handed: int = Field(10, ge=0)
    upside_down: int = Field(2, ge=0)
    without_proximity: int = Field(1, ge=0)
    without_fifth_sensor: tuple[float, ...] = (1.0, 1.0, 0.9, 0.765, 0.167)  # subjects: in which share of sequences
    missing_sequences: tuple[int, ...] = (0, 5, 0, 51, 48, 1, 6)  # of those above, without proximity sensors, of others
    child_share: float = Field(0.48, ge=0, le=1)
    female_share: float = Field(0.38, ge=0, le=1)


class TimingSpec(Spec):
    """How long things take, in rows of a tenth of a second. Means and spreads of the published lengths."""

    moves_rows: Positive = 26.0
    moves_spread: float = Field(0.72, ge=0, le=10)
    relaxes_rows: Positive = 16.2
    relaxes_spread: float = Field(0.16, ge=0, le=10)
    pause_rows: Positive = 9.2
    pause_spread: float = Field(0.60, ge=0, le=10)
    gesture_rows: Positive = 31.4
    gesture_spread: NotNegative = 1.8
    short_gesture_share: float = Field(0.005, ge=0, le=1)
    interrupted_share: float = Field(0.012, ge=0, le=1)
    subject_spread: float = Field(0.20, ge=0, le=10)
    reach_s: Positive = 1.10


class BodySpec(Spec):
    """Spread of bodies, postures and wearing between people (`between`) and between sequences (`within`)."""

    posture_between_rad: NotNegative = 0.13
    posture_within_rad: NotNegative = 0.07
    landmark_between_m: NotNegative = 0.015
    landmark_within_m: NotNegative = 0.010
    palm_between: NotNegative = 0.22
    palm_within: NotNegative = 0.14
    palm_down: Quadruple = (0.03, 0.03, 0.15, 0.10)
    swivel_between_rad: NotNegative = 0.22
    swivel_within_rad: NotNegative = 0.12
    lying: tuple[float, float] = (1.5, 2.0)  # on the back and on the side: beds carry arms anywhere
    roll_back_rad: NotNegative = 0.06
    roll_side_rad: NotNegative = 0.25
    bare_arms: float = Field(0.5, ge=0, le=1)
    device_tilt_rad: NotNegative = 0.16
    device_nod_rad: float = 0.06
    device_twist_rad: float = 0.0
    device_place_m: NotNegative = 0.01
    device_slip_rad: NotNegative = 0.08
    strongest_m_s2: Positive = 18.5
    heading_rad: NotNegative = 0.45
    amplitude_spread: NotNegative = 0.30
    rhythm_spread: NotNegative = 0.20
    rocking: NotNegative = 0.45
    tendons_rad: NotNegative = 0.022
    tendons_spread: NotNegative = 0.6
    sway_rad: NotNegative = 0.02
    sway_spread: NotNegative = 0.7
    tremor_m: NotNegative = 0.00003
    recoil_m: NotNegative = 0.0006

    @classmethod
    def spreads(cls) -> list[str]:
        """Names of the fields that are spreads."""
        others = {"palm_down", "lying", "bare_arms", "device_nod_rad", "device_twist_rad", "rocking", "recoil_m"}
        return [name for name in cls.model_fields if name not in others | {"strongest_m_s2"}]


class SensorSpec(Spec):
    """Imperfections of the sensors."""

    acc_noise_m_s2: NotNegative = 0.012
    knock_share: float = Field(0.008, ge=0, le=1)
    knock_low_m_s2: Triple = (-34.6, -24.4, -42.9)
    knock_high_m_s2: Triple = (46.3, 27.2, 30.1)
    acc_bias_m_s2: NotNegative = 0.14
    acc_scale: Positive = 1.0045
    heading_drift_rad: NotNegative = 0.03
    tilt_error_rad: NotNegative = 0.01
    quaternion_gap_share: float = Field(0.0064, ge=0, le=1)
    room_c: float = 22.6
    room_spread_c: NotNegative = 1.1
    self_heating_c: float = 0.7
    skin_c: float = 35.0
    thermopile_gain: Positive = 1.65
    thermopile_lag_s: Positive = 0.45
    thermopile_noise_c: NotNegative = 0.10
    thermopile_gap_share: tuple[float, ...] = (0.0014, 0.0025, 0.0005, 0.0, 0.0055)
    thermopile_glitch_share: float = Field(0.0004, ge=0, le=1)
    tof_field_rad: Positive = 1.047
    tof_tilt_rad: float = 0.35
    tof_range_m: Positive = 0.25
    tof_noise: NotNegative = 0.02
    tof_loss_share: float = Field(0.02, ge=0, le=1)


class StudySpec(Spec):
    """A simulated study.

    >>> spec = StudySpec(subjects=4)
    >>> StudySpec.from_toml(spec.to_toml()) == spec
    True
    """

    subjects: Count = 81
    steps_per_row: int = Field(5, ge=2)
    randomise: float = Field(1.0, ge=0, le=100)
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
