"""What is done with a part on a machine: predict, or detect. Each is loaded once, and then asked about many parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from bfrb.predict.answering import Opening, answer_batches, open_for
from bfrb.predict.predictor import load
from bfrb.read.store import Store
from bfrb.read.stretches import iter_stretches
from bfrb.read.tables import Table, stack_tables
from bfrb.stream.events import EventRule
from bfrb.stream.listen import Summary, listen
from bfrb.stream.stream import Wearer


class Answers(NamedTuple):
    """What is found in a part."""

    tables: Mapping[str, Table]
    """By the name of the output; an empty one is left out."""
    about: Mapping[str, Any]
    """What is counted, as plain values."""


Answering = Callable[[Path | Store], Answers]


class Work(Protocol):
    """What is done with every part."""

    @property
    def description(self) -> str:
        """How the source is read."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the tables that it gives, the main one first."""

    def load(self, bundle: Path) -> Answering:
        """Load what answers."""


@dataclass(frozen=True)
class Predicting:
    """`bfrb predict`, with its options."""

    opening: Opening
    phases: bool = False

    @property
    def description(self) -> str:
        """How the source is read."""
        return self.opening.description

    @property
    def outputs(self) -> tuple[str, ...]:
        """The predictions, and the phases if they are asked for."""
        return ("predictions", "phases") if self.phases else ("predictions",)

    def load(self, bundle: Path) -> Answering:
        """Load the predictor."""
        predictor = load(bundle)

        def answer(part: Path | Store) -> Answers:
            counts: Counter[str] = Counter()
            source = open_for(predictor, part, self.opening)
            found = list(zip(*answer_batches(predictor, source, counts, phases=self.phases), strict=True))
            tables = {name: stack_tables(each) for name, each in zip(self.outputs, found, strict=True)}
            return Answers(tables, {"gestures": dict(counts)})

        return answer


@dataclass(frozen=True)
class Detecting:
    """`bfrb detect`, with its options."""

    rule: EventRule
    description: str = "auto"
    acc_unit: str = "m/s^2"
    anyway: bool = False
    windows: bool = False

    @property
    def outputs(self) -> tuple[str, ...]:
        """The events, and the windows if they are asked for."""
        return ("events", "windows") if self.windows else ("events",)

    def load(self, bundle: Path) -> Answering:
        """Load the predictor."""
        predictor = load(bundle)
        wearer = Wearer(units={"acc": self.acc_unit})

        def answer(part: Path | Store) -> Answers:
            if isinstance(part, Store):
                predictor.check_device(part.device)
                stretches = part.stretches()
            else:
                rows = predictor.bundle.manifest.rows
                stretches = iter_stretches(part, predictor.source_device, self.description, how=rows)
            summary, windows = Summary(), []
            for found in listen(lambda _: predictor, stretches, self.rule, wearer, anyway=self.anyway):
                summary.add(found)
                if self.windows:
                    windows.append(found.window_table(predictor.label_set.classes))
            events = summary.event_table()
            tables = {"events": events} | ({"windows": stack_tables(windows)} if windows else {})
            about = {"recordings": summary.recordings, "labels": summary.labels, "counts": summary.counts.to_dict()}
            return Answers({name: table for name, table in tables.items() if table.height}, about)

        return answer
