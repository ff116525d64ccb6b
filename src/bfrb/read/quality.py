"""What physics says about recordings of a wrist: units, signs, axes and orders that cannot be as they are said to be.

An arm at rest reads 9.81 m/s^2, upwards; where there is an orientation, it turns that into the world's up; where there
is a gyroscope, it turns gravity through the device as fast as the accelerometer sees it go. Whatever does not hold is
told as a `Suspicion`, with what would explain it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations, product

import numpy as np

from bfrb.arrays import Floats
from bfrb.study.device import STANDARD_GRAVITY_M_S2
from bfrb.study.recordings import Recordings

GRAVITY_RANGE_M_S2 = (6.5, 14.0)
"""Medians of the size of acceleration that arms have, at rest and at work."""
_RUNNING_M_S2 = 30.0
"""More than arms have that run."""
LEAST_ROWS = 20
"""Fewer measured rows say nothing."""

_UPWARDS = 0.6
"""Least share of the acceleration, on average over rows, that points up in the world."""
_EXPLAINED, _BETTER = 0.85, 0.1
"""So much points up of what is right, even at work; and a change that explains the rest gains at least so much."""
_FOLLOWS, _SURELY_FOLLOWS, _WEAKLY_FOLLOWS = 0.25, 0.6, 0.1
"""Correlations, in size, from which on gyroscope and gravity tell of each other: likely, even in vigorous sport, and
where there would be none if it were not so, because the gyroscope is ten times too small."""
_SMOOTHED_S, _MOST_ROWS = 0.4, 100_000
_CALM_M_S2 = 1.0

_SATURATED_SHARE, _MOSTLY_SATURATED = 0.005, 0.1
"""Rows at an end of the range; with so many, too little is left to answer."""
_ALIKE, _MANY_VALUES = 1e-3, 10
"""Readings no further apart are the same; a sensor that takes so many values has fine steps."""
_NON_WEAR_S, _NON_WEAR_SD_M_S2 = 1800.0, 0.13
"""No arm is as still as 13 mg for half an hour (van Hees et al. 2011, doi:10.1371/journal.pone.0022922)."""


@dataclass(frozen=True)
class Suspicion:
    """Something that recordings of a wrist would not show, and what would explain it."""

    kind: str
    """One word, such as gravity, sign, axes, order, dead, saturated, non-wear."""
    problem: str
    remedy: str
    fatal: bool = True
    """Whether an answer for such recordings would be wrong without a sign of it."""


def find_suspicions(recordings: Recordings) -> list[Suspicion]:
    """All that speaks against recordings, taken together, being what they are said to be."""
    checks = (_check_gravity, _check_channels, _check_orientation, _check_gyroscope, _check_proximity, _check_wear)
    return [found for check in checks for found in check(recordings)]


def say_posture(recordings: Recordings) -> str | None:
    """How the arm was held, in plain words, for whoever knows what the wearer did; None without an accelerometer.

    >>> import polars as pl
    >>> from bfrb.study.device import HELIOS
    >>> hanging = np.tile(np.float32([0, -9.81, 0]), (30, 1))
    >>> table = pl.DataFrame({"id": ["a"], "subject": ["s"]})
    >>> say_posture(Recordings(HELIOS, {"acc": hanging}, np.array([0, 30]), table))
    'the hand points down 100 % of the time, up 0 %; the palm faces down 0 % of the time, up 0 %'
    """
    acc = _measured(recordings, "acc")
    if len(acc) < LEAST_ROWS:
        return None
    up = acc / np.maximum(np.linalg.norm(acc, axis=1, keepdims=True), 1e-9)
    down, high = 100 * (up < -0.5).mean(axis=0), 100 * (up > 0.5).mean(axis=0)
    hand, palm = (f"down {down[axis]:.0f} % of the time, up {high[axis]:.0f} %" for axis in (1, 2))
    return f"the hand points {hand}; the palm faces {palm}"


def _measured(recordings: Recordings, *names: str) -> Floats:
    """(n, C) Rows in which all the named sensors measured, side by side."""
    if not all(recordings.device.has(name) for name in names):
        return np.zeros((0, 1))
    values = np.concatenate([recordings.sensors[name].astype(np.float64) for name in names], axis=1)
    return np.asarray(values[~np.isnan(values).any(axis=1)])


def _check_gravity(recordings: Recordings) -> Iterator[Suspicion]:
    acc = _measured(recordings, "acc")
    size = float(np.median(np.linalg.norm(acc, axis=1))) if len(acc) >= LEAST_ROWS else STANDARD_GRAVITY_M_S2
    low, high = GRAVITY_RANGE_M_S2
    if low <= size <= high:
        return
    one_g = {
        'they are in g: divide nothing, say unit = "g"': 1.0,
        'they are in mg: say unit = "mg"': 1000.0,
        'they were taken for g and are in m/s^2: say unit = "m/s^2"': STANDARD_GRAVITY_M_S2**2,
        "they are counts of 1/64 g: say unit = 0.15323": 64.0,
    }
    likely = [words for words, expected in one_g.items() if 0.8 < size / expected < 1.35]
    if not likely and size < 0.25 * STANDARD_GRAVITY_M_S2:
        likely = ["gravity was taken out of them: record or export them with it (Apple: gravity + userAcceleration)"]
    problem = f"expected accelerations of about 9.81 m/s^2, as of an arm at rest, found {size:.3g} (median)"
    moves_much = not likely and high < size < _RUNNING_M_S2
    yield Suspicion("gravity", problem, "; or ".join(likely) or "find out their unit, and say it", not moves_much)


def _check_channels(recordings: Recordings) -> Iterator[Suspicion]:
    for name in ("acc", "gyr"):
        values = _measured(recordings, name)
        if len(values) < 5 * LEAST_ROWS:
            continue
        dead = [axis for axis, sd in zip("xyz", values.std(axis=0), strict=True) if sd == 0]
        if len(dead) == 3:
            yield Suspicion(
                "dead", f"{name} is the same in every row", "the sensor or its export stood still: check it"
            )
        elif dead:
            yield Suspicion("dead", f"{name} {', '.join(dead)} never changes", "an axis is dead, or a column was lost")
        for axis, column in zip("xyz", values.T, strict=True):
            at, share = _find_wall(column)
            if share:
                problem = f"{name} {axis} stands at {at:.4g}, an end of its range, in {100 * share:.1f} % of the rows"
                yield Suspicion("saturated", problem, "record with a wider range", share > _MOSTLY_SATURATED)


def _find_wall(column: Floats) -> tuple[float, float]:
    """An end of a range at which readings stand, many more than at any value within, and their share; 0 if none do."""
    for end in (column.max(), column.min()):
        at_end = np.abs(column - end) < _ALIKE
        if at_end.mean() > _SATURATED_SHARE and not at_end.all():
            within = np.unique(np.round(column[~at_end] / _ALIKE), return_counts=True)[1]
            if len(within) > _MANY_VALUES and at_end.sum() > 5 * np.sort(within)[-2]:
                return float(end), float(at_end.mean())
    return 0.0, 0.0


def _check_orientation(recordings: Recordings) -> Iterator[Suspicion]:
    both = _measured(recordings, "acc", "quaternion")
    if len(both) < LEAST_ROWS or not recordings.device.knows_heading:
        return  # an orientation that was made of the accelerations cannot speak against them
    acc, quaternion = both[:, :3], both[:, 3:]
    found = _upwards(acc, quaternion)
    if found >= _EXPLAINED:
        return
    kind, words, score = _explain_orientation(acc, quaternion)
    if found < _UPWARDS or score >= found + _BETTER:
        up = f"gravity should point up; it does so with {found:+.2f} of its size"
        yield Suspicion(kind, f"turned into the world by the orientation, {up}", words)


def _upwards(acc: Floats, quaternion: Floats) -> float:
    """How much of the acceleration points up in the world, on average: 1 for an arm that rests."""
    w, x, y, z = quaternion.T
    up = np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z], axis=1)
    return float((acc * up).sum(axis=1).mean() / np.linalg.norm(acc, axis=1).mean())


def _explain_orientation(acc: Floats, quaternion: Floats) -> tuple[str, str, float]:
    """The change that makes gravity point up, and how much it then does; 0 if none does."""
    swapped = quaternion[:, [3, 0, 1, 2]]
    back = quaternion * np.array([1.0, -1.0, -1.0, -1.0])
    changes: dict[str, tuple[str, Floats, Floats]] = {
        'the sign of the accelerations is turned: say at_rest = "down"': ("sign", -acc, quaternion),
        "the quaternion is x, y, z, w: name its columns in the order w, x, y, z": ("order", acc, swapped),
        'it turns the world into the device: say turns = "world_to_device"': ("order", acc, back),
        "the quaternion is x, y, z, w and the sign of the accelerations is turned: say both": ("order", -acc, swapped),
    }
    scores = {words: _upwards(changed, turned) for words, (_, changed, turned) in changes.items()}
    best = max(scores, key=lambda words: scores[words])
    if scores[best] >= _EXPLAINED:
        return changes[best][0], best, scores[best]
    score, order, sign = max(
        (_upwards(acc[:, order] * sign, quaternion), order, sign)
        for order in permutations(range(3))
        for sign in product((1.0, -1.0), repeat=3)
    )
    if score >= _EXPLAINED:
        axes = [f"{axis} = {'-' if s < 0 else ''}{'xyz'[o]}" for axis, o, s in zip("xyz", order, sign, strict=True)]
        turned = "the axes of the accelerations are turned or swapped against the orientation's"
        return "axes", f"{turned}: {', '.join(axes)} would fit", score
    return "axes", "orientation and accelerations are not of one device, or one of them is damaged", 0.0


def _check_gyroscope(recordings: Recordings) -> Iterator[Suspicion]:
    """Gravity goes through the device as the gyroscope says, d acc / dt = acc x omega, once jolts are averaged."""
    if not (recordings.device.has("gyr") and recordings.device.has("acc")):
        return
    rate_hz = recordings.device.row_rate_hz
    width = max(2, round(_SMOOTHED_S * rate_hz))
    both = np.concatenate([recordings.sensors[name].astype(np.float64) for name in ("acc", "gyr")], axis=1)
    every = np.arange(recordings.n_rows)
    starts = every[np.repeat(recordings.offsets[1:], recordings.lengths) - every >= 2 * width]  # within one recording
    starts = starts[:: max(1, len(starts) // _MOST_ROWS)]
    both = np.concatenate([both, np.square(both[:, :3]).sum(axis=1, keepdims=True)], axis=1)
    sums = np.concatenate([np.zeros((1, 7)), np.cumsum(np.nan_to_num(both), axis=0)])
    lost = np.concatenate([[0], np.cumsum(np.isnan(both).any(axis=1))])
    starts = starts[lost[starts + 2 * width] == lost[starts]]
    if len(starts) < 5 * LEAST_ROWS:
        return
    first, second = ((sums[starts + at + width] - sums[starts + at]) / width for at in (0, width))
    between = (first + second) / 2
    size = np.linalg.norm(between[:, :3], axis=1)
    jolts = np.sqrt(np.maximum(between[:, 6] - size**2, 0.0))
    change = (second - first)[:, :3] * (rate_hz / width)
    expected = np.cross(between[:, :3], np.deg2rad(between[:, 3:6]))
    calm = (np.abs(size - STANDARD_GRAVITY_M_S2) < _CALM_M_S2) & (jolts < _CALM_M_S2 + np.linalg.norm(change, axis=1))
    if calm.sum() >= 5 * LEAST_ROWS:
        yield from _judge_gyroscope(change[calm], expected[calm])


def _judge_gyroscope(change: Floats, expected: Floats) -> Iterator[Suspicion]:
    strength = float((expected**2).sum())
    if strength == 0:
        return
    slope = float((change * expected).sum() / strength)
    follows = float((change * expected).sum() / np.sqrt(strength * (change**2).sum() + 1e-12))
    if follows < -_FOLLOWS:
        remedy = "its sign is turned, or its axes are left-handed against those of the accelerometer: check both"
        surely = follows < -_SURELY_FOLLOWS
        yield Suspicion("angular velocity", "gravity turns against the gyroscope", remedy, surely)
    elif (follows > _FOLLOWS and slope < 0.1) or (follows > _WEAKLY_FOLLOWS and slope > 10.0):
        unit = "rad/s" if slope > 1 else "deg/s"
        problem = f"gravity turns {slope:.3g} times as fast as the gyroscope says"
        yield Suspicion("angular velocity", problem, f'it is in {unit}: say unit = "{unit}"')


def _check_proximity(recordings: Recordings) -> Iterator[Suspicion]:
    if recordings.device.has("thm"):
        values = recordings.sensors["thm"]
        known = values[~np.isnan(values)]
        enough = (~np.isnan(values)).sum(axis=0) > 2 * LEAST_ROWS
        if (dead := enough & (np.fmin.reduce(values) == np.fmax.reduce(values))).any():
            problem = f"thm {', '.join(str(1 + at) for at in np.flatnonzero(dead))} never changes"
            yield Suspicion("dead", problem, "a sensor is dead: leave its readings empty", bool(dead.all()))
        if len(known) > LEAST_ROWS and (middle := float(np.median(known))) > 60.0:
            problem = f"expected skin or room, 15 to 40 degrees C, found {middle:.1f} (median)"
            yield Suspicion("temperature", problem, "they are in degrees F, or in steps of their own: convert them")
    if not recordings.device.has("tof"):
        return
    sensor, values = recordings.device.sensor("tof"), recordings.sensors["tof"][:: 1 + recordings.n_rows // _MOST_ROWS]
    known = values[values != sensor.absent]
    if len(known) < 320 * LEAST_ROWS:
        return
    if known.min() == known.max():
        same = "time of flight is the same in every pixel"
        yield Suspicion("distance", same, "the sensors or their export stood still")
    elif not (known == sensor.no_response_code).any():
        for code in (0, 255):
            if (share := float((known == code).mean())) > 0.2:
                problem = f"no pixel is without an answer, and {100 * share:.0f} % of them are {code}"
                yield Suspicion("distance", problem, f"{code} is no answer: write {sensor.no_response_code} there")


def _check_wear(recordings: Recordings) -> Iterator[Suspicion]:
    if not recordings.device.has("acc"):
        return
    rows = int(_NON_WEAR_S * recordings.device.row_rate_hz)
    still = total = 0
    for number, length in enumerate(recordings.lengths):
        whole = int(length) // rows * rows
        if whole:
            start = int(recordings.offsets[number])
            parts = recordings.sensors["acc"][start : start + whole].reshape(-1, rows, 3).astype(np.float64)
            # Still are those parts of which at least two axes hardly moved.
            still += int(((parts.std(axis=1) < _NON_WEAR_SD_M_S2).sum(axis=1) >= 2).sum())
            total += len(parts)
    if still:
        hours, of = still * _NON_WEAR_S / 3600, total * _NON_WEAR_S / 3600
        problem = f"{hours:.1f} hours of {of:.1f} are as still as a device that nobody wears"
        yield Suspicion("non-wear", problem, "leave them out, or count no hours without alarms from them", fatal=False)
