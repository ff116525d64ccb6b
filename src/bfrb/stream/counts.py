"""`StreamCounts`: what became of the samples of a stream."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields


def _count(meaning: str) -> int:
    found: int = field(default=0, metadata={"meaning": meaning})
    return found


@dataclass
class StreamCounts:
    """What became of the samples of a stream, and of the windows that were made of them.

    Examples
    --------
    >>> counts = StreamCounts(samples=7, too_late=2)
    >>> counts.explained()
    [('samples received', 7), ('samples dropped: they came too late', 2)]
    """

    samples: int = _count("samples received")
    without_time: int = _count("samples dropped: no time that can be read")
    without_reading: int = _count("samples dropped: no sensor measured anything")
    too_late: int = _count("samples dropped: they came too late")
    wrong_time: int = _count("samples dropped: a time that fits neither those before nor those after")
    unused: int = _count("samples not used: others were nearer to the time of the row")
    out_of_order: int = _count("samples put in order: they came after later ones, but soon enough")
    impossible: int = _count("samples with a reading that no such sensor gives, taken as not measured")
    oriented: int = _count("samples whose orientation was made from gyroscope and accelerometer")
    gaps: int = _count("gaps: silences over which nothing was assumed")
    clock_resets: int = _count("times at which the source's clock was set back")
    rows: int = _count("rows made of the samples, at the bundle's rate")
    windows: int = _count("windows answered")
    windows_incomplete: int = _count("windows not answered: too few of their rows were measured")
    windows_implausible: int = _count("windows not answered: no worn device gives such accelerations (another unit?)")
    windows_too_slow: int = _count("windows not answered: samples come more slowly than the bundle's rows")
    windows_contradictory: int = _count("windows that physics speaks against: another unit, sign, axes or order?")
    windows_doubtful: int = _count("windows that lack what every network needs: their answers are doubtful")
    events: int = _count("events reported")

    def to_dict(self) -> dict[str, int]:
        """The counts by name."""
        return asdict(self)

    def explained(self) -> list[tuple[str, int]]:
        """What each count that is not 0 is of, in words, and the count."""
        found = [(str(one.metadata["meaning"]), int(getattr(self, one.name))) for one in fields(self)]
        return [(meaning, count) for meaning, count in found if count]

    def add(self, other: StreamCounts) -> None:
        """Add the counts of another stream."""
        for one in fields(self):
            setattr(self, one.name, getattr(self, one.name) + getattr(other, one.name))
