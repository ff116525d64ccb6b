"""Findings: what is wrong with a source, told the same way by the strict readers and by `check`.

Whoever looks at data calls a `Report` with each `Finding`. A strict reader's report raises at the first error; that of
`check` collects, and the code that called it goes on with what is left of the data.
"""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from bfrb.errors import DataError

log = logging.getLogger(__name__)

Severity = Literal["error", "warning", "note"]
"""The source is damaged, and refused; usable, but suspicious; good to know."""


@dataclass(frozen=True)
class Finding:
    """Something about a source that is not as it should be; those of one kind and severity are counted together.

    >>> finding = Finding("bad value", "error", "a number", "'x'", "repair it", place="line 3", count=2)
    >>> finding.sentence
    "expected a number, found 'x' in line 3 (and 1 more)"
    """

    kind: str
    severity: Severity
    expected: str
    """What should be there; if nothing is expected, `found` is the whole sentence."""
    found: str
    """What is there in the first such place."""
    remedy: str
    place: str = ""
    """The first such place, such as "line 14, column thm_1"; empty if it is the source as a whole."""
    count: int = 1
    refused: bool = False
    """Whether strict readers refuse the source for it, though it is no error: something would be left out."""

    @property
    def sentence(self) -> str:
        """All but the remedy, in one sentence."""
        if not self.expected:
            return self.found
        where = f" in {self.place}" if self.place else ""
        more = f" (and {self.count - 1:,} more)" if self.count > 1 else ""
        return f"expected {self.expected}, found {self.found}{where}{more}"


Report = Callable[[Finding], None]


def telling_where(report: Report, where: str) -> Report:
    """A report that says of each finding's place where that is."""
    return lambda one: report(replace(one, place=f"{one.place} of {where}" if one.place else where))


def refuse(source: str) -> Report:
    """A report for strict readers: errors are raised as `DataError`, warnings logged, notes dropped."""

    def report(finding: Finding) -> None:
        if finding.severity == "error" or finding.refused:
            raise DataError(f"{source}: {finding.sentence}", remedy=finding.remedy)
        if finding.severity == "warning":
            log.warning("%s: %s", source, finding.sentence)

    return report


@dataclass
class Findings:
    """A report that collects: findings of one kind are counted together, the first place is kept, the worst come first.

    >>> findings = Findings()
    >>> for place in ("line 3", "line 9"):
    ...     findings(Finding("bad value", "error", "a number", "'x'", "repair it", place))
    >>> [finding.sentence for finding in findings]
    ["expected a number, found 'x' in line 3 (and 1 more)"]
    """

    _found: dict[tuple[str, str, str], Finding] = field(default_factory=dict)

    def __call__(self, finding: Finding) -> None:
        """Take a finding in."""
        key = (finding.severity, finding.kind, finding.expected)
        first = self._found.get(key)
        self._found[key] = finding if first is None else replace(first, count=first.count + finding.count)

    def __iter__(self) -> Iterator[Finding]:
        order = get_args(Severity)
        return iter(sorted(self._found.values(), key=lambda one: (order.index(one.severity), not one.refused)))

    def of(self, severity: Severity) -> list[Finding]:
        """The findings of one severity."""
        return [finding for finding in self if finding.severity == severity]
