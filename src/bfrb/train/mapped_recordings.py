"""Recordings as a folder of plain arrays that are memory-mapped: processes that open them share one copy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from bfrb.arrays import Array
from bfrb.files import writing_folder
from bfrb.read.tables import read_table, write_table
from bfrb.study.device import Device
from bfrb.study.recordings import Annotation, Recordings

_TABLE, _DESCRIPTION, _OFFSETS = "table.parquet", "recordings.json", "offsets"


def save_recordings(recordings: Recordings, folder: Path) -> None:
    """Write recordings, whole or not at all; each sensor's readings stay in its own type."""
    arrays: dict[str, Array] = {_OFFSETS: recordings.offsets}
    arrays |= {f"sensor.{name}": values for name, values in recordings.sensors.items()}
    arrays |= {f"annotation.{name}": annotation.codes for name, annotation in recordings.annotations.items()}
    annotations = {name: annotation.names for name, annotation in recordings.annotations.items()}
    description = json.dumps({"simulated": recordings.simulated, "annotations": annotations})
    with writing_folder(folder) as unfinished:
        for name, values in arrays.items():
            np.save(unfinished / f"{name}.npy", values)
        write_table(recordings.table, unfinished / _TABLE)
        (unfinished / _DESCRIPTION).write_text(description, encoding="utf-8")


def open_recordings(folder: Path, device: Device) -> Recordings:
    """What `save_recordings` wrote; readings are read from the files when they are used.

    Raises
    ------
    OSError, ValueError, KeyError, BfrbError
        If the folder is damaged.
    """
    description = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
    return Recordings(
        device=device,
        sensors={name: _map(folder / f"sensor.{name}.npy") for name in device.sensor_names},
        offsets=_map(folder / f"{_OFFSETS}.npy"),
        table=read_table(folder / _TABLE),
        annotations={
            name: Annotation(_map(folder / f"annotation.{name}.npy"), tuple(names))
            for name, names in description["annotations"].items()
        },
        simulated=description["simulated"],
    )


def _map(path: Path) -> Array:
    # As a plain array: every slice of a memmap carries the file's bookkeeping, which is slow.
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
