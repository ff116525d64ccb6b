"""From the folder of the published notebook, with its Keras models, to a bundle that gives the same answers.

The models' files are read as data, and their weights go into our own networks. Those of the notebook know no masks:
they see every recording cut or padded to a fixed length, and the padding takes part in everything (`padded_rows`).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np

from bfrb.errors import BundleError
from bfrb.export.graphs import Member, trace_templates, write_graphs
from bfrb.features.sequences import Batch
from bfrb.from_keras.architecture import Recognised, recognise
from bfrb.from_keras.files import read_model
from bfrb.from_keras.folder import KerasFolder, read_folder
from bfrb.from_keras.weights import fill_member
from bfrb.predict import bundle as files
from bfrb.predict.bundle import Manifest, MemberSpec, writing_bundle
from bfrb.read.tables import Table, make_table, write_table
from bfrb.study.device import HELIOS
from bfrb.study.labels import CMI_GESTURES, LabelSetSpec
from bfrb.train.run import RunSpec

log = logging.getLogger(__name__)


def import_keras(folder: Path, out: Path, *, overwrite: bool = False) -> Path:
    """Write the bundle of a notebook's folder; the path of the bundle.

    Parameters
    ----------
    folder
        The folder with `feature_cols.npy`, `sequence_maxlen.npy`, `scaler.pkl`, `gesture_classes.npy` and any number
        of `.h5` and `.keras` models.
    out
        Where the bundle shall be.
    overwrite
        Whether a bundle that is there may be replaced.

    Raises
    ------
    BundleError
        If a file is missing, damaged or not understood, or there is something at `out`. Nothing is left behind.
    """
    with writing_bundle(out, overwrite=overwrite) as place:
        source = read_folder(folder)
        read = {name: _read_model(source, path) for name, path in source.models.items()}
        models = {name: model for name, (model, _) in read.items()}
        log.info("read %d models; exporting them takes a minute or two", len(read))
        (place / "members").mkdir()
        off, templates, batch = [], {}, _make_batch(source)
        for name, (model, member) in read.items():
            sizes = f"{model.network} {model.spec.model_dump_json()}"
            if sizes not in templates:
                templates[sizes] = trace_templates(model.network, source.shape, model.spec)
            off.append(write_graphs(place / _graph_name(name), member, templates[sizes], batch))
        _write_descriptions(place, source, models, off)
    return out


def _read_model(source: KerasFolder, path: Path) -> tuple[Recognised, Member]:
    try:
        model = recognise(read_model(path), source.rows, len(source.branches["imu"].order), len(source.columns))
        return model, fill_member(model, source)
    except BundleError as error:
        raise BundleError(f"{path}: {error.problem}", remedy=error.remedy) from None
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        problem = f"{path}: its description is not understood: {type(error).__name__}: {error}"
        raise BundleError(problem, remedy="save the model in Keras again") from None


def _make_batch(source: KerasFolder) -> Batch:
    """Made-up recordings of all lengths, on which graphs are compared with the networks they were made from."""
    rng, lengths = np.random.default_rng(0), np.array([source.rows, source.rows // 2, 1])
    inputs = {
        name: rng.normal(branch.mean, np.abs(branch.sd), (3, source.rows, len(branch.mean))).astype(np.float32)
        for name, branch in source.branches.items()
    }
    return Batch(inputs, lengths)


def _graph_name(member: str) -> str:
    return f"members/{member}.onnx"


def _write_descriptions(place: Path, source: KerasFolder, models: Mapping[str, Recognised], off: list[float]) -> None:
    """Everything but the graphs. What only training knows is left empty."""
    members = _members(models)
    branches = {name: branch.features for name, branch in source.branches.items()}
    specs = {model.network: model.spec for model in models.values()}
    folds = max(2, *(member.fold + 1 for member in members))
    spec = RunSpec.parse({"folds": folds, "networks": tuple(specs), "features": branches, **specs})
    (place / files.SPEC).write_text(spec.to_toml(), encoding="utf-8")
    (place / files.SCORES).write_text("{}\n", encoding="utf-8")
    text, whole, real = (np.empty(0, dtype=kind) for kind in (str, np.int64, np.float64))
    answers = {"scenario": text, "id": text, "subject": text, "fold": whole, "gesture": text}
    empty = {
        files.FOLDS: {"subject": text, "fold": whole},
        files.OUT_OF_FOLD: answers | dict.fromkeys(CMI_GESTURES.classes, real),
        files.HISTORY: {"member": text, "epoch": whole, "loss": real, "score": real},
    }
    for name, columns in empty.items():
        write_table(make_table(columns), place / name)
    write_table(_statistics(source), place / files.STATISTICS)
    Manifest(
        version=version("bfrb"),
        device=HELIOS.name,
        row_rate_hz=HELIOS.row_rate_hz,
        label_set=LabelSetSpec.of(CMI_GESTURES),
        branches=branches,
        max_length=source.rows,
        keep="first",
        members=members,
        simulated=False,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        provenance={
            "imported_from": "keras",
            "preset": "cmi-notebook",
            "source": source.path.name,
            "columns": list(source.columns),
            "models": [path.name for path in source.models.values()],
            "largest_difference_from_torch": max(off),
        },
    ).write(place)


def _members(models: Mapping[str, Recognised]) -> tuple[MemberSpec, ...]:
    """The members; the fold of each is the number after the last underscore of its name, or else its place."""
    endings = [name.rpartition("_")[2] for name in models]
    folds = [int(ending) if re.fullmatch(r"\d{1,3}", ending) else place for place, ending in enumerate(endings)]
    return tuple(
        MemberSpec(name=name, network=model.network, fold=fold, graph=_graph_name(name))
        for (name, model), fold in zip(models.items(), folds, strict=True)
    )


def _statistics(source: KerasFolder) -> Table:
    rows = [
        (member, name, channel.name, channel.unit, float(mean), float(sd))
        for member in source.models
        for name, branch in source.branches.items()
        for channel, mean, sd in zip(branch.channels, branch.mean, branch.sd, strict=True)
    ]
    names = ("member", "branch", "channel", "unit", "mean", "sd")
    return make_table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))
