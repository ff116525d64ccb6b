"""A report as one page that needs nothing but itself: no network, no scripts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bfrb.errors import ConfigError
from bfrb.files import writing_file
from bfrb.predict.bundle import Bundle
from bfrb.read.sources import Source
from bfrb.report import figures
from bfrb.report import sections as parts
from bfrb.report.evaluation import Evaluation, collect
from bfrb.report.events import show_events
from bfrb.report.groups import Comparison, compare
from bfrb.report.mistakes import Mistake, count_as_mistakes
from bfrb.report.parts import Section
from bfrb.report.provenance import show_provenance
from bfrb.report.sensors import show_sensors
from bfrb.report.style import printable
from bfrb.report.svg import figure_to_svg
from bfrb.report.wording import SCENARIOS, count, interval_text, percent, tell_failures, tell_how_good

SUFFIXES = (".html", ".htm")
NEEDS = ("matplotlib", "jinja2")
TEMPLATE = "report.html.j2"


@dataclass(frozen=True)
class ShownMistake:
    """A mistake, and its signals if the recordings are there."""

    mistake: Mistake
    signals: str | None


def write_report(bundle: Path, out: Path, source: Source | None = None, *, without_sensors: bool = True) -> None:
    """Write a report on a bundle: whole or not at all; a file that is there is replaced.

    Parameters
    ----------
    bundle
        The bundle.
    out
        The page, a `.html` file.
    source
        Recordings, as for `collect`.
    without_sensors
        Whether the recordings are answered again without each sensor, to see what it adds.

    Raises
    ------
    ConfigError
        If a package that reports need is not installed, or no page can be written at `out`.
    BundleError, DataError
        If the bundle is damaged, or cannot be reported on.
    """
    check_report_installed()
    check_page_path(out)
    page = render(collect(Bundle.open(bundle), source, without_sensors=without_sensors))
    with writing_file(out) as unfinished:
        unfinished.write_text(page, encoding="utf-8", newline="\n")


def missing_packages() -> list[str]:
    """Packages that reports need and that are not installed."""
    return [name for name in NEEDS if find_spec(name) is None]


def check_report_installed() -> None:
    """Refuse to report without the packages that only reports need.

    Raises
    ------
    ConfigError
        If one is not installed.
    """
    missing = missing_packages()
    if missing:
        raise ConfigError(
            f"a report needs {', '.join(missing)}", remedy='install them with: pip install "bfrb[report]"'
        )


def check_page_path(path: Path) -> None:
    """Refuse a place where no page can be written, before any work is done for it.

    Raises
    ------
    ConfigError
        If the name does not end in `.html`, is a folder's, or its folder does not exist.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"expected a page that ends in .html, got {path.name!r}", remedy="rename the output")
    if path.is_dir():
        raise ConfigError(f"expected a file for the report, but {path} is a folder", remedy="name a file in it")
    if not path.parent.is_dir():
        raise ConfigError(f"there is no folder {path.parent} to write {path.name} in", remedy="make the folder first")


def default_page(bundle: Path) -> Path:
    """Where the report of a bundle is written if nothing is said: beside it, for its own files are checksummed.

    Examples
    --------
    >>> default_page(Path("demo/model")).as_posix()
    'demo/model.report.html'
    """
    place = Path(os.path.abspath(bundle)) if bundle.name in ("", "..") else bundle  # noqa: PTH100  keeps links
    return place.with_name(f"{place.name}.report.html")


def render(evaluation: Evaluation) -> str:
    """The page of an evaluation."""
    comparisons = _compare(evaluation)
    template = _environment().get_template(TEMPLATE)
    page: str = template.render(
        style=files("bfrb.report").joinpath("templates", "report.css").read_text(encoding="utf-8"),
        evaluation=evaluation,
        name=evaluation.bundle.path.resolve().name,
        cards=_cards(evaluation),
        how_good=tell_how_good(evaluation),
        failures=tell_failures(evaluation, comparisons),
        sections=_sections(evaluation, comparisons),
        new_people=_new_people(evaluation),
        mistakes=_show_mistakes(evaluation),
        total_mistakes=_count_mistakes(evaluation),
        provenance=show_provenance(evaluation),
    )
    return page


def _environment() -> Any:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("bfrb.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters |= {"cell": show_cell, "numeric": is_number, "percent": percent, "count": count}
    return environment


def _finalize(value: Any) -> Any:
    """No control characters in a page; what is markup already has none."""
    return printable(value) if type(value) is str else value


def show_cell(value: object) -> str:
    """A table's cell as text; numbers with a fraction get three decimals.

    Examples
    --------
    >>> show_cell(0.5), show_cell(4379), show_cell(None), show_cell("a")
    ('0.500', '4,379', '–', 'a')
    """
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def is_number(value: object) -> bool:
    """Whether a cell is a number, or the gap where one could stand."""
    return value is None or isinstance(value, int | float)


def _compare(evaluation: Evaluation) -> list[Comparison]:
    if evaluation.context is None:
        return []
    answers = evaluation.answers[evaluation.main]
    return compare(evaluation.ids, answers, evaluation.context, evaluation.label_set)


def _cards(evaluation: Evaluation) -> list[dict[str, Any]]:
    """What the first screen says of every scenario."""
    return [
        {
            "title": SCENARIOS[name][0] if name in SCENARIOS else name,
            "meaning": SCENARIOS[name][1] if name in SCENARIOS else "",
            "scores": scores,
            "low": (scores.get("interval") or [scores["score"]] * 2)[0],
            "high": (scores.get("interval") or [scores["score"]] * 2)[1],
            "interval": interval_text(scores),
        }
        for name, scores in evaluation.scores.items()
    ]


def _sections(evaluation: Evaluation, comparisons: list[Comparison]) -> list[Section]:
    found = (
        None if evaluation.listening is None else show_events(evaluation.listening),
        parts.show_people(evaluation, comparisons),
        parts.show_confusion(evaluation),
        parts.show_classes(evaluation),
        show_sensors(evaluation),
        parts.show_calibration(evaluation),
        parts.show_learning(evaluation),
    )
    return [section for section in found if section is not None]


def _new_people(evaluation: Evaluation) -> list[dict[str, Any]]:
    return [
        {"title": SCENARIOS[name][0], "scores": scores, "interval": interval_text(scores)}
        for name, scores in evaluation.new_people.items()
    ]


def _show_mistakes(evaluation: Evaluation) -> list[ShownMistake]:
    signals = {} if evaluation.context is None else evaluation.context.signals
    return [
        ShownMistake(mistake, _draw_signals(signals, mistake, number))
        for number, mistake in enumerate(evaluation.mistakes)
    ]


def _draw_signals(signals: dict[str, Any], mistake: Mistake, number: int) -> str | None:
    if mistake.id not in signals:
        return None
    description = f"Signals of the recording {mistake.id}, one panel for every sensor"
    return figure_to_svg(figures.plot_signals(signals[mistake.id]), f"signals-{number}", printable(description))


def _count_mistakes(evaluation: Evaluation) -> int:
    return int(count_as_mistakes(evaluation.answers[evaluation.main], evaluation.label_set).sum())
