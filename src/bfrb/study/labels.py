"""What can be recognised: label sets, and the vocabularies of the studies that come with this package."""

import logging
from collections.abc import Collection, Iterable
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, field_serializer, model_validator

from bfrb.arrays import Bools, Floats, Ints, Names
from bfrb.errors import ConfigError, DataError
from bfrb.spec import Spec
from bfrb.study.description import Description, find_description

log = logging.getLogger(__name__)


class LabelSet(Spec):
    """The classes a network tells apart, and which of them are looked for; it travels in stores, runs and bundles."""

    name: str
    """Name under which the set is registered and stored in a bundle."""
    classes: tuple[str, ...]
    """All classes, in the order of the network's outputs."""
    targets: frozenset[str]
    """The classes that are body-focused repetitive behaviours. Every other class is a *non-target*."""

    def __init__(self, name: str, classes: Collection[str], targets: Collection[str]) -> None:
        BaseModel.__init__(self, name=name, classes=classes, targets=targets)

    @model_validator(mode="after")
    def _check_classes(self) -> Self:
        if len(set(self.classes)) != len(self.classes):
            problem = f"label set {self.name!r} names a class twice: {self.classes}"
            raise ConfigError(problem, remedy="list every class once")
        if strange := sorted(self.targets - set(self.classes)):
            problem = f"label set {self.name!r} has targets that are no classes: {strange}"
            raise ConfigError(problem, remedy="choose the targets among the classes")
        return self

    @field_serializer("targets")
    def _in_order(self, targets: frozenset[str]) -> list[str]:
        return [name for name in self.classes if name in targets]

    def __len__(self) -> int:
        return len(self.classes)

    @cached_property
    def is_target(self) -> Bools:
        """(K,) Whether each class is a target."""
        return np.array([name in self.targets for name in self.classes])

    @cached_property
    def _index(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.classes)}

    def choose(self, probabilities: Floats, target_threshold: float | None = None) -> Ints:
        """(R,) the classes that (R, K) probabilities answer with: the most probable ones.

        With a threshold, the most probable target where all targets together are as probable as that, and elsewhere
        the most probable of the others.
        """
        if target_threshold is not None:
            found = probabilities[:, self.is_target].sum(axis=1) >= target_threshold
            probabilities = np.where(found[:, None] == self.is_target, probabilities, -1.0)
        chosen: Ints = probabilities.argmax(axis=1)
        return chosen

    def encode(self, labels: npt.ArrayLike) -> Ints:
        """(R,) class numbers of (R,) class names; a `DataError` if one is missing or is no class of this set."""
        names = np.asarray(labels, dtype=object)
        unknown = {name for name in names.tolist() if name not in self._index}
        if unknown:
            shown = ", ".join(sorted(map(repr, unknown))[:3])
            problem = f"expected labels among the {len(self)} classes of {self.name!r}, found {shown}"
            raise DataError(problem, remedy=f"correct or remove these rows; the classes are: {', '.join(self.classes)}")
        return np.fromiter((self._index[name] for name in names.tolist()), np.int64, len(names))

    def decode(self, indices: npt.ArrayLike) -> Names:
        """(R,) class names (plain `str`) of (R,) class numbers."""
        return np.array(self.classes, dtype=object)[np.asarray(indices, dtype=np.int64)]


def label_set_of(description: Description, found: Iterable[str] = ()) -> LabelSet:
    """The label set of a study: the classes of its description, or else those that were found in its files.

    Raises `ConfigError` if a target is none of them, and labels are no files that are still being made.
    """
    spec = description.labels
    classes = spec.classes or tuple(sorted(set(found), key=lambda name: (name != "none", name)))
    if not spec.targets:
        log.warning("%s names no targets: every class but none is taken for one", description.name)
    targets = spec.targets or tuple(name for name in classes if name != "none")
    strange = sorted(set(targets) - set(classes))
    if strange and spec.files:
        log.warning("%s: nothing is labelled %r yet", description.name, ", ".join(strange))
    elif strange:
        problem = f"{description.name} looks for {strange[0]!r}, which is no class"
        raise ConfigError(problem, remedy=f"choose the targets among {', '.join(classes)}")
    return LabelSet(description.name, classes, frozenset(targets) & set(classes))


CMI = find_description("cmi")
"""How the CMI study is read."""

CMI_GESTURES = label_set_of(CMI)
"""The gestures of the CMI study: `studies/cmi.toml`."""

TARGET_GESTURES = tuple(name for name in CMI_GESTURES.classes if name in CMI_GESTURES.targets)
"""The eight body-focused repetitive behaviours of the CMI study."""

ORIENTATIONS, BEHAVIORS, PHASES = (CMI.columns[name].classes for name in ("orientation", "behavior", "phase"))
"""Body postures of the CMI study; what the hand does, row by row; and the coarse form of it."""

SEARLE_BEHAVIORS = label_set_of(find_description("searle2021"))
"""Behaviours labelled by Searle et al. 2021 (arXiv 2106.10970), and `none` for the rest of the time."""

DAY_GESTURES = LabelSet("cmi_day", ("none", *CMI_GESTURES.classes), CMI_GESTURES.targets)
"""The gestures of the CMI study in continuous recordings, and `none` for the rest of the day."""

LABEL_SETS = {label_set.name: label_set for label_set in (CMI_GESTURES, SEARLE_BEHAVIORS, DAY_GESTURES)}


def registered_label_set(found: Collection[str | None]) -> LabelSet | None:
    """The first registered label set that has all the classes; None if none has.

    >>> registered_label_set({"Wave hello"}).name
    'cmi'
    """
    return next((label_set for label_set in LABEL_SETS.values() if set(found) <= set(label_set.classes)), None)
