"""An arm that turns slowly under gravity, recorded rightly and wrongly: what is wrong is told, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bfrb.read.quality import find_suspicions, say_posture
from bfrb.study.device import HELIOS, Device, Sensor
from bfrb.study.recordings import Recordings
from made_up import plain_table

RATE_HZ = 20.0
ROWS = 4000
WATCH = Device(name="watch", sensors=tuple(Sensor(name=name) for name in ("acc", "gyr", "quaternion")), row_rate_hz=20)


def turning_arm(device: Device = WATCH) -> Recordings:
    """An arm that turns about changing axes, and trembles."""
    rng = np.random.default_rng(0)
    rate_rad_s = np.cumsum(rng.normal(0, 0.06, (ROWS, 3)), axis=0) * np.exp(-np.arange(3))
    rate_rad_s -= rate_rad_s.mean(axis=0)
    turns = [Rotation.from_euler("xyz", [0.5, -0.8, 1.0])]
    for rate in rate_rad_s[:-1]:
        turns.append(turns[-1] * Rotation.from_rotvec(rate / RATE_HZ))
    orientation = Rotation.concatenate(turns)
    acc = orientation.inv().apply([0, 0, 9.81]) + rng.normal(0, 0.3, (ROWS, 3))
    quaternion = orientation.as_quat(scalar_first=True, canonical=True)
    sensors = {"acc": acc, "gyr": np.rad2deg(rate_rad_s), "quaternion": quaternion}
    some = {name: values.astype(np.float32) for name, values in sensors.items() if device.has(name)}
    return Recordings(device, some, np.array([0, ROWS]), plain_table(1))


RIGHT = turning_arm()
changed = RIGHT.with_sensors
ACC, GYR, QUAT = (RIGHT.sensors[name] for name in ("acc", "gyr", "quaternion"))


def test_nothing_is_said_against_what_is_right_and_too_few_rows_say_nothing() -> None:
    few = RIGHT.windows(10, 5000)
    assert find_suspicions(RIGHT) == find_suspicions(few) == []
    assert say_posture(few) is None


@pytest.mark.parametrize(
    ("recordings", "kind", "words"),
    [
        (changed(acc=ACC * np.float32(10)), "gravity", "taken for g"),
        (changed(acc=ACC * np.float32([-1, -1, 1])), "axes", "x = -x, y = -y"),
        (changed(quaternion=QUAT * np.float32([1, -1, -1, -1])), "order", "world_to_device"),
        (changed(gyr=-GYR), "angular velocity", "sign is turned"),
        (changed(acc=ACC * np.float32([1, 0, 1])), "dead", "an axis is dead"),
        (changed(gyr=np.zeros_like(GYR)), "dead", "stood still"),
    ],
)
def test_what_is_wrong_is_told_with_what_would_explain_it(recordings: Recordings, kind: str, words: str) -> None:
    found = {suspicion.kind: suspicion for suspicion in find_suspicions(recordings)}
    assert words in found[kind].remedy
    assert found[kind].fatal


def test_gravity_that_was_taken_out_a_range_that_ends_and_a_device_on_the_table_are_told() -> None:
    moves = np.random.default_rng(1).normal(0, 0.4, (ROWS, 3)).astype(np.float32)
    found = find_suspicions(replace(RIGHT, sensors={"acc": moves}))
    assert any("gravity was taken out" in suspicion.remedy for suspicion in found)
    for end, much in ((5, True), (float(np.quantile(ACC[:, 0], 0.97)), False)):
        ended = changed(acc=np.column_stack([np.minimum(ACC[:, 0], np.float32(end)), ACC[:, 1:]]))
        assert [(found.kind, found.fatal) for found in find_suspicions(ended)] == [("saturated", much)]
    hour = int(3600 * RATE_HZ)
    acc = np.tile(np.float32([0, 0, 9.81]), (hour, 1)) + np.random.default_rng(2).normal(0, 0.01, (hour, 3))
    lying = Recordings(WATCH, {"acc": acc}, np.array([0, hour]), plain_table(1))
    (found,) = find_suspicions(lying)
    assert (found.kind, found.fatal) == ("non-wear", False)
    assert "1.0 hours of 1.0" in found.problem


@pytest.mark.parametrize(
    ("name", "change", "kind"),
    [
        ("thm", lambda thm: thm * 1.8 + 32, "temperature"),
        ("thm", lambda thm: np.full_like(thm, 25), "dead"),
        ("thm", lambda thm: np.column_stack([thm[:, :4], 0 * thm[:, 4]]), "dead"),
        ("tof", lambda tof: np.full_like(tof, 9), "distance"),
        ("tof", lambda tof: np.where(tof == -1, 255, tof), "distance"),
        ("tof", lambda tof: np.where(tof == -1, 0, tof), "distance"),
    ],
)
def test_proximity_in_other_units_or_codes_is_told(name: str, change: object, kind: str) -> None:
    rng = np.random.default_rng(3)
    tof = rng.integers(5, 200, (ROWS, 5, 8, 8)).astype(np.int16)
    tof[rng.random(tof.shape) < 0.5] = -1
    thm = rng.normal(27, 2, (ROWS, 5)).astype(np.float32)
    right = turning_arm(HELIOS).with_sensors(thm=thm, tof=tof)
    assert find_suspicions(right) == []
    values = change(right.sensors[name]).astype(right.sensors[name].dtype)  # type: ignore[operator]
    assert [suspicion.kind for suspicion in find_suspicions(right.with_sensors(**{name: values}))] == [kind]
