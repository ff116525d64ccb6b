"""From a finished run to a bundle: export, check, score, write."""

import json
import platform
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import reduce
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from bfrb.export.graphs import Templates, build_member, write_graphs
from bfrb.features.pipeline import available, find_feature
from bfrb.files import drop_pages
from bfrb.predict import bundle as files
from bfrb.predict.bundle import Bundle, Manifest, MemberSpec, writing_bundle
from bfrb.predict.evaluation import answer_scenarios, decide_held_out, score_scenarios
from bfrb.predict.out_of_fold import HeldOutPredictor
from bfrb.read.tables import Table, make_table, write_table
from bfrb.study.content import CONTENT, hash_content
from bfrb.study.recordings import Recordings
from bfrb.train.member import WEIGHTS, read_history, read_weights, split
from bfrb.train.workspace import MemberPlan, Workspace

_AT_A_TIME = 256
PARITY_RECORDINGS = 32
"""Held-out recordings on which every exported graph is compared with torch."""


def assemble(workspace: Workspace, out: Path, *, overwrite: bool) -> None:
    """Write the bundle of a workspace whose members are all trained.

    BundleError if an exported graph disagrees with torch, or the bundle cannot be written.
    """
    plan = workspace.plan
    with writing_bundle(out, overwrite=overwrite) as folder:
        (folder / "members").mkdir()
        parity = max(_export_member(workspace, member, folder) for member in plan.members)
        history, statistics = _history(workspace), _statistics(workspace)
        write_table(history, folder / files.HISTORY)
        write_table(statistics, folder / files.STATISTICS)
        (folder / files.SPEC).write_text(plan.spec.to_toml(), encoding="utf-8")
        workspace.folds.write(folder / files.FOLDS)
        seconds = round(sum(history["seconds"].to_list()), 1)
        manifest = _manifest(workspace, {"training_seconds": seconds, "largest_difference_from_torch": parity})
        manifest.write(folder)
        bundle = Bundle(folder, manifest)
        predictions = out_of_fold(bundle, workspace.recordings)
        if plan.spec.answer == "target_first":
            predictions, threshold = decide_held_out(predictions, plan.labels)
            manifest = manifest.model_copy(update={"target_threshold": threshold})
            manifest.write(folder)
        if plan.teacher is not None:
            _keep_last(folder, manifest)
        write_table(predictions, folder / files.OUT_OF_FOLD)
        scores = score_scenarios(predictions, plan.labels)
        (folder / files.SCORES).write_text(json.dumps(scores, indent=2), encoding="utf-8")


def _keep_last(folder: Path, manifest: Manifest) -> None:
    """Leave the member that learnt from everybody; the others were trained to judge it."""
    last = manifest.members[-1]
    for path in (folder / "members").iterdir():
        if path.name.partition(".")[0] != last.name:
            path.unlink()
    manifest.model_copy(update={"members": (last,)}).write(folder)


def _export_member(workspace: Workspace, member: MemberPlan, folder: Path) -> float:
    """Write graph and weights of a member; largest difference between graph and torch."""
    place = workspace.member_folder(member)
    trained = build_member(member.network, workspace.shape, workspace.plan.spec.network(member.network))
    trained.load_state_dict(read_weights(place))
    templates = Templates.load(workspace.template(member.network))
    learning, _, held_out = split(workspace, member)
    some = (held_out if len(held_out) else learning)[:PARITY_RECORDINGS]
    batch = workspace.sequences.batch(some, workspace.plan.max_length)
    path = folder / "members" / f"{member.name}.onnx"
    difference = write_graphs(path, trained, templates, batch)
    path.with_suffix(".safetensors").write_bytes((place / WEIGHTS).read_bytes())
    return difference


def out_of_fold(bundle: Bundle, recordings: Recordings) -> Table:
    """For every scenario and recording the answer of the members that never saw its subject, as in prediction.

    One fold after the other, so that no more than its members are loaded, and some recordings of it at a time.
    """
    folds = HeldOutPredictor(bundle).folds(recordings.subjects)
    parts = []
    for fold in np.unique(folds).tolist():
        chosen = np.flatnonzero(folds == fold)
        some = (recordings[chosen[first : first + _AT_A_TIME]] for first in range(0, len(chosen), _AT_A_TIME))
        parts.append(answer_scenarios(HeldOutPredictor(bundle), some))
        drop_pages(*recordings.sensors.values())
    answers = reduce(Table.vstack, parts)
    order = {name: number for number, name in enumerate(recordings.ids)}
    numbers = [order[name] for name in answers["id"].to_list()]
    hashes = np.array(hash_content(recordings), dtype=object)
    further = make_table({"number": numbers, "fold": folds[numbers], CONTENT: hashes[numbers].tolist()})
    names = ("scenario", "id", "subject", "fold", "gesture", "prediction", CONTENT, *bundle.label_set.classes)
    return answers.hstack(further).sort("scenario", "number").select(names)


def _required(workspace: Workspace, network: str) -> tuple[str, ...]:
    """Sensors that a network takes in and has not learnt to do without."""
    spec = workspace.plan.spec
    features = [name for branch in spec.network(network).BRANCHES for name in spec.branches[branch]]
    needed = {sensor for name in available(features, workspace.plan.device) for sensor in find_feature(name).needs}
    return tuple(sorted(needed - spec.dispensable(network)))


def _statistics(workspace: Workspace) -> Table:
    rows = []
    for member in workspace.plan.members:
        weights = read_weights(workspace.member_folder(member))
        for branch in workspace.plan.spec.network(member.network).BRANCHES:
            for number, channel in enumerate(workspace.sequences.channels[branch]):
                mean, sd = (float(weights[f"standardisers.{branch}.{kind}"][number]) for kind in ("mean", "sd"))
                rows.append((member.name, branch, channel.name, channel.unit, mean, sd))
    return _table(("member", "branch", "channel", "unit", "mean", "sd"), rows)


def _history(workspace: Workspace) -> Table:
    rows = (
        (member.name, epoch.epoch, epoch.loss, epoch.score, epoch.seconds)
        for member in workspace.plan.members
        for epoch in read_history(workspace.member_folder(member))
    )
    return _table(("member", "epoch", "loss", "score", "seconds"), rows)


def _table(names: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> Table:
    return make_table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def _manifest(workspace: Workspace, measured: dict[str, float]) -> Manifest:
    plan = workspace.plan
    members = tuple(
        MemberSpec(
            name=found.name,
            network=found.network,
            fold=found.fold,
            graph=f"members/{found.name}.onnx",
            requires=_required(workspace, found.network),
        )
        for found in plan.members
    )
    provenance = {
        "source": plan.source,
        "fingerprint": plan.fingerprint,
        "recordings": len(workspace.recordings),
        "subjects": len(set(workspace.recordings.subjects)),
        "recordings_simulated": plan.simulated,
        "teacher": plan.teacher,
        "seed": plan.spec.seed,
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("torch", "numpy", "onnx", "onnxscript", "onnxruntime", "polars")},
    }
    return Manifest(
        version=version("bfrb"),
        device=plan.device,
        row_rate_hz=plan.device.row_rate_hz,
        rows="mean",
        label_set=plan.labels,
        branches=plan.spec.branches,
        mirror_left_hand=plan.spec.features.mirror_left_hand,
        max_length=plan.max_length,
        members=members,
        simulated=plan.simulated,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        provenance=provenance | measured,
    )
