"""`Predictor`: a loaded bundle. Recordings in, probabilities out."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np

from bfrb.arrays import Bools, Floats, Floats32, Ints
from bfrb.errors import DataError
from bfrb.features.sequences import Batch, Sequences, build_sequences
from bfrb.predict.attention import pad_unused, spread_over_rows
from bfrb.predict.bundle import Bundle
from bfrb.predict.member import Member, load_member
from bfrb.predict.pages import keep_in_heap, use_large_pages
from bfrb.predict.phases import mean_phases, write_at_rows
from bfrb.predict.predictions import Predictions
from bfrb.predict.routing import who_answers
from bfrb.processes import usable_processors
from bfrb.read.tables import make_table
from bfrb.study.device import Device
from bfrb.study.labels import PHASES
from bfrb.study.recordings import Recordings
from bfrb.study.windows import cut_continuous

MAX_PADDED_ROWS = 4096
"""Rows of a batch, padding included: 32 recordings of 128 rows. Larger batches cost memory and save no time."""

_BATCHES_IN_FLIGHT = 2
_WARM_UP_ROWS = 64


_Answers = list[tuple[int, Floats32]]
"""(B, K) probabilities of some members, with the members' numbers."""


class Predictor:
    """Answers for recordings of one device, from a bundle.

    The probabilities of the members that are asked (`inference.routing`) are averaged. Nothing is kept between calls,
    and calls may come from several threads at once. An answer does not depend on the other recordings of a call.

    Parameters
    ----------
    bundle
        The bundle.

    Raises
    ------
    BundleError
        If a graph cannot be loaded or does not fit the bundle.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.bundle = bundle
        self.label_set = bundle.label_set
        self.device = bundle.device
        self._workers = usable_processors()
        self._pool = ThreadPoolExecutor(self._workers, thread_name_prefix="bfrb")
        self._members = tuple(load_member(bundle, spec) for spec in bundle.manifest.members)

    @property
    def simulated(self) -> bool:
        """Whether any recording it was trained on came from a simulator."""
        return self.bundle.manifest.simulated

    def predict(self, recordings: Recordings) -> Predictions:
        """Probabilities of every class for every recording, in the order of the recordings.

        Raises
        ------
        DataError
            If the recordings are of another device.
        BundleError
            If a member fails.
        """
        self.check_device(recordings.device)
        if len(recordings) == 1:
            return Predictions(tuple(recordings.ids), self._answer_for_one(recordings), self.label_set)
        probabilities = np.zeros((len(recordings), len(self.label_set)))
        running: deque[tuple[Ints, list[Future[_Answers]]]] = deque()
        for index in _batches(np.minimum(recordings.lengths, self.bundle.manifest.max_length)):
            for part, batch, asked in self._fed(recordings[index]):
                if len(running) == _BATCHES_IN_FLIGHT:
                    _collect(running.popleft(), probabilities)
                running.append((index[part], self._answers(batch, asked)))
        while running:
            _collect(running.popleft(), probabilities)
        return Predictions(tuple(recordings.ids), probabilities, self.label_set)

    def _answer_for_one(self, recording: Recordings) -> Floats:
        """(1, K) probabilities: this thread works as well, so that fewer have to be woken."""
        batch, asked = self._batch(recording), self._route(recording)
        waiting = iter(enumerate(self._members))
        others = range(min(self._workers, len(self._members)) - 1)
        jobs = [self._pool.submit(_answer_next, waiting, batch, asked) for _ in others]
        own = _answer_next(waiting, batch, asked)
        return _mean(own + [answer for job in jobs for answer in job.result()])

    def _fed(self, recordings: Recordings) -> Iterator[tuple[Ints, Batch, Bools]]:
        """Numbers of recordings that the members can answer for together, what they take in, and who is asked."""
        manifest = self.bundle.manifest
        sequences, asked = self._sequences(recordings), self._route(recordings)
        for part in self._together(np.minimum(recordings.lengths, manifest.max_length)):
            yield part, sequences.batch(part, manifest.max_length, manifest.keep), asked[:, part]

    def _together(self, lengths: Ints) -> list[Ints]:
        """Numbers of sorted recordings, those of one length together unless every member can do with padding."""
        everyone = np.arange(len(lengths))
        if all(member.pads for member in self._members):
            return [everyone]
        return np.split(everyone, np.flatnonzero(np.diff(lengths)) + 1)

    def predict_each(self, recordings: Recordings) -> Predictions:
        """Like `predict`, but each answer is, to the last bit, what it is for that recording alone: for streams.

        Networks round differently in larger batches, so each is asked about one recording at a time; the features are
        those of all recordings at once. Errors are those of `predict`.
        """
        self.check_device(recordings.device)
        asked = self._route(recordings)
        sequences = self._sequences(recordings)
        probabilities = np.zeros((len(recordings), len(self.label_set)))
        parts = np.array_split(np.arange(len(recordings)), min(self._workers, max(1, len(recordings))))
        jobs = [self._pool.submit(self._answer_alone, sequences, asked, part, probabilities) for part in parts[1:]]
        self._answer_alone(sequences, asked, parts[0], probabilities)
        for job in jobs:
            job.result()
        return Predictions(tuple(recordings.ids), probabilities, self.label_set)

    def _answer_alone(self, sequences: Sequences, asked: Bools, numbers: Ints, probabilities: Floats) -> None:
        manifest = self.bundle.manifest
        for number in numbers:
            batch = sequences.batch([number], manifest.max_length, manifest.keep)
            waiting = iter(enumerate(self._members))
            probabilities[number] = _mean(_answer_next(waiting, batch, asked[:, number : number + 1]))[0]

    def attention(self, recording: Recordings) -> Floats | None:
        """(N,) How much the members look at each row of one recording, on average over those that are asked.

        Shares that sum to 1, 0 on unused rows; None if no member that is asked can tell. Errors are those of `predict`.
        """
        self.check_device(recording.device)
        asked = self._route(recording)[:, 0]
        able = [member for member, ask in zip(self._members, asked, strict=True) if ask and member.gives("attention")]
        if not able:
            return None
        batch = self._batch(recording)
        told = [spread_over_rows(member.ask("attention", batch), int(batch.lengths[0]))[0] for member in able]
        return pad_unused(np.mean(told, axis=0), recording.n_rows, self.bundle.manifest.keep)

    @property
    def tells_phases(self) -> bool:
        """Whether any member was trained to tell phases."""
        return any(member.gives("phases") for member in self._members)

    def phases(self, recordings: Recordings) -> Floats | None:
        """(N, P) Probabilities of the phases (`gestures.PHASES`) at every row of one or more recordings.

        Of each recording the mean over the members that are asked about it and can tell; NaN if none can, and on rows
        that are not used. None if no member can tell of any. Errors are those of `predict`.
        """
        self.check_device(recordings.device)
        manifest = self.bundle.manifest
        asked = self._route(recordings) & np.array([[member.gives("phases")] for member in self._members])
        if not asked.any():
            return None
        found = np.full((recordings.n_rows, len(PHASES)), np.nan)
        for index in _batches(np.minimum(recordings.lengths, manifest.max_length)):
            for part, batch, _ in self._fed(recordings[index]):
                told = mean_phases(self._members, asked[:, index[part]], batch, self._pool.map)
                write_at_rows(found, told, recordings, index[part], manifest.keep)
        return found

    def warm_up(self) -> None:
        """Answer for a recording in which nothing was measured, so that the first real one is answered as soon.

        Raises
        ------
        BundleError
            If a member fails.
        """
        rows = min(_WARM_UP_ROWS, self.bundle.manifest.max_length)
        table = make_table({"id": ["nothing"], "subject": ["nobody"]})
        self.predict(Recordings(self.device, {}, np.array([0, rows]), table))

    def _route(self, recordings: Recordings) -> Bools:
        """(M, R) Bools members are asked about which recordings."""
        return who_answers(recordings, [spec.requires for spec in self.bundle.manifest.members])

    def _answers(self, batch: Batch, asked: Bools) -> list[Future[_Answers]]:
        """Every worker takes the next member until none is left: fewer jobs to hand over than one a member."""
        waiting = iter(enumerate(self._members))
        workers = range(min(self._workers, len(self._members)))
        return [self._pool.submit(_answer_next, waiting, batch, asked) for _ in workers]

    def _sequences(self, recordings: Recordings) -> Sequences:
        manifest = self.bundle.manifest
        return build_sequences(recordings, manifest.branches, mirror_left_hand=manifest.mirror_left_hand)

    def _batch(self, recordings: Recordings) -> Batch:
        manifest = self.bundle.manifest
        return self._sequences(recordings).batch(np.arange(len(recordings)), manifest.max_length, manifest.keep)

    def check_device(self, device: Device) -> None:
        """Refuse recordings of another device.

        Raises
        ------
        DataError
            If the bundle was not trained on recordings of this device.
        """
        if device.name != self.device.name:
            raise DataError(
                f"expected recordings of the device {self.device.name!r}, got {device.name!r}",
                remedy="use a bundle that was trained on recordings of this device",
            )

    def cut(self, recordings: Recordings) -> Recordings:
        """Continuous recordings, whose rows are labelled, in windows like those of training; others as they are.

        Raises
        ------
        DataError
            If no recording is as long as a window.
        """
        return cut_continuous(recordings, self.bundle.windows)

    def predict_one(self, sequence: Any, demographics: Any = None) -> str:
        """The gesture of one recording, given as a frame.

        Parameters
        ----------
        sequence
            A polars or pandas frame with the rows of one recording, with the raw columns of the device.
        demographics
            A frame with the row of its subject, if known.

        Raises
        ------
        DataError
            If the frame holds no recording, or more than one.
        """
        from bfrb.read.cmi import recordings_from_frame

        recordings = recordings_from_frame(sequence, demographics)
        if len(recordings) != 1:
            raise DataError(
                f"expected the rows of one recording, got {len(recordings)} recordings",
                remedy="filter the frame by its sequence id, or use `predict` for several",
            )
        return str(self.predict(recordings).gestures[0])


def load(path: str | os.PathLike[str]) -> Predictor:
    """The predictor of a bundle, warmed up.

    Raises
    ------
    BundleError
        If there is no bundle, it is damaged, or a member of it fails.
    """
    keep_in_heap()
    predictor = Predictor(Bundle.open(path))
    use_large_pages()
    predictor.warm_up()
    return predictor


def _batches(lengths: Ints) -> Iterator[Ints]:
    """Numbers of the recordings of every batch: neighbours in length, and at most `MAX_PADDED_ROWS` with padding."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        # Sorted, so a batch is as long as its last recording.
        padded = lengths[order[start:]] * np.arange(1, len(order) - start + 1)
        stop = start + max(1, int(np.searchsorted(padded, MAX_PADDED_ROWS, side="right")))
        yield order[start:stop]
        start = stop


def _answer_next(waiting: Iterator[tuple[int, Member]], batch: Batch, asked: Bools) -> _Answers:
    return [(number, _answer_asked(member, batch, asked[number])) for number, member in waiting if asked[number].any()]


def _answer_asked(member: Member, batch: Batch, asked: Bools) -> Floats32:
    """(B, K) probabilities, 0 for recordings about which the member is not asked."""
    if asked.all():
        return member.answer(batch)
    inputs = {branch: values[asked] for branch, values in batch.inputs.items()}
    probabilities = np.zeros((len(asked), member.classes), dtype=np.float32)
    probabilities[asked] = member.answer(Batch(inputs, batch.lengths[asked]))
    return probabilities


def _collect(running: tuple[Ints, list[Future[_Answers]]], probabilities: Floats) -> None:
    """Write the mean of the members' answers into the rows of the batch's recordings."""
    index, workers = running
    probabilities[index] = _mean([answer for worker in workers for answer in worker.result()])


def _mean(answers: _Answers) -> Floats:
    """(B, K) mean of the answers of the members that were asked, scaled so that each row sums to 1."""
    # Always in the same order: sums of floats depend on it.
    ordered = sorted(answers, key=lambda answer: answer[0])
    summed = np.sum([answer for _, answer in ordered], axis=0, dtype=np.float64)
    mean: Floats = summed / summed.sum(axis=1, keepdims=True)
    return mean
