"""What tells simulated from real recordings measures what it says."""

from dataclasses import replace

import numpy as np
import pytest

from bfrb.simulate.spec import StudySpec
from bfrb.simulate.study import simulate_study
from bfrb.study.recordings import Recordings
from realism import PUBLISHED, dynamics, statistics, two_sample_test

BANDS_HZ = {"0.3-1": 0.6, "1-2": 1.5, "2-3.5": 2.7, "3.5-5": 4.2}


@pytest.fixture(scope="module")
def study() -> Recordings:
    return simulate_study(StudySpec(subjects=8), seed=2)


def moved(study: Recordings, acc: np.ndarray) -> Recordings:
    return replace(study, sensors=study.sensors | {"acc": acc.astype(np.float32)})


def test_every_published_statistic_is_found_in_a_study(study: Recordings) -> None:
    found = statistics(study)
    assert set(PUBLISHED) <= set(found)
    assert found["rows mean"] == pytest.approx(study.n_rows / len(study))
    assert found["acc z mean"] == pytest.approx(float(study.sensors["acc"][:, 2].astype(float).mean()))


@pytest.mark.parametrize("band", BANDS_HZ)
def test_a_swinging_wrist_has_its_power_in_the_band_of_its_rate(study: Recordings, band: str) -> None:
    seconds = np.concatenate([np.arange(rows) / study.device.row_rate_hz for rows in study.lengths])
    acc = np.tile([0.0, 0.0, 9.81], (study.n_rows, 1))
    acc[:, 1] = 3 * np.sin(2 * np.pi * BANDS_HZ[band] * seconds)
    found = dynamics(moved(study, acc))
    powers = {name: found[f"acc power {name} Hz in gestures (m/s^2)^2"] for name in BANDS_HZ}
    assert powers.pop(band) == pytest.approx(3**2 / 2, rel=0.1)
    assert max(powers.values()) < 0.5


def test_people_of_one_study_cannot_be_told_apart_and_noisy_devices_can(study: Recordings) -> None:
    people = np.array(study.subjects)
    mine, theirs = (study[np.isin(people, sorted(set(people))[half::2])][::12] for half in (0, 1))
    assert two_sample_test(mine, theirs, effort=1).auc == pytest.approx(0.5, abs=0.2)
    noise = np.random.default_rng(0).normal(0, 1.5, theirs.sensors["acc"].shape)
    found = two_sample_test(mine, moved(theirs, theirs.sensors["acc"] + noise), effort=1)
    assert found.auc > 0.95
    assert "steps sd" in found.telling[0][0] or "curvature sd" in found.telling[0][0] or "least" in found.telling[0][0]
