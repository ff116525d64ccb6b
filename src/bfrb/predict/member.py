"""`Member`: one network of an ensemble, ready to answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

import numpy as np
import onnxruntime

from bfrb.arrays import Array, Floats, Floats32
from bfrb.errors import BundleError
from bfrb.features.sequences import Batch
from bfrb.predict.bundle import Bundle, MemberSpec

LENGTHS = "lengths"
"""The input of a graph with the number of rows of every recording."""


def unpadded_name(graph: str) -> str:
    """Where a bundle keeps the unpadded form of a member's graph.

    Examples
    --------
    >>> unpadded_name("members/two_branch-00.onnx")
    'members/two_branch-00.unpadded.onnx'
    """
    return str(PurePosixPath(graph).with_suffix(".unpadded.onnx"))


@dataclass(frozen=True, eq=False)
class Member:
    """One network of the ensemble, ready to answer.

    Parameters
    ----------
    name
        Its name in the bundle.
    session
        Its graph.
    needs
        The branches its graph takes in.
    classes
        The number of classes it has to tell apart.
    pads
        Whether its graph takes in lengths, so that the recordings of a batch may differ in them.
    """

    name: str
    session: onnxruntime.InferenceSession
    needs: tuple[str, ...]
    classes: int
    pads: bool

    def answer(self, batch: Batch) -> Floats32:
        """(B, K) probabilities.

        Raises
        ------
        BundleError
            If the graph fails, or gives something else than finite probabilities.
        """
        try:
            probabilities: Floats32 = self.session.run(["probabilities"], self._feed(batch))[0]
        except Exception as error:  # noqa: BLE001  onnxruntime's errors have no base class of their own
            raise self._unusable(f"its graph fails: {_first_line(error)}") from None
        if probabilities.shape != (len(batch.lengths), self.classes) or not np.isfinite(probabilities).all():
            raise self._unusable("its graph gives no finite probabilities of every class")
        return probabilities

    def gives(self, output: str) -> bool:
        """Whether its graph gives something under a name."""
        return any(given.name == output for given in self.session.get_outputs())

    def ask(self, output: str, batch: Batch) -> Floats:
        """What its graph gives under a name (`inference.bundle`)."""
        (found,) = self.session.run([output], self._feed(batch))
        return np.asarray(found, dtype=np.float64)

    def _feed(self, batch: Batch) -> dict[str, Array]:
        feed: dict[str, Array] = {branch: batch.inputs[branch] for branch in self.needs}
        return feed | {LENGTHS: batch.lengths} if self.pads else feed

    def _unusable(self, problem: str) -> BundleError:
        return BundleError(f"the member {self.name!r} cannot answer: {problem}", remedy="train the bundle anew")


def load_member(bundle: Bundle, spec: MemberSpec) -> Member:
    """A member of a bundle, from its unpadded graph if the bundle has it.

    Raises
    ------
    BundleError
        If its graph cannot be loaded or does not fit the bundle.
    """
    quick = bundle.file(unpadded_name(spec.graph))
    graph = quick if quick.is_file() else bundle.file(spec.graph)
    try:
        session = onnxruntime.InferenceSession(graph, session_options(), providers=["CPUExecutionProvider"])
    except Exception as error:  # noqa: BLE001  onnxruntime's errors have no base class of their own
        problem = f"the graph {spec.graph} of the bundle {bundle.path} cannot be loaded: {_first_line(error)}"
        raise BundleError(problem, remedy="install a later onnxruntime, or train the bundle anew") from None
    needs = tuple(given.name for given in session.get_inputs() if given.name != LENGTHS)
    pads = len(needs) < len(session.get_inputs())
    if not set(needs) <= set(bundle.manifest.branches) or not (pads or graph is quick):
        raise BundleError(
            f"expected the graph {spec.graph} to take lengths and {', '.join(bundle.manifest.branches)}, "
            f"got {', '.join(given.name for given in session.get_inputs())}",
            remedy="train the bundle anew",
        )
    return Member(spec.name, session, needs, len(bundle.label_set), pads)


def session_options() -> onnxruntime.SessionOptions:
    """How every member's session is run."""
    options = onnxruntime.SessionOptions()
    # The members run side by side, each in one thread: sessions with threads of their own fight for the cores.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # An arena in every session would keep the memory of the largest batch for good, and saves no time.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    return options


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
