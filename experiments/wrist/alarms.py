"""From scores of windows to alarms: found recordings, found windows, false alarms per hour, delay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MERGE_S = 60.0
"""Alarms at most so far apart are one."""


@dataclass(frozen=True)
class Traces:
    """R recordings as rows of one (R, M) matrix of windows, NaN after their ends."""

    places: np.ndarray
    """(R, M) number of each window, -1 after the end."""
    names: np.ndarray
    subjects: np.ndarray
    labels: np.ndarray
    """(R,) what was done in each recording: one thing, in these studies."""
    step_s: float

    @classmethod
    def of(cls, recordings: np.ndarray, subjects: np.ndarray, labels: np.ndarray, step_s: float) -> Traces:
        """Of W windows in the order of time within each recording."""
        names, first, numbers = np.unique(recordings, return_index=True, return_inverse=True)
        counts = np.bincount(numbers)
        places = np.full((len(names), counts.max()), -1)
        for number, count in enumerate(counts):
            places[number, :count] = np.flatnonzero(numbers == number)
        return cls(places, names, subjects[first], labels[first], step_s)

    @property
    def hours(self) -> np.ndarray:
        """(R,) hours of each recording."""
        return (self.places >= 0).sum(axis=1) * self.step_s / 3600

    def smoothed(self, scores: np.ndarray, smoothing_s: float) -> np.ndarray:
        """(R, M) exponential mean over the windows so far, as the event rule of the package has it."""
        weight = 1.0 if smoothing_s == 0 else -np.expm1(-self.step_s / smoothing_s)
        values = np.where(self.places >= 0, scores[self.places], np.nan)
        for column in range(1, values.shape[1]):
            values[:, column] = values[:, column - 1] + weight * (values[:, column] - values[:, column - 1])
        return values


def count_alarms(traces: np.ndarray, on: float, step_s: float) -> np.ndarray:
    """(R,) alarms: runs of windows at or above a threshold, joined where they are close."""
    above, most = traces >= on, int(MERGE_S / step_s)
    since = np.full(len(traces), most + 1)
    alarms = np.zeros(len(traces), dtype=int)
    for column in range(traces.shape[1]):
        alarms += above[:, column] & (since > most)
        since = np.where(above[:, column], 0, since + 1)
    return alarms


def thresholds(traces: np.ndarray, count: int = 200) -> np.ndarray:
    """Candidates, from the highest: the largest value of each recording."""
    values = np.unique(np.nanmax(traces, axis=1))[::-1]
    return np.unique(values[np.linspace(0, len(values) - 1, min(count, len(values))).astype(int)])[::-1]


def choose(traces: np.ndarray, about: Traces, kinds: dict[str, np.ndarray], rate: float) -> float:
    """The lowest threshold with at most `rate` false alarms an hour in every kind of negative recordings."""
    best = np.inf
    for on in thresholds(traces):
        alarms = count_alarms(traces, on, about.step_s)
        if any(alarms[kind].sum() > rate * about.hours[kind].sum() for kind in kinds.values()):
            break
        best = float(on)
    return best


def delays_s(traces: np.ndarray, on: float, step_s: float, window_s: float) -> np.ndarray:
    """(R,) seconds from the begin of each recording until it was known; NaN where it was not found."""
    above = traces >= on
    known: np.ndarray = np.where(above.any(axis=1), above.argmax(axis=1) * step_s + window_s, np.nan)
    return known
