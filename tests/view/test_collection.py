"""The list finds what is looked for, and knows what measured nothing."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from bfrb.study.device import HELIOS
from bfrb.study.labels import ORIENTATIONS
from bfrb.study.recordings import Recordings
from bfrb.view.collection import MAX_PAGE, Collection
from bundles import make_recordings
from made_up import random_recordings


def study() -> Recordings:
    """Six recordings of three subjects; 1 lacks temperature and distance, 2 its fifth distance sensor."""
    recordings = make_recordings(6)
    sensors = {name: values.copy() for name, values in recordings.sensors.items()}
    second, third = (slice(*recordings.offsets[number : number + 2]) for number in (1, 2))
    for name in ("thm", "tof"):
        sensors[name][second] = HELIOS.sensor(name).absent
    sensors["tof"][third, 4] = HELIOS.sensor("tof").absent
    table = recordings.table.with_columns(orientation=pl.Series([*ORIENTATIONS, None, None]))
    return Recordings(HELIOS, sensors, recordings.offsets, table)


def collection(recordings: Recordings | None = None) -> Collection:
    made = Collection("made up", "made up", recordings or study())
    made._thread.join(10)
    assert made.complete
    return made


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ({}, [0, 1, 2, 3, 4, 5]),
        ({"text": "SUBJ_000001"}, [1, 4]),
        ({"text": "PULL eyebrow"}, [2]),
        ({"text": "pull cheek"}, []),
        ({"subject": "SUBJ_000001"}, [1, 4]),
        ({"gesture": "Cheek - pinch skin"}, [1]),
        ({"orientation": "Lie on Back"}, [2]),
        ({"text": "000001", "subject": "SUBJ_000002"}, []),
        ({"missing": "nothing"}, [0, 3, 4, 5]),
        ({"missing": "anything"}, [1, 2]),
        ({"missing": "tof"}, [1, 2]),
        ({"missing": "tof 5"}, [2]),
        ({"text": "SUBJ_000002", "missing": "anything"}, [2]),
    ],
)
def test_a_search_finds(search: dict[str, str], expected: list[int]) -> None:
    assert collection().find(search) == expected


def test_facets_count_what_there_is() -> None:
    facets = collection().facets()
    assert facets["subject"] == [("SUBJ_000000", 2), ("SUBJ_000001", 2), ("SUBJ_000002", 2)]
    assert facets["missing"] == [("thm", 1), ("tof", 1), ("tof 5", 1)]


def test_pages_are_parts_of_what_was_found_and_never_large() -> None:
    page = collection().page({"subject": "SUBJ_000000"}, 1, 5)
    assert (page["found"], page["first"], [row["number"] for row in page["rows"]]) == (2, 1, [3])
    assert collection().page({}, -3, 2)["first"] == 0
    recordings = random_recordings(HELIOS, [1] * (MAX_PAGE + 50), np.random.default_rng(0))
    assert len(collection(recordings).page({}, 0, 10**9)["rows"]) == MAX_PAGE


def test_a_part_that_cannot_be_read_is_told_and_the_rest_is_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> Recordings:
        raise OSError("the disk is gone")

    monkeypatch.setattr(Collection, "_load_part", fail)
    made = collection()
    assert "the disk is gone" in made.problem
    assert made.page({}, 0, 1)["rows"][0]["missing"] is None
