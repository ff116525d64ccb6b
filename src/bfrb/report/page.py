"""A report's page from what was collected: the template is filled, figures become SVG."""

from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from bfrb.predict.bundle import SPEC
from bfrb.report import figures
from bfrb.report import sections as show
from bfrb.report.collect import SCENARIOS, Evaluation, Mistake, costs_score
from bfrb.report.events import show_events
from bfrb.report.groups import compare
from bfrb.report.section import PageFigure, count, interval_text, percent
from bfrb.report.style import figure_to_svg, mark_simulated, printable
from bfrb.report.summary import tell_failures, tell_how_good


def render(evaluation: Evaluation) -> str:
    """The page of an evaluation."""
    answers, matched, labels = evaluation.answers[evaluation.main], evaluation.matched, evaluation.label_set
    comparisons = {} if matched is None else compare(evaluation.ids, answers, matched, labels)
    given = (
        None if evaluation.events is None else show_events(evaluation.events, simulated=evaluation.given_simulated),
        show.show_people(evaluation, comparisons),
        show.show_confusion(evaluation),
        show.show_classes(evaluation),
        show.show_sensors(evaluation),
        show.show_calibration(evaluation),
        show.show_learning(evaluation),
    )
    page: str = _environment(evaluation).get_template("report.html.j2").render(
        style=files("bfrb.report").joinpath("templates", "report.css").read_text(encoding="utf-8"),
        evaluation=evaluation,
        name=evaluation.bundle.path.resolve().name,
        scenarios=SCENARIOS,
        how_good=tell_how_good(evaluation),
        failures=tell_failures(evaluation, comparisons),
        sections=[section for section in given if section is not None],
        total_mistakes=int(costs_score(answers, labels).sum()),
        provenance=show.show_provenance(evaluation),
        spec_text=evaluation.bundle.file(SPEC).read_text(encoding="utf-8"),
    )  # fmt: skip
    return page


def _environment(evaluation: Evaluation) -> Environment:
    simulated = evaluation.simulated
    signals = {} if evaluation.matched is None else evaluation.matched.signals

    def draw(shown: PageFigure) -> Markup:
        if simulated or shown.simulated:
            mark_simulated(shown.figure)
        return Markup(figure_to_svg(shown.figure, shown.id, shown.caption))

    def draw_signals(mistake: Mistake, number: int) -> Markup:
        if mistake.id not in signals:
            return Markup("")
        description = f"Signals of the recording {mistake.id}, one panel for every sensor"
        return Markup(figure_to_svg(figures.plot_signals(signals[mistake.id]), f"signals-{number}", description))

    environment = Environment(
        loader=PackageLoader("bfrb.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # No control characters in a page; what is markup already has none.
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    words = {"cell": show_cell, "numeric": is_number, "percent": percent, "count": count, "interval": interval_text}
    environment.filters |= words | {"draw": draw, "draw_signals": draw_signals}
    return environment


def show_cell(value: object) -> str:
    """A table's cell as text; numbers with a fraction get three decimals.

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
