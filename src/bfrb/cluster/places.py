"""Folders and files wherever pyarrow reaches them: on this machine, on a shared disk, in an object store."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from bfrb.errors import ConfigError, DataError
from bfrb.files import writing_file

_WHOLE_AT_THE_END = ("s3", "gcs", "abfs")  # file systems in which a file is there once the last of it has been sent
_BLOCK = 2**22


@dataclass(frozen=True)
class Place:
    """A folder or a file: a path, or an address such as `s3://bucket/folder`."""

    name: str

    @classmethod
    def at(cls, path: Path | str) -> Place:
        """The place of a path; one that was an address, such as `s3:/bucket/folder`, is one again."""
        return cls(re.sub(r"^([a-z][a-z0-9+.-]+):/+", r"\1://", str(path)))

    @property
    def is_local(self) -> bool:
        """Whether it is a path, of this machine or of a shared disk."""
        return "://" not in self.name

    @property
    def path(self) -> Path:
        """The path, of a place that is local."""
        return Path(self.name).absolute()

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        """Its file system, and where it lies there."""
        from pyarrow import ArrowException
        from pyarrow.fs import FileSystem

        try:
            system, path = FileSystem.from_uri(self.path.as_uri() if self.is_local else self.name)
        except (ArrowException, OSError) as error:
            problem = f"{self.name}: {str(error).partition(chr(10))[0]}"
            raise ConfigError(problem, remedy="name a path, or an address like s3://bucket/x") from None
        return system, path

    def __truediv__(self, name: str) -> Place:
        if name == ".":
            return self
        front, mark, options = self.name.partition("?")
        return Place(f"{front.rstrip('/')}/{name}{mark}{options}")

    @property
    def parent(self) -> Place:
        """The folder that it is in."""
        front, mark, options = self.name.partition("?")
        return Place(f"{front.rpartition('/')[0]}{mark}{options}") if "/" in front else Place(".")

    @property
    def base(self) -> str:
        """The last part of its name."""
        return self.path.name if self.is_local else PurePosixPath(self.name.partition("?")[0]).name

    @property
    def kind(self) -> str:
        """What is there: `file`, `folder` or `nothing`; DataError here and below if its file system does not answer."""
        from pyarrow.fs import FileType

        with self._reached() as (system, path):
            found = system.get_file_info(path).type
        return {FileType.File: "file", FileType.Directory: "folder"}.get(found, "nothing")

    def files(self, deep: bool = True) -> dict[str, int]:
        """Names of the files in it, as seen from it, and their sizes in bytes; none if it is not there."""
        from pyarrow.fs import FileSelector, FileType

        with self._reached() as (system, path):
            found = system.get_file_info(FileSelector(path, allow_not_found=True, recursive=deep))
        root = path.rstrip("/") + "/"
        files = {info.path.removeprefix(root): info.size for info in found if info.type == FileType.File}
        return {name: size for name, size in files.items() if not name.rpartition("/")[2].startswith(".")}

    def read(self) -> bytes:
        """What the file holds."""
        with self._reached() as (system, path), system.open_input_stream(path) as stream:
            held: bytes = stream.read()
        return held

    def fetch(self, copy: Path) -> None:
        """Copy the file to a path of this machine."""
        with self._reached() as (system, path), system.open_input_stream(path) as stream, copy.open("wb") as file:
            shutil.copyfileobj(stream, file, _BLOCK)

    def write(self, held: bytes) -> None:
        """Write a file, whole or not at all; OSError if it cannot be written."""
        if self.is_local:
            with writing_file(self.path) as unfinished:
                unfinished.write_bytes(held)
            return
        system, path = self._opened
        target = path if system.type_name in _WHOLE_AT_THE_END else f"{path}.unfinished"
        system.create_dir(path.rpartition("/")[0], recursive=True)
        with system.open_output_stream(target) as stream:
            stream.write(held)
        if target != path:
            system.move(target, path)

    def remove(self) -> None:
        """Delete the folder with all that is in it, if it is there."""
        if self.kind == "folder":
            system, path = self._opened
            system.delete_dir(path)

    @contextmanager
    def _reached(self) -> Iterator[tuple[Any, str]]:
        try:
            yield self._opened
        except OSError as error:
            why = str(error).partition("\n")[0]
            remedy = "check the address, the rights and the network"
            raise DataError(f"{self.name} is out of reach: {why}", remedy=remedy) from None
