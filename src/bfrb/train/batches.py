"""`Examples`: labelled sequences, padded and standardised; how they are dealt out in batches, and mixed (MixUp)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Protocol

import numpy as np
import torch
from torch import Tensor

from bfrb.arrays import Floats32, Ints
from bfrb.features.sequences import ChannelStatistics, Sequences
from bfrb.networks.network import Inputs, Standardise
from bfrb.study.labels import PHASES
from bfrb.study.recordings import Recordings


class ExampleSet(Protocol):
    """Labelled examples that can be had batch by batch."""

    @property
    def lengths(self) -> Tensor:
        """(R,) rows of every example."""

    @property
    def targets(self) -> Tensor:
        """(R, K) probabilities of the classes."""

    def take(self, index: Ints, rng: np.random.Generator | None = None) -> Examples:
        """Some of the examples, in that order; varied anew, where they are varied, from the random numbers."""


@dataclass(frozen=True)
class Examples:
    """Padded training examples on one compute device; a batch of them is again `Examples`."""

    inputs: Inputs  # for every branch (B, T, C) standardised features, 0 where nothing is known and on padding
    lengths: Tensor  # (B,) rows of every sequence
    targets: Tensor  # (B, K) probabilities of the classes, one-hot unless mixed
    present: Mapping[str, Tensor]
    """For every branch (B,) 1 where the sequence has any reading in it, else 0; between them when mixed."""
    onsets: Tensor | None = None
    """(B,) first row of the gesture, -1 where that is not known; None where it is known of none."""

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, index: Ints, rng: np.random.Generator | None = None) -> Examples:  # noqa: ARG002  they do not vary
        """Some of the examples, in that order, without padding that none of them needs."""
        where = torch.from_numpy(index).to(self.lengths.device)
        chosen = self.changed(lambda values: values[where])
        longest = int(chosen.lengths.max())
        return chosen.rows_changed(lambda values: values[:, :longest])

    def to(self, device: torch.device) -> Examples:
        """The examples on a compute device."""
        return self.changed(lambda values: values.to(device))

    def rows_changed(self, change: Callable[[Tensor], Tensor]) -> Examples:
        """The examples with another (B, T, ...) for all that has rows."""
        return replace(self, inputs={name: change(values) for name, values in self.inputs.items()})

    def changed(self, change: Callable[[Tensor], Tensor]) -> Examples:
        """The examples with another (B, ...) for all that they are made of."""
        return Examples(
            inputs={name: change(values) for name, values in self.inputs.items()},
            lengths=change(self.lengths),
            targets=change(self.targets),
            present={name: change(flags) for name, flags in self.present.items()},
            onsets=None if self.onsets is None else change(self.onsets),
        )


def load_examples(
    sequences: Sequences,
    recordings: Recordings,
    index: Ints,
    targets: Floats32,
    standardisers: Mapping[str, Standardise],
    max_length: int,
) -> Examples:
    """Pad and standardise the numbered sequences, whose (B, K) class probabilities are given, with what else is known.

    Branches without a standardiser are left out.
    """
    used = Sequences({name: sequences.branches[name] for name in standardisers}, sequences.offsets)
    batch = used.batch(index, max_length)
    lengths = torch.from_numpy(batch.lengths)
    inputs, present = {}, {}
    for name, standardise in standardisers.items():
        rows = torch.from_numpy(batch.inputs[name])
        known = ~torch.isnan(rows) & (torch.arange(rows.shape[1])[None, :] < lengths[:, None])[:, :, None]
        present[name] = known.any(dim=2).any(dim=1).to(torch.float32)
        inputs[name] = standardise(rows, lengths)
    onsets = _onsets(recordings, index, batch.lengths)
    return Examples(inputs, lengths, torch.from_numpy(targets), present, onsets)


def _onsets(recordings: Recordings, index: Ints, lengths: Ints) -> Tensor | None:
    """(B,) first row of the gesture among the last `lengths` rows of numbered recordings, -1 where it is not known."""
    phases = recordings.annotations.get("phase")
    if phases is None or phases.names != PHASES:
        return None
    onsets = np.full(len(index), -1)
    for number, (end, length) in enumerate(zip(recordings.offsets[index + 1], lengths, strict=True)):
        gesture = np.flatnonzero(phases.codes[end - length : end] == PHASES.index("Gesture"))
        onsets[number] = gesture[0] if len(gesture) else -1
    return torch.from_numpy(onsets)


def make_standardisers(statistics: Mapping[str, ChannelStatistics]) -> dict[str, Standardise]:
    """The modules that standardise branches, by these statistics of their channels."""
    return {
        name: Standardise(torch.from_numpy(np.asarray(found.mean)), torch.from_numpy(np.asarray(found.sd)))
        for name, found in statistics.items()
    }


def draw_batches(lengths: Ints, batch_size: int, bucket_batches: int, rng: np.random.Generator) -> Iterator[Ints]:
    """Index arrays that visit every example once, in random order, examples of like length together.

    The shuffled examples are cut into groups of `bucket_batches` batches; inside a group they are sorted by length.
    A last batch of a single example, which batch-norm cannot use, joins the one before it.
    """
    order = rng.permutation(len(lengths))
    groups = np.split(order, np.arange(0, len(order), batch_size * bucket_batches)[1:])
    by_length = np.concatenate([group[np.argsort(lengths[group], kind="stable")] for group in groups])
    cuts = np.arange(batch_size, len(order), batch_size)
    if len(cuts) and len(order) - cuts[-1] == 1:
        cuts = cuts[:-1]
    batches = np.split(by_length, cuts)
    for which in rng.permutation(len(batches)):
        yield batches[which]


def mix_up(
    batch: Examples, alpha: float, rng: np.random.Generator, *, at: Literal["start", "gesture"] = "start"
) -> Examples:
    """Blend every example with another one, labels alike (Zhang et al. 2018, arXiv 1710.09412).

    The share of the first is drawn once per batch from Beta(alpha, alpha); with alpha 0 nothing is changed. The blend
    is as long as the longer one. Laid upon each other are the first rows, or the first rows of the two gestures, where
    both are known: then the partner is moved, and those of its rows that fall off the batch's ends are lost.
    """
    if alpha == 0 or len(batch) < 2:
        return batch
    share = float(rng.beta(alpha, alpha))
    order = torch.from_numpy(rng.permutation(len(batch))).to(batch.lengths.device)
    partner = batch.changed(lambda values: values[order])
    if at == "gesture" and batch.onsets is not None and partner.onsets is not None:
        known = (batch.onsets >= 0) & (partner.onsets >= 0)
        partner = _moved(partner, torch.where(known, batch.onsets - partner.onsets, 0))
    return replace(
        batch,
        inputs={name: torch.lerp(partner.inputs[name], values, share) for name, values in batch.inputs.items()},
        lengths=torch.maximum(batch.lengths, partner.lengths),
        targets=torch.lerp(partner.targets, batch.targets, share),
        present={name: torch.lerp(partner.present[name], flags, share) for name, flags in batch.present.items()},
    )


def _moved(batch: Examples, by: Tensor) -> Examples:
    """Every example's rows `by` (B,) rows later, or earlier; rows that fall off the batch's ends are lost."""
    longest = next(iter(batch.inputs.values())).shape[1]
    source = torch.arange(longest, device=by.device) - by[:, None]
    inside = ((source >= 0) & (source < longest))[:, :, None]

    def move(values: Tensor) -> Tensor:
        where = source.clamp(0, values.shape[1] - 1)[:, :, None].expand(-1, -1, values.shape[2])
        return torch.gather(values, 1, where) * inside

    return replace(batch.rows_changed(move), lengths=(batch.lengths + by).clamp(1, longest))
