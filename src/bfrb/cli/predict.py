"""`bfrb predict` and `bfrb evaluate`: answers of a bundle, and how good they are."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from bfrb.cli import options
from bfrb.cli.show import ShownTable, interval_text, print_result, progress
from bfrb.errors import BundleError, ConfigError

if TYPE_CHECKING:
    from bfrb.predict.answering import Opening
    from bfrb.predict.bundle import Bundle
    from bfrb.predict.evaluation import Columns
    from bfrb.read.tables import Table

log = logging.getLogger(__name__)

SHOWN_SUBJECTS = 10


def predict(
    bundle: options.BundleFolder,
    data: Annotated[Path, Argument(help="A store, a folder or a file with recordings.")],
    out: Annotated[Path, Option(help="Where the predictions shall be: a .csv or .parquet file.")],
    description: options.DescriptionName = "auto",
    demographics: options.Demographics = None,
    anyway: options.Anyway = False,
    on: options.On = None,
    workers: options.Workers = 0,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
) -> None:
    """Predict the gesture of every recording, with probabilities."""
    from bfrb.predict.answering import Opening, answer_batches, open_for
    from bfrb.read.tables import check_file_paths, write_tables

    if on is None:
        check_file_paths(out)
    options.check_outputs([out], [bundle, data, demographics], overwrite=overwrite or on is not None)
    predictor = options.load_predictor(bundle)
    opening = Opening(description, demographics, anyway)
    counts: Counter[str] = Counter()
    with options.joined(on, workers) as cluster, progress("predicting") as show:
        if cluster is not None:
            from bfrb.cluster.answering import Predicting

            for note in options.answer_on(cluster, bundle, data, Predicting(opening), [out], show):
                counts.update(note["about"]["gestures"])
        else:
            # From disk to disk: neither recordings nor answers pile up.
            source = open_for(predictor, data, opening)
            write_tables(answer_batches(predictor, source, counts, show), out)
    found = {"recordings": counts.total(), "gestures": dict(counts.most_common()), "simulated": predictor.simulated}
    title = f"{counts.total()} recordings, predicted"
    print_result(found | {"out": str(out)}, as_json, (title, ("gesture", "recordings"), counts.most_common()))
    log.info("wrote %s", out)


def evaluate(
    target: Annotated[Path, Argument(help="A bundle, or a .csv or .parquet file with predictions.")],
    data: Annotated[Path | None, Argument(help="Labelled recordings to predict with the bundle.")] = None,
    answers: Annotated[Path | None, Option(help="A file with the true gestures, if the target lacks them.")] = None,
    truth: Annotated[str, Option(help="Column of the true gestures.")] = "gesture",
    prediction: Annotated[str, Option(help="Column of the predicted gestures.")] = "prediction",
    recording: Annotated[str, Option(help="Column of ids, to find the answers by.")] = "sequence_id",
    subject: Annotated[str | None, Option(help="Column of the subjects, for scores by subject.")] = None,
    label_set: Annotated[str, Option(help="The gestures of a file of predictions.")] = "cmi",
    description: options.DescriptionName = "auto",
    demographics: options.Demographics = None,
    anyway: options.Anyway = False,
    on: options.On = None,
    workers: options.Workers = 0,
    as_json: options.AsJson = False,
) -> None:
    """Score a bundle's out-of-fold predictions, a bundle on labelled recordings, or a file of predictions."""
    from bfrb.predict.answering import Opening
    from bfrb.predict.evaluation import Columns

    if target.is_file():
        if data is not None:
            problem = f"expected no recordings beside the predictions {target}"
            raise ConfigError(problem, remedy="name a bundle to predict them with")
        columns = Columns(truth, prediction, subject, recording)
        scores = _score_file(target, columns, label_set, answers)
    elif answers is not None:
        problem = f"expected a file of predictions to compare with {answers}, got the folder {target}"
        raise ConfigError(problem, remedy="name what `bfrb predict` wrote, or labelled recordings after the bundle")
    elif data is None:
        scores = score_bundle(target)
    else:
        opening = Opening(description, demographics, anyway)
        scores = _score_recordings(target, data, opening, on, workers)
    show_scores(scores, as_json)


def score_bundle(path: Path) -> dict[str, Any]:
    """The scores of a bundle's out-of-fold predictions.

    BundleError if there is no bundle, it is damaged, or it was imported and has nothing to score.
    """
    from bfrb.predict.bundle import OUT_OF_FOLD, Bundle
    from bfrb.predict.evaluation import score_scenarios
    from bfrb.read.tables import read_table

    bundle = Bundle.open(path)
    predictions = read_table(bundle.file(OUT_OF_FOLD))
    if predictions.is_empty():
        problem = f"the bundle {path} has no out-of-fold predictions to score: it was imported, not trained"
        raise BundleError(problem, remedy="name labelled recordings of subjects that it was not trained on")
    scores = score_scenarios(predictions, bundle.label_set)
    simulated = bool(bundle.manifest.provenance.get("recordings_simulated", bundle.manifest.simulated))
    return scores | _describe(bundle, predictions, "out of fold", simulated=simulated)


def _score_file(path: Path, columns: Columns, label_set: str, answers: Path | None) -> dict[str, Any]:
    from bfrb.predict.evaluation import read_answers, score_answers
    from bfrb.study.labels import LABEL_SETS

    if label_set not in LABEL_SETS:
        raise ConfigError(f"no label set {label_set!r}", remedy=f"choose {', '.join(LABEL_SETS)}")
    labels = LABEL_SETS[label_set]
    scores = score_answers(read_answers(path, columns, labels, answers), labels)
    return scores | {"label_set": labels.name, "source": str(path)}


def _score_recordings(path: Path, data: Path, opening: Opening, on: str | None, workers: int) -> dict[str, Any]:
    from bfrb.predict.answering import judge
    from bfrb.predict.evaluation import join_answers, score_scenarios
    from bfrb.predict.predictor import load

    predictor = load(path)
    with options.joined(on, workers) as cluster, progress("predicting") as show:
        if cluster is None:
            parts = [judge(predictor, opening, data, show)]
        else:
            from bfrb.cluster.parts import ask_parts

            ask = partial(judge, predictor, opening)
            parts = ask_parts(cluster, path, data, opening.description, ask, show)
    predictions, overlap = join_answers(part.answers for part in parts), parts[0].overlap
    for part in parts[1:]:
        overlap.add(part.overlap)
    if known := overlap.seen:
        log.warning(
            f"warning: {len(known)} of these subjects were in training ({known[0]} ...): the scores are too good; "
            "without a second argument `bfrb evaluate` scores the out-of-fold predictions"
        )
    if namesakes := overlap.namesakes:
        log.warning(
            f"warning: {len(namesakes)} of these subjects have the names of subjects of the training "
            f"({namesakes[0]} ...), but other recordings: if they are the same people, the scores are too good"
        )
    scores = score_scenarios(predictions, predictor.label_set)
    described = _describe(predictor.bundle, predictions, str(data), simulated=any(part.simulated for part in parts))
    return scores | described | {"subjects_in_training": known}


def _describe(bundle: Bundle, predictions: Table, source: str, *, simulated: bool) -> dict[str, Any]:
    are_windows = all(re.search(r"@\d+$", name) for name in predictions["id"])  # the row that each begins with
    return {
        "counted": "windows" if are_windows else "recordings",
        "label_set": bundle.label_set.name,
        "source": source,
        "simulated": simulated,
        "trained_on_simulated": bundle.manifest.simulated,
    }


def show_scores(scores: dict[str, Any], as_json: bool) -> None:
    """Print scores as JSON, or as tables."""
    print_result(scores, as_json, *_score_tables(scores))


_SUMMARY_COLUMNS = ("scenario", "score", "95 %", "binary F1", "macro F1", "target AUC")
_CLASS_KEYS = ("precision", "recall", "f1", "support")
_SUBJECT_KEYS = ("score", "binary_f1", "macro_f1", "recordings")


def _score_tables(scores: dict[str, Any]) -> Iterator[ShownTable]:
    counted = scores.get("counted", "recordings")
    heading = "Scores of SIMULATED recordings" if scores.get("simulated") else "Scores"
    if scores.get("trained_on_simulated") and not scores["simulated"]:
        heading += " of a bundle trained on SIMULATED recordings"
    scenarios = {name: found for name, found in scores.items() if isinstance(found, dict) and "score" in found}
    scenarios = scenarios or {"predictions": scores}
    keys = ("binary_f1", "macro_f1", "auc", "recordings", "subjects")
    rows = [
        (name, found["score"], interval_text(found.get("interval")), *map(found.get, keys))
        for name, found in scenarios.items()
    ]
    yield f"{heading} ({scores['source']})", (*_SUMMARY_COLUMNS, counted, "subjects"), rows
    name, first = next(iter(scenarios.items()))
    yield f"By class ({name})", ("class", *_CLASS_KEYS), _picked(first["per_class"], _CLASS_KEYS)
    if subjects := first.get("per_subject"):
        lowest = sorted(_picked(subjects, _SUBJECT_KEYS), key=lambda row: float(row[1]))[:SHOWN_SUBJECTS]
        title = f"By subject, the lowest {len(lowest)} of {len(subjects)} (--json gives all)"
        yield title, ("subject", *_SUBJECT_KEYS[:-1], counted), lowest


def _picked(found: dict[str, dict[str, Any]], keys: Sequence[str]) -> list[tuple[Any, ...]]:
    return [(name, *(one[key] for key in keys)) for name, one in found.items()]
