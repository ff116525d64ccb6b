"""What every network promises."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from bfrb.export.graphs import Member
from bfrb.networks.network import Network, Output, Shape, Standardise
from bfrb.networks.registry import build_network
from bfrb.networks.specs import NetworkSpec, find_spec
from bfrb.testing.made_up import expect

_CLASSES = 4
_LENGTHS = ([7, 3], [1], [23, 1, 11], [5, 5], [2, 19, 8, 1])


class NetworkContract:
    """Tests of a network, with all branches, and with those of the motion sensors only."""

    network: str
    """Its name, or where its class is imported from, as a spec says it."""
    sizes: ClassVar[Mapping[str, Any]] = {}
    """Values of its spec, small ones to be quick."""
    channels: ClassVar[Mapping[str, int]] = {}
    """Channels of its branches; 6 of each that is not named."""

    def _spec(self) -> NetworkSpec:
        return find_spec(self.network).parse(self.sizes)

    def _shapes(self) -> Iterator[Shape]:
        spec = self._spec()
        everything = {branch: self.channels.get(branch, 6) for branch in spec.BRANCHES}
        yield Shape(everything, _CLASSES)
        yield Shape({name: count * (name in spec.MOTION) for name, count in everything.items()}, _CLASSES - 1)

    def _built(self, shape: Shape, seed: int = 1) -> nn.Module:
        torch.manual_seed(seed)
        return build_network(self.network, shape, self._spec()).eval()

    def _cases(self) -> Iterator[tuple[Shape, Member, Tensor, dict[str, Tensor]]]:
        """Networks, and lengths and features of sequences with and without padding behind the longest."""
        for shape in self._shapes():
            member = Member(self._built(shape), _unscaled(shape)).eval()
            for number, lengths in enumerate(_LENGTHS):
                inputs = random_inputs(shape, lengths, max(lengths) + 4 * (number % 3))
                yield shape, member, torch.tensor(lengths), inputs

    def test_it_has_its_spec(self) -> None:
        """The class names the spec of its sizes, and its branches those of the motion sensors."""
        spec = self._spec()
        named = spec.MOTION and set(spec.MOTION) <= set(spec.BRANCHES)
        expect(named, "MOTION names no branch, or one that is not there")

    def test_logits_are_finite_and_one_per_class(self) -> None:
        """So are those of further heads; of each branch there may be one that tells whether it is there."""
        for shape, member, lengths, batch in self._cases():
            output: Output = member.network(batch, lengths)
            for logits in (output.logits, *output.heads.values()):
                expect(logits.shape == (len(lengths), shape.classes), f"expected a logit per class, got {logits.shape}")
                expect(bool(torch.isfinite(logits).all()), "logits are not finite")
            one_each = all(logits.shape == (len(lengths),) for logits in output.present.values())
            expect(one_each, "one number per sequence")

    def test_padding_never_changes_the_answer(self) -> None:
        """And a batch of one length is answered alike without lengths."""
        for _, member, lengths, batch in self._cases():
            together = member.answers(batch, lengths)
            for row, length in enumerate(lengths.tolist()):
                alone = {branch: values[row : row + 1, :length] for branch, values in batch.items()}
                padded, plain = member.answers(alone, lengths[row : row + 1]), member.answers(alone)
                expected = together["probabilities"][row]
                torch.testing.assert_close(padded["probabilities"][0], expected, atol=1e-5, rtol=1e-5)
                for name, values in plain.items():
                    torch.testing.assert_close(values, padded[name], atol=1e-5, rtol=1e-5)

    def test_any_branch_may_be_missing(self) -> None:
        """A branch of zeros is one of which nothing is known; each that is there changes the answer."""
        shape = next(self._shapes())
        network, lengths = self._built(shape), torch.tensor([7, 3])
        batch = random_inputs(shape, [7, 3], 7)
        complete = network(batch, lengths).logits
        for missing in self._spec().BRANCHES:
            logits = network({**batch, missing: torch.zeros_like(batch[missing])}, lengths).logits
            expect(bool(torch.isfinite(logits).all()), f"without {missing} the answer is not finite")
            expect(not torch.allclose(logits, complete), f"{missing} changes nothing")
        nothing = network({branch: torch.zeros_like(values) for branch, values in batch.items()}, lengths)
        expect(bool(torch.isfinite(nothing.logits).all()), "with nothing known the answer is not finite")

    def test_every_weight_learns(self) -> None:
        """A gradient reaches every parameter (from one start or another), and of a recurrence one of its two biases."""
        for shape in self._shapes():
            silent = set.intersection(*(self._silent(shape, seed) for seed in range(3)))
            expect(not silent, f"no gradient reaches {', '.join(sorted(silent))}")

    def _silent(self, shape: Shape, seed: int) -> set[str]:
        """Names of the parameters that a batch teaches nothing."""
        network, lengths = self._built(shape, seed).train(), [9, 4, 6, 9]
        batch = random_inputs(shape, lengths, 9)
        for values in batch.values():
            values[0] = 0.0  # of one sequence nothing is known
        output: Output = network(batch, torch.tensor(lengths))
        told = (output.logits, *output.present.values(), *output.heads.values())
        torch.stack([logits.square().sum() for logits in told]).sum().backward()  # type: ignore[no-untyped-call]
        silent = {name for name, one in network.named_parameters() if one.grad is None or not one.grad.abs().sum()}
        return {name for name in silent if not name.endswith("bias_hh_l0")}

    def test_it_tells_which_weights_decay(self) -> None:
        """Some of its own, and no bias."""
        network = self._built(next(self._shapes()))
        expect(isinstance(network, Network), "it lacks the method decayed")
        names = {id(parameter): name for name, parameter in network.named_parameters()}
        decayed = [names.get(id(parameter), "a weight of another network") for parameter in network.decayed()]  # type: ignore[operator]
        expect(decayed and set(decayed) <= set(names.values()), f"decayed names {', '.join(decayed) or 'nothing'}")
        expect(not [name for name in decayed if name.endswith("bias")], "biases decay")


def _unscaled(shape: Shape) -> dict[str, Standardise]:
    """Standardisers that leave features as they are."""
    return {name: Standardise(torch.zeros(count), torch.ones(count)) for name, count in shape.channels.items()}


def random_inputs(shape: Shape, lengths: list[int], steps: int) -> dict[str, Tensor]:
    """For every branch (B, T, C) random features, 0 after a sequence's end."""
    rng = np.random.default_rng(2)
    rows = np.arange(steps)[None, :, None] < np.array(lengths)[:, None, None]
    return {
        branch: torch.from_numpy((rng.normal(size=(len(lengths), steps, channels)) * rows).astype(np.float32))
        for branch, channels in shape.channels.items()
    }
