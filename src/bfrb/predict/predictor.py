"""`Predictor`: a loaded bundle. Recordings in, probabilities out."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from html import escape
from itertools import compress, islice
from pathlib import Path
from typing import Any

import numpy as np

from bfrb.arrays import Bools, Floats, Ints
from bfrb.errors import DataError
from bfrb.features.pipeline import available, find_feature
from bfrb.features.sequences import Batch, build_sequences
from bfrb.predict.bundle import Bundle
from bfrb.predict.member import Member, check_features, find_able, load_member, map_ahead, route, share_out
from bfrb.predict.predictions import Predictions
from bfrb.read.orientation import with_gyroscope
from bfrb.read.tables import make_table
from bfrb.study.description import Description
from bfrb.study.device import Device
from bfrb.study.recordings import Recordings
from bfrb.study.windows import cut_continuous

log = logging.getLogger(__name__)

MAX_ROWS = 4096
"""Rows that are computed together: 32 recordings of 128 rows. More cost memory and save no time."""

_WARM_UP_ROWS = 64
_TOGETHER = 8  # single recordings that are one thread's work: handing each over would cost as much as answering it


@dataclass(frozen=True, eq=False)
class _Group:
    """Recordings of one length about which the same members are asked."""

    index: Ints
    batch: Batch
    members: tuple[Member, ...]  # who is asked


class Predictor:
    """Answers for recordings of one device, from a bundle.

    The probabilities of the members that are asked (`bfrb.predict.member`) are averaged. Nothing is kept between
    calls, and calls may come from several threads at once, or from a forked child; a pickled predictor is one that
    loads the bundle again. An answer does not depend on the other recordings of a call.

    BundleError if a graph cannot be loaded or does not fit the bundle, or a feature of one's own cannot be imported.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.label_set = bundle.label_set
        self.device = bundle.device
        check_features(bundle)
        self._members = tuple(share_out(partial(load_member, bundle), bundle.manifest.members))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (replace(self.bundle, path=self.bundle.path.absolute()),)

    def __repr__(self) -> str:
        members, device = len(self._members), self.device
        simulated = ", SIMULATED" if self.simulated else ""
        return (
            f"<Predictor: {members} network{'' if members == 1 else 's'}, {len(self.label_set)} classes of "
            f"{self.label_set.name}, {device.name} at {device.row_rate_hz:g} Hz{simulated}>"
        )

    def _repr_html_(self) -> str:
        classes = make_table({"class": self.label_set.classes, "target": self.label_set.is_target})
        return f"<p>{escape(repr(self)[1:-1])}</p>{classes._repr_html_()}"

    @property
    def simulated(self) -> bool:
        """Whether any recording it was trained on came from a simulator."""
        return self.bundle.manifest.simulated

    def predict(
        self,
        recordings: Any,
        description: str | Path | Description = "auto",
        demographics: Any = None,
        *,
        anyway: bool = False,
    ) -> Predictions:
        """Probabilities of every class for every recording, in the order of the recordings.

        Parameters
        ----------
        recordings
            `Recordings`; or what `bfrb.read` reads: a path or a frame, whose continuous recordings are cut into windows
            like those of training.
        description, demographics
            How a path or a frame is read (`bfrb.read`).
        anyway
            Whether to answer though physics speaks against what was read here (`bfrb.read.judging`).

        DataError if the recordings are of another device, or cannot be read, or if physics speaks against what was read
        here; BundleError if a member fails.
        """
        if not isinstance(recordings, Recordings):
            from bfrb.read.judging import JudgedSource
            from bfrb.read.sources import HeldSource, read

            found = read(recordings, description, demographics, self.device, self.bundle.manifest.rows)
            recordings = self.cut(JudgedSource(HeldSource(found, "recordings"), anyway).read())
        return self._predict(recordings, _find_alike)

    def predict_each(self, recordings: Recordings) -> Predictions:
        """Like `predict`, but each answer is, to the last bit, what it is for that recording alone: for streams.

        Networks round differently in larger batches, so each is asked about one recording at a time; the features are
        those of all recordings at once. Errors are those of `predict`.
        """
        return self._predict(recordings, lambda lengths, _: list(np.arange(len(lengths))[:, None]), together=_TOGETHER)

    def _predict(self, recordings: Recordings, find_groups: _Grouping, together: int = 1) -> Predictions:
        recordings = self._usable(recordings)
        probabilities = np.zeros((len(recordings), len(self.label_set)))
        if len(recordings) == 1:  # the members share the work; of several recordings each is one thread's work
            (group,) = self._groups(recordings, find_groups)
            probabilities[0] = _mean(share_out(lambda member: member.answer(group.batch), group.members))
        else:
            groups = self._groups(recordings, find_groups)
            for some, found in map_ahead(_answers, iter(lambda: list(islice(groups, together)), [])):
                for group, answer in zip(some, found, strict=True):
                    probabilities[group.index] = answer
        threshold = self.bundle.manifest.target_threshold
        return Predictions(tuple(recordings.ids), probabilities, self.label_set, threshold)

    def warm_up(self) -> None:
        """Answer for a recording in which nothing was measured, so that the first real one is answered as soon.

        BundleError if a member fails.
        """
        rows = min(_WARM_UP_ROWS, self.bundle.manifest.max_length)
        table = make_table({"id": ["nothing"], "subject": ["nobody"]})
        self.predict(Recordings(self.device, {}, np.array([0, rows]), table))

    def _groups(self, recordings: Recordings, find_groups: _Grouping) -> Iterator[_Group]:
        """Groups of the recordings, whose features are computed when they are asked for."""
        manifest = self.bundle.manifest
        lengths = np.minimum(recordings.lengths, manifest.max_length)
        order = np.argsort(lengths, kind="stable")
        starts = np.flatnonzero(np.diff(np.cumsum(lengths[order]) // MAX_ROWS)) + 1
        for index in np.split(order, starts) if len(order) else []:
            block = recordings if len(recordings) == 1 else recordings[index]
            sequences = build_sequences(block, manifest.branches, mirror_left_hand=manifest.mirror_left_hand)
            asked = route(block, [spec.requires for spec in manifest.members])
            for numbers in find_groups(lengths[index], asked):
                members = compress(self._members, asked[:, numbers[0]].tolist())
                batch = sequences.batch(numbers, manifest.max_length, manifest.keep)
                yield _Group(index[numbers], batch, tuple(members))

    @cached_property
    def is_heading_free(self) -> bool:
        """Whether no network looks at the compass direction: then an orientation that is made serves as well."""
        branches = {branch for member in self._members for branch in member.inputs} & set(self.bundle.manifest.branches)
        names = {name for branch in branches for name in self.bundle.manifest.branches[branch]}
        return not any(find_feature(name).uses_heading for name in available(names, self.device))

    def doubtful(self, recordings: Recordings) -> Bools:
        """(R,) Whether a recording lacks something that no network was trained to do without; errors as of `predict`.

        They are answered by all networks, and not as well as by one that never knew what they lack.
        """
        requirements = [spec.requires for spec in self.bundle.manifest.members]
        return np.asarray(~find_able(self._usable(recordings), requirements).any(axis=0))

    def answerable(self, batches: Iterable[Recordings], *, anyway: bool = False) -> Iterator[Recordings]:
        """The same batches, of which most recordings have what some network needs; a word about the others at the end.

        DataError if no network was trained to do without what most recordings of a batch lack, unless they are answered
        `anyway`.
        """
        doubtful = total = 0
        for batch in batches:
            lacking = int(self.doubtful(batch).sum())
            doubtful, total = doubtful + lacking, total + len(batch)
            if 2 * lacking > len(batch) and not anyway:
                needed = min((spec.requires for spec in self.bundle.manifest.members), key=len)
                who = f"{lacking} of {len(batch)} recordings"
                problem = f"no network of the bundle can do without {' and '.join(needed)}, which {who} lack"
                remedy = "train one that can (--set training.variation.lose_rotation=0.5), or on such recordings; "
                raise DataError(problem, remedy=remedy + "or go on all the same with --anyway")
            yield batch
        if doubtful:
            problem = "warning: %d of %d recordings lack what every network needs: their answers are doubtful"
            log.warning(problem, doubtful, total)

    @property
    def orients(self) -> bool:
        """Whether streams make an orientation, of gyroscope and accelerometer, where none is sent."""
        return self.is_heading_free and self.device.has("acc") and self.device.has("quaternion")

    @cached_property
    def source_device(self) -> Device:
        """The device whose samples streams take: with a gyroscope, if an orientation can be made of it."""
        return with_gyroscope(self.device) if self.orients else self.device

    def _usable(self, recordings: Recordings) -> Recordings:
        """The recordings, as of the bundle's device; an orientation without a heading is dropped where that matters."""
        self.bundle.check_device(recordings.device)
        if recordings.device.knows_heading == self.device.knows_heading:
            return recordings
        sensors = {name: values for name, values in recordings.sensors.items() if self.device.has(name)}
        if self.device.knows_heading and not self.is_heading_free:
            sensors.pop("quaternion", None)
        return replace(recordings, device=self.device, sensors=sensors)

    def cut(self, recordings: Recordings) -> Recordings:
        """Continuous recordings, whose rows are labelled, in windows like those of training; others as they are.

        DataError if no recording is as long as a window.
        """
        return cut_continuous(recordings, self.bundle.windows)

    def predict_one(self, sequence: Any, demographics: Any = None) -> str:
        """The gesture of one recording, a polars or pandas frame of its rows with the raw columns of the device.

        `demographics` is a frame with the row of its subject, if known. DataError if the frame holds no recording, or
        more than one.
        """
        from bfrb.read.described_source import recordings_from_frame

        recordings = recordings_from_frame(sequence, demographics)
        if len(recordings) != 1:
            problem = f"expected the rows of one recording, got {len(recordings)} recordings"
            raise DataError(problem, remedy="filter the frame by its sequence id, or use `predict` for several")
        return str(self.predict(recordings).gestures[0])


def load(path: str | os.PathLike[str]) -> Predictor:
    """The predictor of a bundle, warmed up. BundleError if there is none, it is damaged, or a member of it fails."""
    predictor = Predictor(Bundle.open(path))
    predictor.warm_up()
    return predictor


_Grouping = Callable[[Ints, Bools], Sequence[Ints]]
"""From (R,) lengths and (M, R) who is asked to the numbers of the recordings of every group."""


def _find_alike(lengths: Ints, asked: Bools) -> list[Ints]:
    """Recordings of one length about which the same members are asked: their batch needs no padding."""
    groups: dict[tuple[int, bytes], list[int]] = {}
    for number, length in enumerate(lengths.tolist()):
        groups.setdefault((length, asked[:, number].tobytes()), []).append(number)
    return [np.array(numbers) for numbers in groups.values()]


def _answers(groups: Sequence[_Group]) -> list[Floats]:
    return [_mean([member.answer(group.batch) for member in group.members]) for group in groups]


def _mean(answers: Sequence[Any]) -> Floats:
    """(B, K) mean of the answers of several members, scaled so that each row sums to 1."""
    summed = np.sum(answers, axis=0, dtype=np.float64)
    mean: Floats = summed / summed.sum(axis=1, keepdims=True)
    return mean
