"""Parts of what is to be answered: some parts of a store, or some files of a folder, each small enough for one machine.

Parts follow each other in the order of the whole, so that their answers one below the other are those of the whole.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TypeVar

from bfrb.cluster.connection import check_folders, look_at_nodes
from bfrb.cluster.places import Place
from bfrb.cluster.tasks import RayTasks
from bfrb.errors import DataError
from bfrb.predict.bundle import MANIFEST as BUNDLE_MANIFEST
from bfrb.read.sources import Source, open_source
from bfrb.read.store import MANIFEST, TABLE, Store, read_manifest
from bfrb.read.study_files import DescribedFile, describe_source, find_files, in_order
from bfrb.spec import Spec

Told = TypeVar("Told")

PART_BYTES = 16 * 2**20  # of a part, if its smallest piece has not more: seconds of work, and little to do again
MOST_PARTS = 10_000  # a larger source has larger parts, for each costs a little

_DESCRIBING = (".toml", ".json", ".tsv")  # endings of files that may say how others are read
_BESIDE = (*_DESCRIBING, ".csv")  # of those that may lie beside a single file and belong to it: who wore the device
_SMALL = 2**26


class Part(Spec):
    """Some parts of one store, or some files."""

    store: str | None = None  # the folder of the store, as seen from the source
    first: int = 0
    stop: int = 0  # which of its parts
    files: tuple[str, ...] = ()
    size: int


class Parts(Spec):
    """A source in parts; this is all that a machine has to know of it."""

    source: str
    beside: tuple[str, ...] = ()  # files that belong to all parts: descriptions, wearers, labels
    is_file: bool = False
    parts: tuple[Part, ...]

    @property
    def place(self) -> Place:
        """Where the source lies."""
        return Place(self.source)

    @property
    def largest_first(self) -> list[int]:
        """The numbers of the parts; begun with the largest, so that no machine is left with it at the end."""
        return sorted(range(len(self.parts)), key=lambda number: -self.parts[number].size)

    def samples(self) -> list[Path]:
        """Files of it by which it can be told whether another machine sees it; none of an object store."""
        part, path = self.parts[0], self.place.path
        if not self.place.is_local:
            return []
        return [path if self.is_file else path / part.store / MANIFEST if part.store else path / part.files[0]]

    @contextmanager
    def opened(self, number: int) -> Iterator[Path | Store]:
        """One part, as a store or as the path of files that lie here, for as long as the context lasts.

        DataError if it is out of reach or damaged.
        """
        part, place = self.parts[number], self.place
        if place.is_local and part.store is not None:
            yield Store.open(place.path / part.store, slice(part.first, part.stop))
            return
        if place.is_local and (self.is_file or len(self.parts) == 1):
            yield place.path
            return
        root = place.parent if self.is_file else place
        with TemporaryDirectory(prefix="bfrb-") as folder:
            copy = Path(folder, root.base or "files")  # descriptions may ask what a folder is called
            if part.store is not None:
                yield _fetch_store(root / part.store, part, copy)
                return
            kept = Path(_bring_beside(root, self.beside).name)
            for name in self.beside:
                _bring(Place(str(kept / name)), copy / name)
            for name in part.files:
                _bring(root / name, copy / name)
            yield copy / place.base if self.is_file else copy


def plan_parts(place: Place, description: str = "auto") -> Parts:
    """The parts of what lies at a place: a store, a folder with stores, or recordings that a description tells of.

    DataError if there is nothing that can be read; ConfigError if there is no such description.
    """
    kind = place.kind
    if kind == "nothing":
        raise DataError(f"{place.name}: no such file or folder", remedy="check the path")
    source = str(place.path) if place.is_local else place.name
    if kind == "file":
        beside = {} if place.is_local else place.parent.files(deep=False)
        small = (name for name, size in beside.items() if PurePosixPath(name).suffix in _BESIDE and size < _SMALL)
        part = Part(files=(place.base,), size=1)
        return Parts(source=source, is_file=True, parts=(part,), beside=tuple(set(small) - {place.base}))
    files = place.files()
    stores = {str(PurePosixPath(name).parent) for name in files if PurePosixPath(name).name == MANIFEST}
    if stores:
        pieces = [piece for store in sorted(stores, key=in_order) for piece in _pieces_of_store(place, store)]
        return Parts(source=source, parts=_joined(pieces))
    recordings = _find_recordings(place, files, description)
    pieces = [Part(files=(name,), size=files[name]) for name in recordings]
    return Parts(source=source, parts=_joined(pieces), beside=tuple(set(files) - set(recordings)))


def _pieces_of_store(place: Place, store: str) -> list[Part]:
    with TemporaryDirectory(prefix="bfrb-") as folder:
        copy = Path(folder)
        _bring(place / store / MANIFEST, copy / MANIFEST)
        manifest = read_manifest(copy)
    return [Part(store=store, first=n, stop=n + 1, size=part.size) for n, part in enumerate(manifest.parts)]


def _joined(pieces: Sequence[Part]) -> tuple[Part, ...]:
    """Neighbours joined until they are large enough."""
    wanted = max(PART_BYTES, sum(piece.size for piece in pieces) // MOST_PARTS)
    parts: list[Part] = []
    for piece in pieces:
        last = parts[-1] if parts else None
        if last is None or last.store != piece.store or last.size + piece.size > wanted:
            parts.append(piece)
            continue
        joined = {"stop": piece.stop, "files": last.files + piece.files, "size": last.size + piece.size}
        parts[-1] = last.model_copy(update=joined)
    return tuple(parts)


def _find_recordings(place: Place, files: Mapping[str, int], description: str) -> list[str]:
    if place.is_local:
        return [path.path.relative_to(place.path).as_posix() for path in _described(place.path, description)]
    with TemporaryDirectory(prefix="bfrb-") as folder:  # the same folder, with nothing in its large files
        copy = Path(folder, place.base or "files")
        for name, size in files.items():
            describes = PurePosixPath(name).suffix in _DESCRIBING and size < _SMALL
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            (copy / name).write_bytes((place / name).read() if describes else b"")
        return [path.path.relative_to(copy).as_posix() for path in _described(copy, description)]


def _described(folder: Path, description: str) -> list[DescribedFile]:
    return find_files(folder, describe_source(folder, description))


def _bring(place: Place, copy: Path) -> None:
    copy.parent.mkdir(parents=True, exist_ok=True)
    if place.is_local:
        copy.symlink_to(place.path)
    else:
        place.fetch(copy)


def _fetch_store(place: Place, part: Part, copy: Path) -> Store:
    """Some parts of a store in an object store, in a folder here."""
    wanted = slice(part.first, part.stop)
    for name in (MANIFEST, TABLE):
        _bring(place / name, copy / name)
    for file in read_manifest(copy).parts[wanted]:
        _bring(place / file.name, copy / file.name)
    return Store.open(copy, wanted)


@lru_cache(maxsize=1)
def _bring_beside(root: Place, names: tuple[str, ...]) -> TemporaryDirectory[str]:
    """Files that belong to all parts; they stay here as long as this process."""
    folder = TemporaryDirectory(prefix="bfrb-")
    for name in names:
        _bring(root / name, Path(folder.name, name))
    return folder


def ask_parts(
    cluster: RayTasks,
    bundle: Path,
    data: Path,
    description: str,
    ask: Callable[[Path | Store], Told],
    progress: Callable[[float], None] = lambda _: None,
) -> list[Told]:
    """What a function tells of every part of a source, in order, where that is small and nobody keeps it.

    The function is given a store, or the path of files. All machines have to see the bundle's folder.

    BfrbError that of the first part that fails; if there is nothing to read, or a machine does not see the files.
    """
    parts = plan_parts(Place.at(data), description)
    check_folders(look_at_nodes(files=[*parts.samples(), bundle.absolute() / BUNDLE_MANIFEST]))
    order = parts.largest_first
    jobs = {f"part {number} of {len(order)}": partial(_ask_part, parts, number, ask) for number in order}
    told: dict[str, Told] = {}
    for name, found in cluster.results(jobs):
        told[name] = found
        progress(len(told) / len(jobs))
    return [told[f"part {number} of {len(order)}"] for number in range(len(order))]


def open_and_ask(description: str, ask: Callable[[Source], Told], part: Path | Store) -> Told:
    """What a function of a source tells of a part; errors are its own, and those of `open_source`."""
    return ask(open_source(part, description) if isinstance(part, Path) else part)


def _ask_part(parts: Parts, number: int, ask: Callable[[Path | Store], Told]) -> Told:
    with parts.opened(number) as part:
        return ask(part)
