"""`bfrb.train(...)`: from recordings to a predictor in one call."""

import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bfrb.errors import DataError
from bfrb.predict.predictor import Predictor, load
from bfrb.read.sources import HeldSource, Source, open_source, read
from bfrb.study.description import Description
from bfrb.study.labels import LabelSet, registered_label_set
from bfrb.study.recordings import Recordings
from bfrb.train.presets import check_installed, read_preset
from bfrb.train.run import RunSpec

log = logging.getLogger(__name__)

Settings = Iterable[str] | Mapping[str, Any]
"""Changes of a run spec: `{"training.epochs": 30}`, or `["training.epochs=30"]`."""


def train(
    recordings: Any,
    out: str | os.PathLike[str],
    preset: str | RunSpec = "quick",
    *,
    settings: Settings = (),
    targets: Sequence[str] | None = None,
    description: str | Path | Description = "auto",
    **options: Any,
) -> Predictor:
    """Train an ensemble over folds that keep subjects apart; also called as `bfrb.train`.

    A plain script may call this: the processes that train do not import it, so that it needs no
    `if __name__ == "__main__"`. A run that was stopped goes on when the call is repeated.

    Parameters
    ----------
    recordings
        Labelled `Recordings`; or what `bfrb.read` reads: a path or a frame. Unlabelled ones are left out, continuous
        ones are cut into labelled windows.
    out
        Where the bundle shall be, a folder that does not exist yet.
    preset
        Name of a preset, a `.toml` file with a run spec, or a `RunSpec`.
    settings
        Changes of it, such as `{"training.epochs": 30, "networks": ["mypackage.nets:Mine"]}`.
    targets
        The behaviours looked for. By default those that a path's description names, or those of the CMI or the Searle
        study; else every class but `none`.
    description
        How a path or a frame is read (`bfrb.read`).
    options
        `anyway`, to go on with recordings that physics speaks against; `workers`, `overwrite`, `restart` ...: those of
        `bfrb.train.crossval.RunOptions`.

    DataError if there are no labels, or too few subjects, recordings or classes, or if physics speaks against the
    recordings; ConfigError if there is no such preset or setting, a package that training needs is missing, or
    something is at `out`.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from bfrb.simulate.spec import StudySpec
    >>> from bfrb.simulate.study import simulate_study
    >>> recordings = simulate_study(StudySpec(subjects=2), seed=1)[::6]
    >>> settings = {"networks": ["context"], "folds": 2, "training.epochs": 1}
    >>> with TemporaryDirectory() as folder:
    ...     predictor = train(recordings, f"{folder}/model", settings=settings, workers=1)
    >>> predictor
    <Predictor: 2 networks, 18 classes of cmi, helios at 10 Hz, SIMULATED>
    >>> len(predictor.predict(recordings).to_frame())
    34
    """
    return train_source(_open(recordings, targets, description), out, preset, settings, **options)


def train_source(
    source: Source, out: str | os.PathLike[str], preset: str | RunSpec, settings: Settings = (), **options: Any
) -> Predictor:
    """`train`, of a source."""
    check_installed()
    from bfrb.train.crossval import RunOptions, cross_validate

    spec = preset if isinstance(preset, RunSpec) else read_preset(str(preset))
    return load(cross_validate(source, spec.updated(settings), Path(out), options=RunOptions(**options)))


def _open(given: Any, targets: Sequence[str] | None, description: str | Path | Description) -> Source:
    origin = "recordings in memory"
    if isinstance(given, str | os.PathLike):
        source = open_source(Path(given), description)
        if targets is None:
            return source
        given, origin = source.read(), source.describe()
    recordings = given if isinstance(given, Recordings) else read(given, description)
    return HeldSource(recordings, origin, label_set=find_labels(recordings, targets))


def find_labels(recordings: Recordings, targets: Sequence[str] | None = None) -> LabelSet:
    """The classes of recordings in memory: those of a study in the package, or else in the order of the alphabet.

    Targets are by default those of that study, else every class but `none`. DataError if there are no labels, or a
    target is none of the classes.
    """
    rows = recordings.annotations.get("gesture")
    names = recordings.gestures or (() if rows is None else rows.names)  # of continuous recordings those of rows
    found = {name for name in names if name is not None}
    if not found:
        raise DataError("expected labelled recordings, found no gesture", remedy="train on data with a gesture column")
    if targets is None:
        if known := registered_label_set(found):
            return known
        log.warning("no targets are named: every class but none is taken for one")
        targets = [name for name in found if name != "none"]
    targets = [targets] if isinstance(targets, str) else targets
    if strange := sorted(set(targets) - found):
        problem = f"no recording is of the target {strange[0]!r}"
        raise DataError(problem, remedy=f"choose among {', '.join(sorted(found))}")
    return LabelSet("own", tuple(sorted(found, key=lambda name: (name != "none", name))), frozenset(targets))
