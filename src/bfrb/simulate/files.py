"""A simulated study as a folder in the CMI layout, marked as simulated."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import tomli_w

from bfrb.read.cmi_write import Format, write_cmi
from bfrb.simulate.spec import StudySpec
from bfrb.study.recordings import Recordings


def write_study(recordings: Recordings, out: Path, *, file_format: Format = "csv", overwrite: bool = False) -> Path:
    """Write simulated recordings in memory as a folder in the CMI layout.

    For a study that does not fit in memory give `simulate_subjects` to `write_cmi`, with the mark of `mark_of`.

    Raises
    ------
    DataError
        If the folder cannot be made.
    """
    mark = _mark({"origin": "recordings in memory"})
    return write_cmi([recordings], out, file_format=file_format, mark=mark, overwrite=overwrite)


def mark_of(spec: StudySpec, seed: int, test_subjects: int = 0) -> str:
    """Text of the file that says how a study, and a test beside it, was made, enough to make it again."""
    test = {"test_subjects": test_subjects} if test_subjects else {}
    return _mark({"seed": seed, **test, "spec": spec.model_dump(mode="json", exclude_none=True)})


def _mark(values: dict[str, object]) -> str:
    head = "# These recordings are simulated: no person was measured. Results on them must say so.\n"
    return head + tomli_w.dumps({"simulated": True, "bfrb_version": version("bfrb"), **values})
