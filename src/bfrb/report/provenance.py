"""Where a bundle comes from, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from bfrb.predict.bundle import FOLDS
from bfrb.read.tables import read_table
from bfrb.report.evaluation import Evaluation
from bfrb.report.parts import Cell, DataTable, Section, make_data_table
from bfrb.report.wording import count, duration
from bfrb.train.run import read_run_spec

_NAMES = {
    "source": "recordings",
    "fingerprint": "fingerprint of recordings and folds",
    "machine": "machine",
    "python": "Python",
    "seed": "seed",
    "largest_difference_from_torch": "largest difference between graphs and PyTorch",
}


def show_provenance(evaluation: Evaluation) -> Section:
    """Data, folds, seeds, versions, time and machine, and the checksum of every file."""
    tables = (_tell_bundle(evaluation), _tell_folds(evaluation), _tell_versions(evaluation), _tell_files(evaluation))
    return Section(
        "provenance", "Where it comes from", "Provenance", tables=tuple(table for table in tables if table.rows)
    )


def _tell_bundle(evaluation: Evaluation) -> DataTable:
    manifest, provenance = evaluation.bundle.manifest, evaluation.bundle.manifest.provenance
    spec = read_run_spec(evaluation.bundle)
    rows: list[tuple[Cell, ...]] = [
        ("device", f"{manifest.device}, {manifest.row_rate_hz:g} rows a second"),
        ("simulated", "yes: no person was measured" if manifest.simulated else "no"),
        *_known(provenance),
        ("networks", ", ".join(dict.fromkeys(member.network for member in manifest.members))),
        ("members", len(manifest.members)),
        ("epochs, at most", spec.training.epochs),
        ("rows of a recording that are used", manifest.max_length),
        ("training took", _tell_duration(provenance.get("training_seconds"))),
        ("written", manifest.created),
        ("written by", f"bfrb {manifest.version}"),
        ("this report by", f"bfrb {version('bfrb')}"),
    ]
    return make_data_table("The bundle", ("what", "value"), [row for row in rows if row[1] is not None])


def _known(provenance: Mapping[str, Any]) -> list[tuple[Cell, ...]]:
    """What the provenance says, except what stands elsewhere; entries without a name of ours keep theirs."""
    elsewhere = {"training_seconds", "versions", "recordings", "subjects"}
    size: list[tuple[Cell, ...]] = []
    recordings, subjects = provenance.get("recordings"), provenance.get("subjects")
    if isinstance(recordings, int) and isinstance(subjects, int):
        size = [("size", f"{count(recordings, 'recording')} of {count(subjects, 'person', 'people')}")]
    rows = [(_NAMES.get(key, key.replace("_", " ")), _text(value)) for key, value in provenance.items()
            if key not in elsewhere]  # fmt: skip
    return [*size, *rows]


def _text(value: object) -> Cell:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items())
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def _tell_duration(seconds: object) -> Cell:
    # The members' own time; those trained side by side count each.
    return f"{duration(seconds)} of computing" if isinstance(seconds, int | float) else None


def _tell_folds(evaluation: Evaluation) -> DataTable:
    table = read_table(evaluation.bundle.file(FOLDS))
    folds: dict[int, list[str]] = {}
    if {"subject", "fold"} <= set(table.columns):
        for subject, fold in zip(table["subject"].to_list(), table["fold"].to_list(), strict=True):
            folds.setdefault(int(fold), []).append(str(subject))
    rows = [(f"fold {fold}", len(names), ", ".join(sorted(names))) for fold, names in sorted(folds.items())]
    return make_data_table("Who was held out together", ("fold", "people", "who"), rows)


def _tell_versions(evaluation: Evaluation) -> DataTable:
    versions = evaluation.bundle.manifest.provenance.get("versions")
    rows = [(str(name), str(found)) for name, found in versions.items()] if isinstance(versions, Mapping) else []
    return make_data_table("Versions it was trained with", ("package", "version"), rows)


def _tell_files(evaluation: Evaluation) -> DataTable:
    rows = list(evaluation.checksums.items())
    return make_data_table("Files and their SHA-256 checksums, all verified", ("file", "SHA-256"), rows)
