"""What must be true of any wearer and any device, whatever the numbers in the spec."""

import numpy as np
import pytest

from bfrb.simulate.body import SKIN, Solids, Track, draw_arm, follow
from bfrb.simulate.design import LEAN, MOVES, STRAIGHT, Person, Plan
from bfrb.simulate.frames import about
from bfrb.simulate.motion import Wearing, wear
from bfrb.simulate.posing import target_pose
from bfrb.simulate.sensors import (
    FAR_M,
    View,
    helios_layout,
    measure_acc,
    measure_quaternion,
    measure_thm,
    measure_tof,
    see,
    specific_force,
    warmth_seen,
)
from bfrb.simulate.spec import BodySpec, SensorSpec, StudySpec
from bfrb.simulate.study import surroundings
from bfrb.study.device import HELIOS, STANDARD_GRAVITY_M_S2
from bfrb.study.labels import CMI_GESTURES, ORIENTATIONS
from realism import turn_rates

PERFECT = SensorSpec(acc_noise_m_s2=0, acc_bias_m_s2=0, acc_scale=1, knock_share=0, tof_noise=0, tof_loss_share=0)
STILL_BODY = BodySpec(**dict.fromkeys(BodySpec.spreads(), 0.0), rocking=0.0)
PERSON = Person(1, 0, 25, True, False, False, 1.70, 0.27, 0.25)
LAYOUT = helios_layout(PERFECT.tof_field_rad, PERFECT.tof_tilt_rad)
UPRIGHT = np.eye(3)


def still_body(**changed: object) -> BodySpec:
    return BodySpec(**dict(STILL_BODY) | changed)


def plan_of(*gestures: str, posture: int = STRAIGHT) -> Plan:
    codes = np.array([CMI_GESTURES.classes.index(name) for name in gestures])
    same = np.full(len(codes), posture)
    return Plan(codes, same, np.full(len(codes), MOVES), np.tile([30, 15, 30], (len(codes), 1)))


def wearing(*gestures: str, body: BodySpec = STILL_BODY, posture: int = STRAIGHT) -> Wearing:
    return wear(PERSON, plan_of(*gestures, posture=posture), StudySpec(body=body), np.random.default_rng(0))


def ball(centre: list[float], radius_m: float) -> Solids:
    return Solids(np.array([[centre]]), np.eye(3)[None, None], np.full((1, 1, 3), radius_m), np.array([SKIN], np.int8))


def look_at(solids: Solids, height_m: float = 1.0, rotation: np.ndarray = UPRIGHT) -> View:
    """What a device so far above the bed sees in one row."""
    return see(np.array([[0.0, 0.0, height_m]]), rotation[None], solids, LAYOUT)


def test_a_still_wrist_reads_gravity_only() -> None:
    rotation = np.repeat(about(0, 0.4)[None] @ about(1, -1.1)[None], 20, axis=0)
    force = specific_force(np.full((20, 3), 0.3), rotation, 50.0, np.array([0]))
    np.testing.assert_allclose(np.linalg.norm(force, axis=1), STANDARD_GRAVITY_M_S2)
    np.testing.assert_allclose(force, np.repeat(rotation[:1, 2] * STANDARD_GRAVITY_M_S2, 20, axis=0))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_turn_at_constant_rate_gives_that_rate(axis: int) -> None:
    rate_rad_s, step_s = 1.3, 0.1
    rotation = about(axis, rate_rad_s * step_s * np.arange(40))
    measured = measure_quaternion(rotation, np.full(40, 0.7), np.eye(3), np.zeros(40, dtype=bool)).astype(float)
    expected = np.zeros(3)
    expected[axis] = rate_rad_s
    np.testing.assert_allclose(turn_rates(measured[None])[0], np.tile(expected, (39, 1)), atol=0.004)


def test_a_sphere_in_front_is_seen_at_its_distance_and_nowhere_else() -> None:
    view = look_at(ball([0, 0, 1.15], 0.05))
    front, to_hand = (view.distance[0, sensor].reshape(8, 8) for sensor in (0, 1))
    cosine = view.forward[0].reshape(8, 8)[3, 3]
    assert front[3:5, 3:5] == pytest.approx(0.15 * cosine - np.sqrt(0.05**2 - 0.15**2 * (1 - cosine**2)), abs=1e-5)
    assert front[0, 0] == FAR_M
    assert to_hand[0, 3] < FAR_M  # the sensor towards the hand sees it at its inner edge
    assert to_hand[7, 3] == FAR_M


def test_a_flat_wall_gives_the_same_reading_in_all_pixels() -> None:
    view = look_at(ball([0, 0, 0], 1e-4), 0.10, np.diag([1.0, -1.0, -1.0]))
    rays_m = view.distance[0, 0]
    assert rays_m.max() > 1.2 * rays_m.min()
    steps = measure_tof(view, PERFECT, np.random.default_rng(0))[0, 0]
    assert steps == pytest.approx(0.10 / PERFECT.tof_range_m * 249, abs=1)


def test_a_hand_at_the_cheek_gives_a_near_reading_and_a_warm_thermopile() -> None:
    worn = wearing("Cheek - pinch skin")
    rows = worn.track.rows(2, 5)
    view = see(rows.place, rows.rotation, surroundings(worn, StudySpec(body=STILL_BODY)), LAYOUT)
    tof = measure_tof(view, PERFECT, np.random.default_rng(0)).astype(float)
    thm = measure_thm(warmth_seen(view), np.array([0]), PERFECT, np.random.default_rng(0))
    facing = tof[35:45, 1]
    assert 20 < np.median(facing[facing >= 0]) < 150
    assert (facing >= 0).mean() > 0.4
    assert thm[35:45, 1].mean() > thm[:5, 1].mean() + 2


@pytest.mark.parametrize("posture", range(len(ORIENTATIONS)), ids=ORIENTATIONS)
def test_the_fingertips_reach_every_target_in_every_posture_and_seated_the_leg(posture: int) -> None:
    legs = ["Pinch knee/leg skin"] if posture == STRAIGHT else []
    worn = wearing(*sorted(CMI_GESTURES.targets), *legs, posture=posture)
    arm = draw_arm(PERSON, STILL_BODY, np.random.default_rng(0))
    target, _, _ = target_pose(PERSON, worn.plan, worn.posture, worn.body, np.zeros((len(worn.plan), 7)), arm)
    reached = follow(arm, worn.posture.shoulder, target).wrist
    assert np.linalg.norm(reached - target.wrist, axis=1).max() < 0.03


def test_a_resting_palm_looks_up_unless_it_lies_down() -> None:
    def resting(share: float, posture: int) -> float:
        body = still_body(palm_down=(share,) * 4)
        return float(wearing("Cheek - pinch skin", body=body, posture=posture).track.rotation[50, 2, 2])

    # z of the device points out of the palm, so with the palm up it is the room's up; first in the two seated postures.
    assert min(resting(0.0, posture) for posture in (STRAIGHT, LEAN)) > 0.6
    assert max(resting(1.0, posture) for posture in range(4)) < -0.4


def test_the_hand_goes_with_the_forearm_however_the_device_sits() -> None:
    twisted = still_body(device_twist_rad=STILL_BODY.device_twist_rad + 0.4)
    straight, askew = (wearing("Cheek - pinch skin", body=body) for body in (STILL_BODY, twisted))
    for name in ("centre", "axes"):
        hands = (getattr(surroundings(worn, StudySpec()), name) for worn in (straight, askew))
        np.testing.assert_allclose(*hands, atol=1e-12)
    before, after = straight.track.rotation[40], askew.track.rotation[40]
    assert np.arccos((np.trace(before.T @ after) - 1) / 2) == pytest.approx(0.4)


def everything(track: Track, solids: Solids) -> dict[str, np.ndarray]:
    """Noiseless readings of all sensors; warmth in place of the thermopiles' degrees."""
    force = specific_force(track.place, track.rotation, 10.0, np.array([0]))
    view = see(track.place, track.rotation, solids, LAYOUT)
    nowhere = np.zeros(len(track.place))
    return {
        "acc": measure_acc(force, np.array([0]), PERFECT, np.random.default_rng(0)),
        "quaternion": measure_quaternion(track.rotation, nowhere, np.eye(3), nowhere > 0),
        "thm": warmth_seen(view).astype(np.float32),
        "tof": measure_tof(view, PERFECT, np.random.default_rng(0)),
    }


@pytest.mark.parametrize("symmetry", ["left_hand", "upside_down"])
def test_a_mirrored_wearer_or_a_device_turned_over_gives_exactly_that_recording(symmetry: str) -> None:
    worn = wearing("Cheek - pinch skin", "Neck - scratch", body=BodySpec())
    track, solids = worn.track.rows(2, 5), surroundings(worn, StudySpec())
    mirrored = symmetry == "left_hand"
    changed = (track.mirrored(), solids.mirrored()) if mirrored else (track.turned_over(), solids)
    found = everything(*changed)
    for name, values in everything(track, solids).items():
        expected = getattr(HELIOS.sensor(name), symmetry).apply(values)
        if name == "quaternion":  # the sign of a quaternion means nothing
            expected = expected * np.where((expected * found[name]).sum(axis=1, keepdims=True) < 0, -1, 1)
        # A ray that grazes a surface may be rounded to either side of it.
        assert (np.abs(found[name].astype(float) - expected) > 1e-3).mean() < 1e-4, name
