"""Check: what is in a source, and what is wrong with it.

The strict readers stop at the first error; this goes on, through the same checks, and counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bfrb.errors import DataError
from bfrb.read.census import Census
from bfrb.read.csv_blocks import Progress
from bfrb.read.findings import Finding, Findings
from bfrb.read.quality import Suspicion, find_suspicions, say_posture
from bfrb.read.sources import open_source
from bfrb.study.device import Device
from bfrb.study.recordings import Recordings

Verdict = Literal["fine", "usable with warnings", "unusable"]


@dataclass(frozen=True)
class CheckReport:
    """What a check found.

    `source`: what was checked, in one line; `device`: the device its recordings are of; `simulated`: whether they come
    from a simulator; `census`: what there is. In an unusable source only what could be read is counted; `findings`:
    what is wrong, errors first; `posture`: how the arm was held, in words; None where that cannot be told.
    """

    source: str
    device: Device
    simulated: bool
    census: Census
    findings: tuple[Finding, ...]
    posture: str | None = None

    @property
    def verdict(self) -> Verdict:
        """`"unusable"` exactly if the strict reader refuses the source."""
        severities = {finding.severity for finding in self.findings}
        return "unusable" if "error" in severities else "usable with warnings" if "warning" in severities else "fine"

    @property
    def exit_code(self) -> int:
        """0, 1 or 2: fine, usable with warnings, unusable."""
        return ("fine", "usable with warnings", "unusable").index(self.verdict)

    def to_dict(self) -> dict[str, Any]:
        """The report as plain values for JSON."""
        census = self.census
        return {
            "source": self.source,
            "verdict": self.verdict,
            "device": self.device.name,
            "simulated": self.simulated,
            "recordings": census.recordings,
            "rows": census.rows,
            "subjects": census.subject_table.height,
            "subjects_without_demographics": census.subjects_without_demographics,
            "shortest_rows": census.shortest,
            "longest_rows": census.longest,
            "gestures": dict(sorted(census.gestures.items())),
            "quaternion_norm": [census.norm_low, census.norm_high] if census.norm_low <= census.norm_high else None,
            "sensors": [sensor.to_dict() for sensor in census.sensors.values()],
            "posture": self.posture,
            "findings": [_as_dict(finding) for finding in self.findings],
        }


def _as_dict(finding: Finding) -> dict[str, object]:
    shown = {"severity": finding.severity, "kind": finding.kind, "count": finding.count}
    return shown | {"what": finding.sentence, "remedy": finding.remedy}


def check(
    path: Path | str,
    *,
    description: str = "auto",
    demographics: Path | str | None = None,
    progress: Progress | None = None,
) -> CheckReport:
    """Look through a source, in bounded memory.

    `path`, `description`, `demographics`: as for `open_source`. Raises `DataError` if there is nothing at the path that
    could be looked through.
    """
    findings = Findings()
    source = open_source(path, description, demographics, findings)
    census = Census(findings)
    judged: list[Recordings] = []
    fatal: dict[str, Suspicion] = {}
    try:
        for batch in source.batches(progress=progress):
            census.add(batch)
            fatal = {found.kind: found for found in find_suspicions(batch) if found.fatal} | fatal
            if sum(one.n_rows for one in judged) < _JUDGED_ROWS:
                judged.append(batch)
    except DataError as error:
        findings(Finding("unreadable", "error", "", error.problem, error.remedy))
    census.finish()
    posture = None
    if judged:
        together = Recordings.concat(judged)
        posture = say_posture(together)
        found = {suspicion.kind: suspicion for suspicion in find_suspicions(together)}
        for suspicion in (fatal | found).values():
            findings(Finding(suspicion.kind, "warning", "", suspicion.problem, suspicion.remedy))
    return CheckReport(source.describe(), source.device, source.simulated, census, tuple(findings), posture)


_JUDGED_ROWS = 300_000
"""So many rows, from the first on, are held against the physics of a wrist."""
