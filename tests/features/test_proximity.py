"""Statistics of time-of-flight images, against pandas on real images and by thought."""

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from bfrb.features import proximity
from bfrb.features import rows as pixels
from bfrb.features.pipeline import FEATURES
from bfrb.features.proximity import tof_statistics as statistics_of
from bfrb.features.rows import RaggedRows
from bfrb.study.device import HELIOS
from bfrb.study.recordings import Recordings
from made_up import random_recordings
from published import published_tof

CODE = -1


def image(*distances: int) -> npt.NDArray[np.int16]:
    """(1, 1, 8, 8) An image in which only the first pixels got an answer."""
    return np.int16([*distances, *[CODE] * (64 - len(distances))]).reshape(1, 1, 8, 8)


def tof_statistics(tof: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
    """(N, 4 S) Statistics of (N, S, 8, 8) images."""
    return statistics_of(*pixels.image_sums(tof))


def test_real_images_give_the_published_statistics_and_are_told_from_their_nearness(
    sample: pd.DataFrame, real_recordings: Recordings
) -> None:
    names = ("tof_statistics", "thm", "tof_nearness")
    computed, thm, nearness = (FEATURES[name].compute(RaggedRows(real_recordings)) for name in names)
    np.testing.assert_allclose(computed, published_tof(sample), rtol=1e-9, atol=1e-9, equal_nan=True)
    np.testing.assert_allclose(thm, sample[[f"thm_{site}" for site in range(1, 6)]], rtol=1e-6)
    raw = sample[list(HELIOS.sensor("tof").columns)].to_numpy()
    seen = raw >= 0
    np.testing.assert_array_equal(256.0 * (1.0 - nearness[seen]), raw[seen])
    assert (nearness[raw == CODE] == proximity.FAR).all()
    assert nearness[seen].min() > 0 > proximity.FAR
    np.testing.assert_array_equal(np.isnan(nearness), np.isnan(raw))


def test_gaps_are_where_pandas_has_them_whatever_the_size_of_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    sensor = HELIOS.sensor("tof")
    tof = random_recordings(HELIOS, [300], np.random.default_rng(0), missing=0.2).sensors["tof"]
    raw = np.where(tof == sensor.absent, np.nan, tof).reshape(len(tof), -1)
    expected, found = published_tof(pd.DataFrame(raw, columns=sensor.columns)), tof_statistics(tof)
    assert np.isnan(expected).any()
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    monkeypatch.setattr(pixels, "_BLOCK_ROWS", 7)
    np.testing.assert_array_equal(tof_statistics(tof), found)
    for images, statistics in (
        (image(), [np.nan] * 4),
        (sensor.empty(1)[:, :1], [np.nan] * 4),
        (image(0, 0), [0.0] * 4),
        (image(7), [7.0, np.nan, 7.0, 7.0]),
        (image(*[254] * 64), [254.0, 0.0, 254.0, 254.0]),
    ):
        np.testing.assert_array_equal(tof_statistics(images)[0], statistics)


def test_differences_of_thermopiles_start_at_zero_and_glitches_are_not_measured(real_recordings: Recordings) -> None:
    thm, rows = real_recordings.sensors["thm"].copy(), np.arange(real_recordings.n_rows)
    before = RaggedRows(real_recordings).before(rows)
    found = FEATURES["thm_difference"].compute(RaggedRows(real_recordings))
    np.testing.assert_array_equal(found, thm.astype(np.float64) - thm[before].astype(np.float64))
    thm[5, 2] = 0.4
    glitched = RaggedRows(real_recordings.with_sensors(thm=thm))
    clean, differences = (FEATURES[name].compute(glitched) for name in ("thm_clean", "thm_clean_difference"))
    assert np.isnan(clean[5, 2])
    assert np.isnan(differences[5:7, 2]).all()
    skin = thm >= proximity.COLDEST_SKIN_C
    np.testing.assert_array_equal(clean[skin], thm[skin].astype(np.float64))
