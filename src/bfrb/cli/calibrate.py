"""`bfrb calibrate`: when a bundle takes answers for an event, chosen on people its networks had not seen."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bfrb.cli.options import Dataset
from bfrb.cli.show import print_json, print_table
from bfrb.errors import ConfigError

if TYPE_CHECKING:
    from bfrb.predict.bundle import Bundle

log = logging.getLogger(__name__)


def calibrate(
    bundle: Annotated[Path, typer.Argument(help="A bundle trained on continuous recordings.")],
    data: Annotated[Path, typer.Argument(help="Labelled continuous recordings, such as those it was trained on.")],
    out: Annotated[
        Path | None, typer.Option(help="Where the bundle with thresholds shall be; none: scores only.")
    ] = None,
    false_alarms: Annotated[float, typer.Option(min=0.0, help="False alarms per hour that are put up with.")] = 6.0,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="key=value of the event rule, such as merge_s=5.")
    ] = None,
    dataset: Dataset = "auto",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bundle that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the scores as one JSON object.")] = False,
) -> None:
    """Choose thresholds for a rate of false alarms, and score events on whole recordings.

    People of the bundle's training are answered by the networks that had not seen them, and judged by thresholds that
    were chosen on the others.
    """
    from bfrb.predict.bundle import Bundle
    from bfrb.read.sources import open_source
    from bfrb.stream.calibrate import SPECS, STEP_S, fit_rule, listen_held_out, write_with_rule
    from bfrb.stream.event_scores import Aim, rules_from_others, score_events, sensitivity_curve

    opened = Bundle.open(bundle)
    source = open_source(data, dataset)
    check_device(opened, source.device.name)
    recordings = source.read()
    # What is set is the same in all of them; those that have become equal are one.
    specs = tuple(dict.fromkeys(spec.updated(set_ or []) for spec in SPECS))
    if any(spec.step_s != STEP_S for spec in specs):
        raise ConfigError("step_s cannot be changed here", remedy="set it when events are detected")
    aim = Aim(false_alarms, specs)
    heard = listen_held_out(opened, recordings)
    labels = opened.label_set
    rules = rules_from_others(heard, labels, aim)
    simulated = recordings.simulated or opened.manifest.simulated
    scores = score_events(heard, rules, labels) | {"simulated": simulated, "source": str(data)}
    if as_json:
        print_json(scores | {"curve": sensitivity_curve(heard, rules, labels)})
    else:
        show_event_scores(scores)
    if out is not None:
        rule = fit_rule(heard, labels, aim.false_alarms_per_hour, aim.specs)
        write_with_rule(opened, rule.model_copy(update={"simulated": simulated}), out, overwrite=overwrite)
        log.info("wrote %s", out)


def check_device(bundle: Bundle, device: str) -> None:
    """Refuse recordings of a device that the bundle does not know.

    Raises
    ------
    ConfigError
        If it is another.
    """
    if bundle.device.name != device:
        raise ConfigError(
            f"expected recordings of the device {bundle.device.name!r}, got {device!r}",
            remedy="use a bundle that was trained on recordings of this device",
        )


_SHOWN = (
    "sensitivity",
    "precision",
    "false_alarms_per_hour",
    "median_delay_s",
    "auc",
    "auc_mean_subject",
    "average_precision",
)


def show_event_scores(scores: dict[str, Any]) -> None:
    """Tables of the scores of events."""
    title = f"Events in {scores['hours']:.1f} hours of {scores['subjects']} people, {scores['episodes']} episodes"
    if scores["simulated"]:
        title += " (SIMULATED)"
    rows = [(name.replace("_", " "), scores[name]["value"], _interval(scores[name]["interval"])) for name in _SHOWN]
    print_table(title, ("score", "value", "95 %"), rows)
    kinds = _SHOWN[:4]
    subjects = [
        (name, found["episodes"], *(found[kind] for kind in kinds)) for name, found in scores["per_subject"].items()
    ]
    print_table("By subject", ("subject", "episodes", *(kind.replace("_", " ") for kind in kinds)), subjects)


def _interval(interval: tuple[float, float] | None) -> str | None:
    return None if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
