"""What several commands share: arguments and options, and how what they need is opened."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from typer import Argument, Option

from bfrb.errors import ConfigError

if TYPE_CHECKING:
    from bfrb.cluster.answering import Note, Work
    from bfrb.cluster.tasks import RayTasks
    from bfrb.predict.bundle import Bundle
    from bfrb.predict.predictor import Predictor

log = logging.getLogger(__name__)

BundleFolder = Annotated[Path, Argument(help="The folder that `bfrb train` wrote.")]
DescriptionName = Annotated[str, Option(help="How they are read: auto, a name of `bfrb devices`, or a .toml file.")]
Wrist = Annotated[Literal["left", "right"] | None, Option(help="Where that device is worn, if it does not say.")]
Anyway = Annotated[bool, Option("--anyway", help="Go on although physics speaks against them, or networks need more.")]
Demographics = Annotated[Path | None, Option(help="A table of subjects; else the one beside the recordings.")]
RuleChanges = Annotated[list[str] | None, Option("--set", help="key=value of the event rule, such as on=0.8.")]
AccUnit = Annotated[str, Option(help="Unit of the accelerations: m/s^2, g or mg.")]
Overwrite = Annotated[bool, Option("--overwrite", help="Replace what is there.")]
AsJson = Annotated[bool, Option("--json", help="Print one JSON object.")]
Settings = Annotated[list[str] | None, Option("--set", help="key=value, such as training.epochs=30.")]
Restart = Annotated[bool, Option("--restart", help="Throw an unfinished run away.")]
NoReport = Annotated[bool, Option("--no-report", help="Write no page about the bundle.")]
Labelled = Annotated[Path, Argument(help="A store, a folder or a file with labelled recordings.")]
On = Annotated[str | None, Option("--on", help="A cluster: ray (this machine's, or RAY_ADDRESS), or its address.")]
Workers = Annotated[int, Option(min=0, help="Jobs at a time; 0: as many as there is room for.")]


def parse_seconds(text: str) -> float:
    """Seconds, such as 5, 5s or 2.5s. ValueError for anything else."""
    if 0.0 < (seconds := float(str(text).removesuffix("s"))) < float("inf"):
        return seconds
    raise ValueError("expected seconds, more than 0")


def tell_simulated(bundle: Bundle) -> None:
    """Say so if a bundle was trained on simulated recordings."""
    if bundle.manifest.simulated:
        log.warning("note: %s was trained on simulated recordings; its answers are for trying things out", bundle.path)


def load_predictor(path: Path) -> Predictor:
    """What answers with a bundle, with a word if it knows simulated recordings only; errors as of `bfrb.load`."""
    from bfrb.predict.predictor import load

    predictor = load(path)
    tell_simulated(predictor.bundle)
    return predictor


def check_outputs(outputs: Iterable[Path | None], inputs: Iterable[Path | None], *, overwrite: bool = True) -> None:
    """Refuse, by a ConfigError, to write over what is read, by whatever name or link, and without leave over anything.

    What is read is the same file, a file in a folder that is read, or a folder around it. None is not asked for.
    """
    given = [path for path in inputs if path is not None and path.exists()]
    for output in (path for path in outputs if path is not None and path.exists()):
        for read in given:
            if _is_within(output, read) or _is_within(read, output):
                raise ConfigError(f"{output} would be written over, but {read} is read", remedy="name another output")
        if not overwrite:
            raise ConfigError(f"{output} is there already", remedy="name another output, or add --overwrite")


def _is_within(path: Path, folder: Path) -> bool:
    """Whether a path is a file or folder, or lies anywhere in it."""
    resolved = path.resolve()
    return any(place.samefile(folder) for place in (resolved, *resolved.parents))


@contextmanager
def joined(on: str | None, workers: int = 0, folders: Iterable[Path] = ()) -> Iterator[RayTasks | None]:
    """The cluster that `--on` names; None if it names none, and then nothing of Ray is imported.

    Parameters and errors are those of `bfrb.cluster.connect`.
    """
    if on is None:
        yield None
        return
    from bfrb.cluster.connection import connect

    with connect(on, workers=workers, folders=folders) as cluster:
        cores, machines = cluster.cores, len(cluster.nodes)
        log.info("on Ray: %d cores of %d machine%s", cores, machines, "" if machines == 1 else "s")
        yield cluster


@contextmanager
def resumable(place: Path | str) -> Iterator[None]:
    """Ctrl-C ends the command with a word on where it goes on."""
    try:
        yield
    except KeyboardInterrupt:
        log.warning("stopped; the same command goes on from here (%s)", place)
        raise typer.Exit(130) from None


def answer_on(
    cluster: RayTasks, bundle: Path, data: Path, work: Work, outs: Iterable[Path], show: Callable[[float], None]
) -> list[Note]:
    """Have recordings answered on a cluster; what is noted of their parts. Errors are those of `answer_source`."""
    from bfrb.cluster.answering import Outputs, answer_source
    from bfrb.cluster.places import Place

    outputs = Outputs(dict(zip(work.outputs, map(Place.at, outs), strict=True)))
    with resumable(outputs.folder.name):
        return answer_source(cluster, Place.at(data), bundle, work, outputs, show)
