"""Begin from the weights of another bundle: pre-train on one study, go on with another."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

from bfrb.errors import ConfigError
from bfrb.networks.specs import short_name
from bfrb.predict.bundle import CHECKSUMS, FOLDS, Bundle
from bfrb.spec import Spec
from bfrb.study.folds import Folds
from bfrb.study.recordings import Recordings

logger = logging.getLogger(__name__)

_PREFIX = "network."


class InitialSpec(Spec):
    """Which bundle a run begins from."""

    bundle: str
    """Its name."""
    checksum: str
    """Hash of its contents."""
    simulated: bool
    """Whether anything it was trained on came from a simulator."""
    classes: tuple[str, ...]
    """What it told apart: the last layers of another label set are drawn anew."""


def read_initial(path: Path, recordings: Recordings, folds: Folds, networks: tuple[str, ...]) -> InitialSpec:
    """What a run on these recordings needs to know of a bundle.

    Raises
    ------
    BundleError
        If there is no bundle, or it is damaged.
    ConfigError
        If it has no weights for one of the networks, or knows subjects that are held out here.
    """
    bundle = Bundle.open(path)
    known = {
        member.network
        for member in bundle.manifest.members
        if bundle.file(f"members/{member.name}.safetensors").is_file()
    }
    for network in networks:
        if network not in known:
            raise ConfigError(
                f"the bundle {path} has no weights of {network!r}",
                remedy=f"begin from a bundle with that network; this one has {', '.join(sorted(known)) or 'none'}",
            )
    before = Folds.read(bundle.file(FOLDS)).fold_of
    shared = sorted(set(before) & set(recordings.subjects.tolist()))
    if shared and before != folds.fold_of:
        raise ConfigError(
            f"the bundle {bundle.path} was trained on {len(shared)} of these subjects, such as {shared[0]}, and on "
            "other folds: a network would be judged on people it has seen",
            remedy="train on other people, or on the bundle's own folds.csv",
        )
    return InitialSpec(
        bundle=bundle.path.name,
        checksum=hashlib.sha256(bundle.file(CHECKSUMS).read_bytes()).hexdigest()[:32],
        simulated=bundle.manifest.simulated,
        classes=bundle.label_set.classes,
    )


def choose_weights(folder: Path, name: str, network: str) -> Path:
    """The weights that a member begins with: of the member of that name, else of the first one of that network."""
    own = folder / f"{name}.safetensors"
    return own if own.exists() else min(folder.glob(f"{short_name(network)}-*.safetensors"))


def load_initial(network: nn.Module, path: Path, wider: Mapping[str, Tensor]) -> int:
    """Give a network the weights of a file that fit it by name and shape; how many did.

    Parameters
    ----------
    wider
        Weights of the same network for more classes: those that have another shape there are left as they were drawn.
        Without any, all are taken.

    Raises
    ------
    ConfigError
        If none fits.
    """
    before = {name.removeprefix(_PREFIX): values for name, values in load_file(path).items()}
    own = network.state_dict()
    fitting = {
        name: before[name]
        for name, values in own.items()
        if name in before and before[name].shape == values.shape == wider.get(name, values).shape
    }
    if not fitting:
        raise ConfigError(f"no weights in {path} fit the network", remedy="begin from a bundle with the same spec")
    network.load_state_dict({**own, **fitting})
    logger.info("%d of %d weights come from %s", len(fitting), len(own), path.name)
    return len(fitting)
