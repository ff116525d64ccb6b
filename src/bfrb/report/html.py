"""A report as one page that needs nothing but itself: no network, no scripts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from bfrb.files import writing_file
from bfrb.parts import need
from bfrb.predict.bundle import Bundle
from bfrb.read.sources import Source
from bfrb.read.tables import check_file_paths

if TYPE_CHECKING:
    from bfrb.report.collect import Each


def write_report(bundle: Path, out: Path, source: Source | None = None, *, each: Each | None = None) -> None:
    """Write a report on a bundle to a `.html` file: whole or not at all; one that is there is replaced.

    Recordings, and how their parts are answered, are as for `collect`. ConfigError if a package that reports need is
    not installed; DataError if no page can be written at `out`; that or BundleError if the bundle is damaged, or cannot
    be reported on.
    """
    need("a report", ("matplotlib", "jinja2", "sklearn"), "report")
    check_file_paths(out, suffixes=(".html", ".htm"))
    from bfrb.report import page
    from bfrb.report.collect import collect

    text = page.render(collect(Bundle.open(bundle.absolute()), source, each=each))
    with writing_file(out) as unfinished:
        unfinished.write_text(text, encoding="utf-8", newline="\n")


def default_page(bundle: Path) -> Path:
    """Where the report of a bundle is written if nothing is said: beside it, for its own files are checksummed.

    >>> default_page(Path("demo/model")).as_posix()
    'demo/model.report.html'
    """
    place = Path(os.path.abspath(bundle)) if bundle.name in ("", "..") else bundle  # noqa: PTH100  keeps links
    return place.with_name(f"{place.name}.report.html")
