"""What is taken for what, how well each class is recognised, whether probabilities can be believed, how it learnt."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bfrb.metrics import calibration
from bfrb.predict.bundle import HISTORY
from bfrb.predict.predictions import target_probability
from bfrb.read.tables import read_table
from bfrb.report import figures
from bfrb.report.collect import Evaluation
from bfrb.report.section import Cell, DataTable, PageFigure, Section, percent


def show_confusion(evaluation: Evaluation) -> Section:
    """What is taken for what."""
    classes, looked_for = evaluation.label_set.classes, evaluation.label_set.is_target
    confusion = evaluation.confusion
    rows = [(name, *row) for name, row in zip(classes, confusion.tolist(), strict=True)]
    table = DataTable("Recordings by true class (row) and answer (column)", ("true", *classes), rows)
    caption = (
        "Each row is what the recordings of one class were taken for, in percent; the diagonal is right. "
        "Confusions within the lower right block cost no score."
    )
    figure = figures.plot_confusion(confusion, classes, looked_for.tolist())
    words = f"{percent(int(np.trace(confusion)) / int(confusion.sum()))} of all answers name exactly what was done."
    shown = PageFigure("confusion-matrix", figure, caption, table)
    return Section("confusion", "What is taken for what", "Confusions", [words], [shown])


def show_classes(evaluation: Evaluation) -> Section:
    """How well every class is recognised."""
    per_class, motion = (
        evaluation.scores[evaluation.main]["per_class"],
        evaluation.scores.get("imu", {}).get("per_class"),
    )
    columns = ["class", "looked for", "precision", "sensitivity", "F1", "recordings"]
    rows = [
        [name, "yes" if one["target"] else "no", one["precision"], one["recall"], one["f1"], one["support"]]
        for name, one in per_class.items()
    ]
    if motion and evaluation.main != "imu":
        columns.append("F1, motion only")
        rows = [[*row, motion[row[0]]["f1"]] for row in rows]
    caption = "Precision, sensitivity and F1 of every class; the behaviours that are looked for stand above the line."
    table = DataTable("Scores by class", columns, rows)
    shown = PageFigure("class-scores", figures.plot_classes(per_class), caption, table)
    return Section("classes", "Which behaviours it recognises", "Behaviours", (), [shown])


def show_calibration(evaluation: Evaluation) -> Section | None:
    """Whether the probabilities can be believed; None where there are none."""
    found, labels = evaluation.answers[evaluation.main], evaluation.label_set
    if found.probabilities is None:
        return None
    curves = {
        "the named class": calibration(found.probabilities.max(axis=1), found.truth == found.prediction),
        "any behaviour": calibration(
            target_probability(found.probabilities, labels), labels.is_target[labels.encode(found.truth)]
        ),
    }
    rows = [
        (f"{name}, {curve.edges[place]:.1f} to {curve.edges[place + 1]:.1f}", int(curve.counts[place]),
         float(curve.confidence[place]), float(curve.accuracy[place]))
        for name, curve in curves.items()
        for place in np.flatnonzero(curve.counts).tolist()
    ]  # fmt: skip
    table = DataTable("Calibration", ("claimed", "answers", "mean claim", "share right"), rows)
    caption = (
        "How often answers are right, by the probability they claim, with 95 % intervals; on the dashed line claims "
        "are honest. Below, how many answers claim how much."
    )
    errors = " and ".join(f"{curve.error:.3f} for {name}" for name, curve in curves.items())
    words = f"Expected calibration error (0 is honest): {errors}."
    shown = PageFigure("calibration-curves", figures.plot_calibration(curves), caption, table)
    return Section("calibration", "Whether its probabilities can be believed", "Probabilities", [words], [shown])


def show_learning(evaluation: Evaluation) -> Section | None:
    """What every member learnt; None where nothing was kept."""
    history = read_table(evaluation.bundle.file(HISTORY))
    if "member" not in history.columns or history.is_empty():
        return None
    members = {member.name: member for member in evaluation.bundle.manifest.members}
    rows: list[Sequence[Cell]] = []
    for part in history.sort("member", "epoch").partition_by("member"):
        name, losses = str(part["member"][0]), part["loss"].to_list()
        scores, seconds = (
            [value for value in part[key].to_list() if value is not None] if key in part.columns else []
            for key in ("score", "seconds")
        )
        member = members.get(name)
        network, fold = (member.network, member.fold) if member else (None, None)
        total_s = round(sum(seconds), 1) if seconds else None
        rows.append((name, network, fold, len(losses), losses[-1], max(scores, default=None), total_s))
    columns = ("member", "network", "fold", "epochs", "last loss", "best score", "seconds")
    table = DataTable("Members of the ensemble", columns, rows)
    watched = any(row[5] is not None for row in rows)
    words = [] if watched else ["No score was watched during training: it ran for a fixed number of epochs."]
    return Section("learning", "How it learnt", "Learning", words, tables=[table])
