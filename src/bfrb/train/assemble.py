"""From a finished run to a bundle: export, check, score, write."""

from __future__ import annotations

import json
import platform
from collections import defaultdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from bfrb.arrays import Bools, Floats
from bfrb.export.graphs import Templates, build_member, write_graphs
from bfrb.features.pipeline import available, find_feature
from bfrb.predict import bundle as files
from bfrb.predict.bundle import Manifest, MemberSpec, writing_bundle
from bfrb.predict.evaluation import score_scenarios
from bfrb.predict.routing import route
from bfrb.read.tables import Table, make_table, write_table
from bfrb.study.content import CONTENT, with_content
from bfrb.study.labels import PHASES, LabelSetSpec
from bfrb.train.member import WEIGHTS, read_answers, read_history, read_weights, split, without_proximity
from bfrb.train.workspace import MemberPlan, Workspace

PARITY_RECORDINGS = 32
"""Held-out recordings on which every exported graph is compared with torch."""


def assemble(workspace: Workspace, out: Path, *, overwrite: bool) -> None:
    """Write the bundle of a workspace whose members are all trained.

    Raises
    ------
    BundleError
        If an exported graph disagrees with torch, or the bundle cannot be written.
    """
    plan = workspace.plan
    with writing_bundle(out, overwrite=overwrite) as folder:
        (folder / "members").mkdir()
        parity = {member.name: _export_member(workspace, member, folder) for member in plan.members}
        (folder / files.SPEC).write_text(plan.spec.to_toml(), encoding="utf-8")
        workspace.folds.write(folder / files.FOLDS)
        predictions = out_of_fold(workspace)
        write_table(predictions, folder / files.OUT_OF_FOLD)
        write_table(_statistics(workspace), folder / files.STATISTICS)
        write_table(_history(workspace), folder / files.HISTORY)
        scores = score_scenarios(predictions, plan.labels)
        (folder / files.SCORES).write_text(json.dumps(scores, indent=2), encoding="utf-8")
        _manifest(workspace, parity).write(folder)


def _export_member(workspace: Workspace, member: MemberPlan, folder: Path) -> float:
    """Write graph and weights of a member; largest difference between graph and torch."""
    place = workspace.member_folder(member)
    trained = build_member(member.network, workspace.shape, workspace.plan.spec.network(member.network))
    trained.load_state_dict(read_weights(place))
    templates = Templates.load(workspace.template(member.network))
    index = read_answers(place)["index"][:PARITY_RECORDINGS]
    batch = workspace.sequences.batch(index, workspace.plan.max_length)
    path = folder / "members" / f"{member.name}.onnx"
    difference = write_graphs(path, trained, templates, batch, phases=was_taught_phases(workspace, member))
    path.with_suffix(".safetensors").write_bytes((place / WEIGHTS).read_bytes())
    return difference


def was_taught_phases(workspace: Workspace, member: MemberPlan) -> bool:
    """Whether a member was trained to tell phases: they counted, and each of them was among the rows it learnt from."""
    plan = workspace.plan
    if not plan.spec.training.auxiliary.phase or "phase" not in workspace.labels.row:
        return False
    learning, _, _ = split(workspace, member)
    codes = workspace.labels.batch(learning, plan.max_length)["phase"]
    return set(range(len(PHASES))) <= set(np.unique(codes).tolist())


def out_of_fold(workspace: Workspace) -> Table:
    """For every scenario and recording the mean answer of the members that never saw its subject."""
    classes = workspace.plan.labels.classes
    sums: dict[str, Floats] = {}
    asked = _who_was_asked(workspace)
    for member in workspace.plan.members:
        answers = read_answers(workspace.member_folder(member))
        index = answers["index"]
        for scenario in (name for name in answers if name != "index"):
            total = sums.setdefault(scenario, np.zeros((workspace.recordings.height, len(classes))))
            total[index] += (
                answers[scenario] * asked[scenario][workspace.plan.spec.networks.index(member.network), index, None]
            )
    columns: dict[str, list[Any]] = {name: [] for name in ("scenario", "id", "subject", "fold", "gesture", CONTENT)}
    table, count = with_content(workspace.raw).table, workspace.recordings.height
    for scenario in sums:
        columns["scenario"] += [scenario] * count
        for name in ("id", "subject", "gesture", CONTENT):
            columns[name] += table[name].to_list()
        columns["fold"] += workspace.folds.numbers(table["subject"].to_list()).tolist()
    counts = np.concatenate([asked[scenario].sum(axis=0) for scenario in sums]) * workspace.plan.spec.seeds
    probabilities = np.concatenate(list(sums.values())) / counts[:, None]
    return make_table(columns | dict(zip(classes, probabilities.T, strict=True)))


def _who_was_asked(workspace: Workspace) -> dict[str, Bools]:
    """For every scenario (networks, R) whether a network's members are asked about a recording, as in prediction."""
    requirements = [_required(workspace, network) for network in workspace.plan.spec.networks]
    if not workspace.plan.device.names_of("proximity") or len(set(requirements)) == 1:
        return defaultdict(lambda: np.ones((len(requirements), workspace.recordings.height), dtype=bool))
    raw = workspace.raw
    return {"all": route(raw, requirements), "imu": route(without_proximity(raw), requirements)}


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
    names = ("member", "branch", "channel", "unit", "mean", "sd")
    return make_table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def _history(workspace: Workspace) -> Table:
    rows = [
        (member.name, epoch.epoch, epoch.loss, epoch.score, epoch.seconds)
        for member in workspace.plan.members
        for epoch in read_history(workspace.member_folder(member))
    ]
    names = ("member", "epoch", "loss", "score", "seconds")
    return make_table(dict(zip(names, map(list, zip(*rows, strict=True)), strict=True)))


def _manifest(workspace: Workspace, parity: dict[str, float]) -> Manifest:
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
    return Manifest(
        version=version("bfrb"),
        device=plan.device,
        row_rate_hz=plan.device.row_rate_hz,
        rows="mean",
        label_set=LabelSetSpec.of(plan.labels),
        branches=plan.spec.branches,
        mirror_left_hand=plan.spec.features.mirror_left_hand,
        max_length=plan.max_length,
        members=members,
        simulated=plan.simulated or (plan.initial is not None and plan.initial.simulated),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        provenance=_provenance(workspace) | {"largest_difference_from_torch": max(parity.values())},
    )


def _provenance(workspace: Workspace) -> dict[str, Any]:
    plan = workspace.plan
    return {
        "source": plan.source,
        "fingerprint": plan.fingerprint,
        "recordings": workspace.recordings.height,
        "subjects": workspace.recordings["subject"].n_unique(),
        "recordings_simulated": plan.simulated,
        "initial": None if plan.initial is None else plan.initial.model_dump(mode="json", exclude={"classes"}),
        "seed": plan.spec.seed,
        "training_seconds": round(sum(_history(workspace)["seconds"].to_list()), 1),
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("torch", "numpy", "onnx", "onnxscript", "onnxruntime", "polars")},
    }
