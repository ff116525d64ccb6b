"""Begin from the weights of another bundle: pre-train on one study, go on with another."""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

from bfrb.errors import ConfigError
from bfrb.networks.registry import Shape, build_network
from bfrb.networks.specs import NetworkSpec, short_name
from bfrb.predict.bundle import CHECKSUMS, FOLDS, Bundle
from bfrb.spec import Spec
from bfrb.study.folds import Folds
from bfrb.study.recordings import Recordings

logger = logging.getLogger(__name__)

_PREFIX = "network."


class InitialSpec(Spec):
    """Which bundle a run begins from.

    Parameters
    ----------
    bundle
        Its name.
    checksum
        Hash of its contents.
    simulated
        Whether anything it was trained on came from a simulator.
    classes
        What it told apart: the last layers of another label set are drawn anew.
    """

    bundle: str
    checksum: str
    simulated: bool
    classes: tuple[str, ...]


@dataclass(frozen=True)
class Initial:
    """The bundle that a run begins from, and where its weights lie."""

    spec: InitialSpec
    weights: Mapping[str, Path]

    def copy_to(self, folder: Path) -> None:
        """Keep the weights, so that the run can go on when the bundle has gone."""
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name, path in self.weights.items():
            shutil.copyfile(path, folder / f"{name}.safetensors")


def read_initial(path: Path, recordings: Recordings, folds: Folds, networks: tuple[str, ...]) -> Initial:
    """What a run on these recordings needs of a bundle.

    Raises
    ------
    BundleError
        If there is no bundle, or it is damaged.
    ConfigError
        If it has no weights for one of the networks, or knows subjects that are held out here.
    """
    bundle = Bundle.open(path)
    members = bundle.manifest.members
    weights = {member.name: bundle.file(f"members/{member.name}.safetensors") for member in members}
    weights = {name: file for name, file in weights.items() if file.is_file()}
    for network in networks:
        if not [member for member in members if member.network == network and member.name in weights]:
            raise ConfigError(
                f"the bundle {path} has no weights of {network!r}",
                remedy=f"begin from a bundle with that network, or train {', '.join({m.network for m in members})}",
            )
    _check_subjects(bundle, recordings, folds)
    checksum = hashlib.sha256(bundle.file(CHECKSUMS).read_bytes()).hexdigest()[:32]
    spec = InitialSpec(
        bundle=bundle.path.name,
        checksum=checksum,
        simulated=bundle.manifest.simulated,
        classes=bundle.label_set.classes,
    )
    return Initial(spec, weights)


def _check_subjects(bundle: Bundle, recordings: Recordings, folds: Folds) -> None:
    """No network may begin from one that has seen the subjects it is judged on."""
    before = Folds.read(bundle.file(FOLDS)).fold_of
    shared = sorted(set(before) & set(recordings.subjects.tolist()))
    if shared and before != folds.fold_of:
        raise ConfigError(
            f"the bundle {bundle.path} was trained on {len(shared)} of these subjects, such as {shared[0]}, and on "
            "other folds: a network would be judged on people it has seen",
            remedy="train on other people, or on the bundle's own folds.csv",
        )


def choose_weights(folder: Path, name: str, network: str) -> Path:
    """The weights that a member begins with: of the member of that name, else of the first one of that network."""
    own = folder / f"{name}.safetensors"
    return own if own.exists() else min(folder.glob(f"{short_name(network)}-*.safetensors"))


def load_initial(network: nn.Module, path: Path, changed: frozenset[str]) -> int:
    """Give a network the weights of a file that fit it by name and shape; how many did.

    Parameters
    ----------
    changed
        Names of the weights that are left as they were drawn.

    Raises
    ------
    ConfigError
        If none fits.
    """
    before = {
        name.removeprefix(_PREFIX): values for name, values in load_file(path).items() if name.startswith(_PREFIX)
    }
    own = network.state_dict()
    fitting: dict[str, Tensor] = {
        name: before[name]
        for name, values in own.items()
        if name in before and name not in changed and before[name].shape == values.shape
    }
    if not fitting:
        raise ConfigError(f"no weights in {path} fit the network", remedy="begin from a bundle with the same spec")
    network.load_state_dict({**own, **fitting})
    logger.info("%d of %d weights come from %s", len(fitting), len(own), path.name)
    return len(fitting)


def class_weights_of(network: str, shape: Shape, spec: NetworkSpec) -> frozenset[str]:
    """Names of the weights whose shape depends on the number of classes."""
    one, other = (
        build_network(network, replace(shape, classes=shape.classes + more), spec).state_dict() for more in (0, 1)
    )
    return frozenset(name for name, values in one.items() if values.shape != other[name].shape)
