"""`Examples`: labelled sequences, padded and standardised, and how they are dealt out in batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from bfrb.arrays import Floats32, Ints
from bfrb.features.sequences import ChannelStatistics, Sequences
from bfrb.networks.network import Inputs, Standardise
from bfrb.study.labels import PHASES
from bfrb.train.labels import AUXILIARY, Codes, Labels


class ExampleSet(Protocol):
    """Labelled examples that can be had batch by batch."""

    @property
    def lengths(self) -> Tensor:
        """(R,) rows of every example, before it is varied."""

    @property
    def targets(self) -> Tensor:
        """(R, K) probabilities of the classes."""

    def take(self, index: Ints, rng: np.random.Generator | None = None) -> Examples:
        """Some of the examples, in that order; varied anew, where they are varied, from the random numbers."""


@dataclass(frozen=True)
class Examples:
    """Padded training examples on one compute device; a batch of them is again `Examples`.

    Parameters
    ----------
    inputs
        For every branch (B, T, C) standardised features, 0 where nothing is known and on padding.
    lengths
        (B,) rows of every sequence.
    targets
        (B, K) probabilities of the classes, one-hot unless mixed.
    present
        For every branch (B,) 1 where the sequence has any reading in it, else 0; between them when mixed.
    auxiliary
        For every further label (B, K) or, of rows, (B, T, K) probabilities of its values, all 0 where nothing is
        known and on padding.
    onsets
        (B,) first row of the gesture, -1 where that is not known; None where it is known of none.
    """

    inputs: Inputs
    lengths: Tensor
    targets: Tensor
    present: Mapping[str, Tensor]
    auxiliary: Mapping[str, Tensor] = field(default_factory=dict)
    onsets: Tensor | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, index: Ints, rng: np.random.Generator | None = None) -> Examples:  # noqa: ARG002  they do not vary
        """Some of the examples, in that order, without padding that none of them needs."""
        where = torch.from_numpy(index).to(self.lengths.device)
        chosen = self.reordered(where)
        longest = int(chosen.lengths.max())
        return replace(
            chosen,
            inputs={name: values[:, :longest] for name, values in chosen.inputs.items()},
            auxiliary={
                name: known[:, :longest] if known.ndim == 3 else known for name, known in chosen.auxiliary.items()
            },
        )

    def reordered(self, where: Tensor) -> Examples:
        """The examples of these numbers, in that order, with the padding they have."""
        return Examples(
            inputs={name: values[where] for name, values in self.inputs.items()},
            lengths=self.lengths[where],
            targets=self.targets[where],
            present={name: flags[where] for name, flags in self.present.items()},
            auxiliary={name: known[where] for name, known in self.auxiliary.items()},
            onsets=None if self.onsets is None else self.onsets[where],
        )

    def to(self, device: torch.device) -> Examples:
        """The examples on a compute device."""
        if device == self.lengths.device:
            return self
        return Examples(
            inputs={name: values.to(device) for name, values in self.inputs.items()},
            lengths=self.lengths.to(device),
            targets=self.targets.to(device),
            present={name: flags.to(device) for name, flags in self.present.items()},
            auxiliary={name: known.to(device) for name, known in self.auxiliary.items()},
            onsets=None if self.onsets is None else self.onsets.to(device),
        )


def load_examples(
    sequences: Sequences,
    index: Ints,
    targets: Floats32,
    standardisers: Mapping[str, Standardise],
    max_length: int,
) -> Examples:
    """Pad and standardise some sequences.

    Parameters
    ----------
    index
        Which sequences.
    targets
        (len(index), K) their class probabilities.
    standardisers
        What scales the branches; those without are left out.
    """
    batch = sequences.batch(index, max_length)
    lengths = torch.from_numpy(batch.lengths)
    inputs, present = {}, {}
    for name, standardise in standardisers.items():
        rows = torch.from_numpy(batch.inputs[name])
        known = ~torch.isnan(rows) & (torch.arange(rows.shape[1])[None, :] < lengths[:, None])[:, :, None]
        present[name] = known.any(dim=2).any(dim=1).to(torch.float32)
        inputs[name] = standardise(rows, lengths)
    return Examples(inputs, lengths, torch.from_numpy(targets), present)


def with_labels(examples: Examples, labels: Labels, index: Ints, max_length: int) -> Examples:
    """The examples of the numbered recordings with what else is known of them."""
    codes = labels.batch(index, max_length)
    auxiliary = {name: _one_hot(found, len(AUXILIARY[name])) for name, found in codes.items()}
    onsets = None
    if "phase" in codes:
        is_gesture = codes["phase"] == PHASES.index("Gesture")
        onsets = torch.from_numpy(np.where(is_gesture.any(axis=1), is_gesture.argmax(axis=1), -1))
    return replace(examples, auxiliary=auxiliary, onsets=onsets)


def _one_hot(codes: Codes, values: int) -> Tensor:
    """(..., K) one-hot codes, 0 where they are negative."""
    return functional.one_hot(torch.from_numpy(codes.astype(np.int64)) + 1, values + 1)[..., 1:].to(torch.float32)


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
