"""One wearer's own examples: a bundle's linear answers are moved towards them, in closed form."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from bfrb.arrays import Bools, Floats32, Ints
from bfrb.errors import ConfigError
from bfrb.export.graphs import Member, trace_templates, write_graphs
from bfrb.export.targets import load_network
from bfrb.features.sequences import Batch, Sequences, build_sequences
from bfrb.networks.network import LinearAnswers, Shape
from bfrb.predict.bundle import Bundle, copying_bundle
from bfrb.read.sources import Source
from bfrb.train.crossval import labelled
from bfrb.train.run import read_run_spec

HOLD = 0.1
"""How much the answer of the bundle holds, as one class's examples together count: `experiments/wrist/wearer.py`."""


def personalize(bundle: Bundle, source: Source, out: Path, *, overwrite: bool = False) -> dict[str, int]:
    """Write a bundle whose answers are moved towards a wearer's labelled recordings, and say how many of each class.

    Of every linear answer the smallest change is taken that brings it nearer to the labels; examples of each class
    count alike. Only networks that are solved for, such as `rocket`, have such answers. The scores in the bundle stay
    those of before. The recordings are brought to the bundle's device; continuous ones are cut into windows.

    ConfigError if a network has no linear answers; DataError if they are of another device, or there are no labels, or
    labels that are no class of the bundle; BundleError if something is at `out` that may not be replaced, or a graph
    disagrees with torch.
    """
    manifest, spec = bundle.manifest, read_run_spec(bundle)
    recordings = labelled(source.read(), spec)
    bundle.check_device(recordings.device)
    codes = bundle.label_set.encode(recordings.table["gesture"].to_list())
    sequences = build_sequences(recordings, manifest.branches, mirror_left_hand=manifest.mirror_left_hand)
    channels = {name: len(found) for name, found in sequences.channels.items()}
    shape = Shape(channels, len(bundle.label_set), manifest.row_rate_hz)
    counts = np.bincount(codes, minlength=len(bundle.label_set)).tolist()
    told = {name: count for name, count in zip(bundle.label_set.classes, counts, strict=True) if count}
    with copying_bundle(bundle, out, overwrite=overwrite) as folder:
        for member in manifest.members:
            network = spec.network(member.network)
            moved = load_network(bundle, member)
            move_answers(moved, sequences, codes, manifest.max_length, network.TOGETHER)
            few = sequences.batch(np.arange(min(len(recordings), network.TOGETHER)), manifest.max_length)
            write_graphs(folder / member.graph, moved, trace_templates(member.network, shape, network), few)
            save_file(moved.state_dict(), (folder / member.graph).with_suffix(".safetensors"))
        changed = {"provenance": manifest.provenance | {"personalized": told}}
        manifest.model_copy(update=changed).write(folder)
    return told


def move_answers(member: Member, sequences: Sequences, codes: Ints, max_length: int, together: int) -> None:
    """Move the linear answers of a member towards the classes, (R,) numbers, of recordings, described some at once."""
    network = member.network
    if not isinstance(network, LinearAnswers):
        raise ConfigError(f"{type(network).__name__} has no linear answers", remedy="personalize a bundle of rocket")
    weights = len(codes) / np.bincount(codes)[codes] / len(np.unique(codes))
    numbers = np.arange(len(codes))
    batches = (sequences.batch(some, max_length) for some in np.split(numbers, numbers[together::together]))
    parts = [_described(member, network, batch) for batch in batches]
    features = np.concatenate([found for found, _ in parts])
    for name, layer in network.answers().items():
        known = np.concatenate([measured[name] for _, measured in parts])
        if not known.any():
            continue
        rows = np.pad(features[known, : layer.in_features], ((0, 0), (0, 1)), constant_values=1.0).astype(np.float64)
        logits = rows @ np.vstack([layer.weight.detach().numpy().T, layer.bias.detach().numpy()])
        # Answers of ridge regression to one-hot classes sum up to 1, and logits to the factor they were scaled by.
        aims = logits.sum(axis=1).mean() * np.eye(logits.shape[1])[codes[known]]
        product = rows @ rows.T
        hold = HOLD * np.trace(product) / len(product) / weights[known]
        change = rows.T @ np.linalg.solve(product + np.diag(hold), aims - logits)
        with torch.no_grad():
            layer.weight.add_(torch.from_numpy(change[:-1].T.astype(np.float32)))
            layer.bias.add_(torch.from_numpy(change[-1].astype(np.float32)))


def _described(member: Member, network: LinearAnswers, batch: Batch) -> tuple[Floats32, dict[str, Bools]]:
    """(B, D) features, and for every answer (B,) whether its sensors measured something."""
    lengths = torch.from_numpy(batch.lengths)
    with torch.no_grad():
        inputs = {
            name: scale(torch.from_numpy(batch.inputs[name]), lengths) for name, scale in member.standardisers.items()
        }
        features = network.standardise(*network.features(inputs, lengths)).numpy()
        return features, {name: flags[:, 0].numpy() > 0 for name, flags in network.measured(inputs).items()}
