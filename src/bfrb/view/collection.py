"""Collections: the recordings of one source, listed and searched, and read part by part when they are looked at."""

import tempfile
import threading
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from bfrb.errors import DataError
from bfrb.read.judging import JudgedSource
from bfrb.read.sources import ingest, open_source, size_bytes
from bfrb.read.store import Store
from bfrb.study.recordings import Progress, Recordings
from bfrb.view.traces import make_panels

READ_WHOLE_BYTES = 64 << 20
"""Sources up to this size are kept in memory; larger ones are ingested to a temporary store first."""

MAX_PAGE = 500
FILTERS = ("subject", "gesture", "orientation")

_KEPT_PARTS, _KEPT_PANELS = 4, 3


class Collection:
    """R recordings in parts (those in memory are one part), of which the few that were looked at last are kept.

    Which sensors are missing is only known from the readings; it is found out part by part, in a thread of its own.
    The description says in one line where it comes from.
    """

    def __init__(self, name: str, description: str, held: Recordings | Store) -> None:
        self.name, self.description, self.held = name, description, held
        table = held.table
        texts = {each: table[each].to_list() for each in ("id", *FILTERS) if each in table.columns}
        self._columns = {each: ["" if value is None else str(value) for value in texts[each]] for each in texts}
        self._searched = ["\n".join(values).lower() for values in zip(*self._columns.values(), strict=True)]
        parts = [len(self)] if isinstance(held, Recordings) else [part.recordings for part in held.manifest.parts]
        self._starts = np.cumsum([0, *parts])
        self._kept_part = lru_cache(_KEPT_PARTS)(self._load_part)
        self.panels = lru_cache(_KEPT_PANELS)(lambda number: make_panels(self.recording(number)))
        self._missing: list[str | None] = [None] * len(self)
        self.problem = ""
        self._thread = threading.Thread(target=self._find_missing, name="bfrb-missing", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        return len(self.held.lengths)

    @property
    def ids(self) -> list[str]:
        """(R,) ids of the recordings."""
        return self._columns["id"]

    @property
    def complete(self) -> bool:
        """Whether it is known of every recording which sensors are missing."""
        return not self._thread.is_alive()

    def _load_part(self, part: int) -> Recordings:
        return self.held if isinstance(self.held, Recordings) else self.held.read_part(part)

    def recording(self, number: int) -> Recordings:
        """A batch of one; DataError if there is no such recording, or it cannot be read any more."""
        if not 0 <= number < len(self):
            raise DataError(f"there is no recording {number}; there are {len(self)}", remedy="choose one of the list")
        part = int(np.searchsorted(self._starts, number, side="right")) - 1
        return self._kept_part(part)[number - int(self._starts[part])]

    def _find_missing(self) -> None:
        """Part by part; what is read here is not kept, so that it does not push out what is looked at."""
        for part, start in enumerate(self._starts[:-1]):
            try:
                self._missing[start : self._starts[part + 1]] = find_missing(self._load_part(part))
            except Exception as error:  # noqa: BLE001  told on the page; the part fails again when it is looked at
                self.problem = str(error)

    def facets(self) -> dict[str, list[tuple[str, int]]]:
        """The values to filter by, each with its number of recordings."""
        values = {name: self._columns.get(name, []) for name in FILTERS}
        values["missing"] = [name for text in self._missing for name in (text or "").split(", ")]
        return {name: sorted((each, n) for each, n in Counter(found).items() if each) for name, found in values.items()}

    def find(self, search: Mapping[str, str]) -> list[int]:
        """Numbers of the recordings found, in their order; what is empty or left out finds everything.

        `text`: words that all have to occur in id, subject, gesture or orientation, in any case; exact values of
        `FILTERS`; `missing`: a sensor that measured nothing, in whole or in part, or `nothing`, or `anything`.
        """
        words, missing = search.get("text", "").lower().split(), search.get("missing")
        wanted = {name: search[name] for name in FILTERS if search.get(name)}
        columns = {name: self._columns.get(name, [""] * len(self)) for name in wanted}
        return [
            number
            for number, text in enumerate(self._searched)
            if all(word in text for word in words)
            and all(columns[name][number] == value for name, value in wanted.items())
            and (not missing or _misses(self._missing[number], missing))
        ]

    def page(self, search: Mapping[str, str], first: int, size: int) -> dict[str, Any]:
        """Some of the recordings found, and how many there are."""
        found, first = self.find(search), max(0, first)
        rows = [self.row(number) for number in found[first : first + min(size, MAX_PAGE)]]
        return {"found": len(found), "first": first, "rows": rows}

    def row(self, number: int) -> dict[str, Any]:
        """What the list shows of a recording."""
        rows = int(self.held.lengths[number])
        described: dict[str, Any] = {name: values[number] or None for name, values in self._columns.items()}
        seconds = round(rows / self.held.device.row_rate_hz, 2)
        return {"number": number, **described, "rows": rows, "seconds": seconds, "missing": self._missing[number]}


def open_collection(path: Path, temporary: Path, description: str, progress: Progress | None = None) -> Collection:
    """Open recordings to look at; path and description are as for `open_source`, DataError if they cannot be read.

    Large sources are ingested to a store in a temporary folder of ours; `progress` is called with the share that is
    read.
    """
    source = open_source(path, description)
    held: Recordings | Store
    if isinstance(source, Store):
        held = source
    elif size_bytes(source) > READ_WHOLE_BYTES:
        held = ingest(path, Path(tempfile.mkdtemp(dir=temporary)) / "store", description=description, progress=progress)
    else:
        held = JudgedSource(source, anyway=True).read()
    return Collection(path.resolve().name, source.describe(), held)


def find_missing(recordings: Recordings) -> list[str]:
    """(R,) What measured nothing in each recording: sensors, or the numbers of their parts, such as `thm, tof 5`."""
    found: list[list[str]] = [[] for _ in recordings.ids]
    for name in recordings.sensors:
        for names, ever in zip(found, recordings.measured_pieces(name), strict=True):
            names.extend([f"{name} {piece + 1}" for piece in np.flatnonzero(~ever)] if ever.any() else [name])
    return [", ".join(names) for names in found]


def _misses(missing: str | None, wanted: str) -> bool:
    if missing is None:
        return False
    if wanted in ("nothing", "anything"):
        return (missing == "") == (wanted == "nothing")
    return any(name == wanted or name.startswith(f"{wanted} ") for name in missing.split(", "))
