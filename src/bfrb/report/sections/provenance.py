"""Where a bundle comes from, as tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from importlib.metadata import version
from typing import Any

from bfrb.predict.bundle import CHECKSUMS
from bfrb.predict.out_of_fold import read_fold_of
from bfrb.report.collect import Evaluation
from bfrb.report.section import Cell, DataTable, Section, count
from bfrb.train.run import read_run_spec

_NAMES = {
    "source": "recordings",
    "fingerprint": "fingerprint of recordings and folds",
    "initial": "weights to begin with",
    "python": "Python",
    "largest_difference_from_torch": "largest difference between graphs and PyTorch",
}
_ELSEWHERE = {"training_seconds", "versions", "recordings", "subjects"}


def show_provenance(evaluation: Evaluation) -> Section:
    """Data, folds, seeds, versions, time and machine, and the checksum of every file."""
    folds: dict[int, list[str]] = {}
    for subject, fold in read_fold_of(evaluation.bundle).items():
        folds.setdefault(fold, []).append(subject)
    held_out = [(f"fold {fold}", len(names), ", ".join(sorted(names))) for fold, names in sorted(folds.items())]
    versions = evaluation.bundle.manifest.provenance.get("versions") or {}
    checksums = json.loads(evaluation.bundle.file(CHECKSUMS).read_text(encoding="utf-8"))
    tables = (
        DataTable("The bundle", ("what", "value"), _describe(evaluation)),
        DataTable("Who was held out together", ("fold", "people", "who"), held_out),
        DataTable("Versions it was trained with", ("package", "version"), list(versions.items())),
        DataTable("Files and their SHA-256 checksums, all verified", ("file", "SHA-256"), list(checksums.items())),
    )
    return Section("provenance", "Where it comes from", "Provenance", tables=[table for table in tables if table.rows])


def _describe(evaluation: Evaluation) -> list[tuple[Cell, ...]]:
    manifest, known = evaluation.bundle.manifest, evaluation.bundle.manifest.provenance
    recordings, subjects, size = known.get("recordings"), known.get("subjects"), None
    if isinstance(recordings, int) and isinstance(subjects, int):
        size = f"{count(recordings, 'recording')} of {count(subjects, 'person', 'people')}"
    took_s = known.get("training_seconds")
    rows: list[tuple[str, Any]] = [
        ("device", f"{evaluation.bundle.device.name}, {manifest.row_rate_hz:g} rows a second"),
        ("simulated", "yes: no person was measured" if manifest.simulated else "no"),
        ("size", size),
        *((_NAMES.get(key, key.replace("_", " ")), value) for key, value in known.items() if key not in _ELSEWHERE),
        ("networks", ", ".join(dict.fromkeys(member.network for member in manifest.members))),
        ("members", len(manifest.members)),
        ("epochs, at most", read_run_spec(evaluation.bundle).training.epochs),
        ("rows of a recording that are used", manifest.max_length),
        # The members' own time; those trained side by side count each.
        ("training took", None if took_s is None else f"{timedelta(seconds=round(took_s))} of computing, in hours"),
        ("written", manifest.created),
        ("written by", f"bfrb {manifest.version}"),
        ("this report by", f"bfrb {version('bfrb')}"),
    ]
    return [(name, _in_words(value)) for name, value in rows if value is not None]


def _in_words(value: object) -> Cell:
    if isinstance(value, Mapping):
        return ", ".join(f"{str(key).replace('_', ' ')} {_in_words(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(str(_in_words(item)) for item in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2g}" if isinstance(value, float) else "none" if value is None else str(value)
