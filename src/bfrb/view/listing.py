"""The list of recordings: searched, filtered and cut into pages on the server."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from bfrb.arrays import Bools
from bfrb.study.recordings import Recordings
from bfrb.view.collection import Collection

MAX_PAGE = 500
NOTHING_MISSING, ANYTHING_MISSING = "nothing", "anything"
FILTERS = ("subject", "gesture", "orientation")


class Listing:
    """A collection's table, made ready to be searched.

    Which sensors are missing is only known from the readings; it is found out part by part, in a thread of its own.

    Parameters
    ----------
    collection
        The recordings.
    answers
        (R,) What a bundle answered for each, if it was asked for all.
    """

    def __init__(self, collection: Collection, answers: list[str] | None = None) -> None:
        self.collection = collection
        self._columns = {name: _texts(collection, name) for name in ("id", *FILTERS)}
        if answers is not None:
            self._columns["answer"] = answers
        self._searched = ["\n".join(values).lower() for values in zip(*self._columns.values(), strict=True)]
        self._missing: list[str | None] = [None] * len(collection)
        self.problem = ""
        self._thread = threading.Thread(target=self._find_missing, name="bfrb-missing", daemon=True)
        self._thread.start()

    @property
    def complete(self) -> bool:
        """Whether it is known of every recording which sensors are missing."""
        return not self._thread.is_alive()

    def _find_missing(self) -> None:
        """Part by part; what is read here is not kept, so that it does not push out what is looked at."""
        done = 0
        for part, size in enumerate(self.collection.part_sizes):
            try:
                self._missing[done : done + size] = find_missing(self.collection.load_part(part))
            except Exception as error:  # noqa: BLE001  told on the page; the part fails again when it is looked at
                self.problem = str(error)
            done += size

    def facets(self) -> dict[str, list[tuple[str, int]]]:
        """The values to filter by, each with its number of recordings."""
        names = [name for text in self._missing for name in (text or "").split(", ")]
        return {name: _count(self._columns[name]) for name in FILTERS} | {"missing": _count(names)}

    def find(self, search: Mapping[str, str]) -> list[int]:
        """Numbers of the recordings found, in their order.

        Parameters
        ----------
        search
            `text`: words that all have to occur in id, subject, gesture or orientation, in any case; exact values of
            `FILTERS`; `missing`: a sensor that measured nothing, in whole or in part, or `nothing`, or `anything`.
            What is empty or left out finds everything.
        """
        found = list(range(len(self._searched)))
        for word in search.get("text", "").lower().split():
            found = [number for number in found if word in self._searched[number]]
        for name in FILTERS:
            if wanted := search.get(name):
                column = self._columns[name]
                found = [number for number in found if column[number] == wanted]
        if wanted := search.get("missing"):
            found = [number for number in found if _misses(self._missing[number], wanted)]
        return found

    def page(self, search: Mapping[str, str], first: int, size: int) -> dict[str, Any]:
        """Some of the recordings found, and how many there are."""
        found, first = self.find(search), max(0, first)
        rows = [self.row(number) for number in found[first : first + min(size, MAX_PAGE)]]
        return {"found": len(found), "first": first, "rows": rows}

    def row(self, number: int) -> dict[str, Any]:
        """What the list shows of a recording."""
        rows = int(self.collection.held.lengths[number])
        described = {name: values[number] or None for name, values in self._columns.items()}
        seconds = round(rows / self.collection.held.device.row_rate_hz, 2)
        return {"number": number, **described, "rows": rows, "seconds": seconds, "missing": self._missing[number]}


def find_missing(recordings: Recordings) -> list[str]:
    """(R,) What measured nothing in each recording: sensors, or the numbers of their parts, such as `thm, tof 5`."""
    by_sensor = [
        [_name_missing(name, pieces) for pieces in recordings.measured_pieces(name)] for name in recordings.sensors
    ]
    return [", ".join(filter(None, names)) for names in zip(*by_sensor, strict=True)]


def _name_missing(name: str, ever: Bools) -> str:
    if not ever.any():
        return name
    return ", ".join(f"{name} {piece + 1}" for piece in np.flatnonzero(~ever))


def _texts(collection: Collection, name: str) -> list[str]:
    values = collection.columns.get(name, [None] * len(collection))
    return ["" if value is None else str(value) for value in values]


def _count(values: list[str]) -> list[tuple[str, int]]:
    return sorted((value, count) for value, count in Counter(values).items() if value)


def _misses(missing: str | None, wanted: str) -> bool:
    if missing is None:
        return False
    if wanted in (NOTHING_MISSING, ANYTHING_MISSING):
        return (missing == "") == (wanted == NOTHING_MISSING)
    return any(name == wanted or name.startswith(f"{wanted} ") for name in missing.split(", "))
