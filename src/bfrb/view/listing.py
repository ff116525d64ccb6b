"""The list of recordings: searched, filtered and cut into pages on the server."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bfrb.view.collection import LISTED, Collection, find_missing

MAX_PAGE = 500
NOTHING_MISSING, ANYTHING_MISSING = "nothing", "anything"
_COMPLETE = ""


@dataclass(frozen=True)
class Search:
    """What is looked for; None and the empty text find everything.

    Parameters
    ----------
    text
        Words that all have to occur in id, subject, gesture or orientation, in any case.
    subject, gesture, orientation
        Exact values.
    missing
        A sensor that measured nothing, in whole or in part; `nothing` or `anything`.
    """

    text: str = ""
    subject: str | None = None
    gesture: str | None = None
    orientation: str | None = None
    missing: str | None = None


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
        self._collection = collection
        self._columns = {name: _texts(collection, name) for name in LISTED}
        if answers is not None:
            self._columns["answer"] = answers
        self._haystack = ["\n".join(values).lower() for values in zip(*self._columns.values(), strict=True)]
        self._missing: list[str | None] = [None] * len(collection)
        self.problem = ""
        self._thread = threading.Thread(target=self._look_through, name="bfrb-missing", daemon=True)
        self._thread.start()

    @property
    def complete(self) -> bool:
        """Whether it is known of every recording which sensors are missing."""
        return not self._thread.is_alive()

    def _look_through(self) -> None:
        """Part by part; what is read here is not kept, so that it does not push out what is looked at."""
        done = 0
        for part, size in enumerate(self._collection.part_sizes):
            try:
                self._missing[done : done + size] = find_missing(self._collection.load_part(part))
            except Exception as error:  # noqa: BLE001  told on the page; the part fails again when it is looked at
                self.problem = str(error)
            done += size

    def facets(self) -> dict[str, list[tuple[str, int]]]:
        """The values to filter by, each with its number of recordings."""
        counted = {name: _count(self._columns[name]) for name in ("subject", "gesture", "orientation")}
        names = [name for text in self._missing for name in (text or "").split(", ") if name]
        return counted | {"missing": _count(names)}

    def find(self, search: Search) -> list[int]:
        """Numbers of the recordings found, in their order."""
        found = list(range(len(self._haystack)))
        for word in search.text.lower().split():
            found = [number for number in found if word in self._haystack[number]]
        for name, wanted in self._wanted(search).items():
            column = self._columns[name]
            found = [number for number in found if column[number] == wanted]
        if search.missing:
            found = [number for number in found if _misses(self._missing[number], search.missing)]
        return found

    @staticmethod
    def _wanted(search: Search) -> Mapping[str, str]:
        wanted = {"subject": search.subject, "gesture": search.gesture, "orientation": search.orientation}
        return {name: value for name, value in wanted.items() if value}

    def page(self, search: Search, first: int, size: int) -> dict[str, Any]:
        """Some of the recordings found, and how many there are."""
        found = self.find(search)
        shown = found[max(0, first) : max(0, first) + min(size, MAX_PAGE)]
        return {"found": len(found), "first": max(0, first), "rows": [self.row(number) for number in shown]}

    def row(self, number: int) -> dict[str, Any]:
        """What the list shows of a recording."""
        rows = int(self._collection.lengths[number])
        described = {name: values[number] or None for name, values in self._columns.items()}
        seconds = round(rows / self._collection.device.row_rate_hz, 2)
        return {"number": number, **described, "rows": rows, "seconds": seconds, "missing": self._missing[number]}


def _texts(collection: Collection, name: str) -> list[str]:
    if name not in collection.columns:
        return [""] * len(collection)
    return ["" if value is None else str(value) for value in collection.columns[name]]


def _count(values: list[str]) -> list[tuple[str, int]]:
    return sorted((value, count) for value, count in Counter(values).items() if value)


def _misses(missing: str | None, wanted: str) -> bool:
    if missing is None:
        return False
    if wanted in (NOTHING_MISSING, ANYTHING_MISSING):
        return (missing == _COMPLETE) == (wanted == NOTHING_MISSING)
    names = missing.split(", ")
    return wanted in names or any(name.startswith(f"{wanted} ") for name in names)
