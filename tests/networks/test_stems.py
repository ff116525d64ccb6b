"""The network with a stem for every group of sensors: what it does where sensors are missing."""

import pytest
import torch

from bfrb.errors import ConfigError
from bfrb.networks.registry import Inputs, Shape, build_network
from bfrb.networks.specs import StemsSpec
from bfrb.networks.stems import ChannelStem, ImageStem, PhasePooling

SHAPE = Shape({"acc": 4, "rotation": 6, "thm": 6, "tof": 3 * 64}, 5)
SPEC = StemsSpec(motion_width=8, thm_width=4, tof_width=8, trunk_widths=(8, 16))
LENGTHS = torch.tensor([30, 21, 30])


def network(seed: int = 0, shape: Shape = SHAPE) -> torch.nn.Module:
    torch.manual_seed(seed)
    return build_network("stems", shape, SPEC).eval()


def readings(seed: int = 1) -> dict[str, torch.Tensor]:
    rows = (torch.arange(30)[None, :] < LENGTHS[:, None])[:, :, None]
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(3, 30, count, generator=generator) * rows for name, count in SHAPE.channels.items()}


def without(inputs: Inputs, *branches: str) -> dict[str, torch.Tensor]:
    return {name: torch.zeros_like(values) if name in branches else values for name, values in inputs.items()}


def test_with_proximity_both_answers_are_blended() -> None:
    inputs = readings()
    output = network()(inputs, LENGTHS)
    assert not torch.allclose(output.logits, output.heads["motion"])
    full_only = network()
    full_only.motion_share = 0.0
    everything = full_only(inputs, LENGTHS).logits
    torch.testing.assert_close(output.logits, 0.25 * output.heads["motion"] + 0.75 * everything)


@pytest.mark.parametrize("kept", [("thm",), ("tof",)])
def test_one_kind_of_proximity_sensors_is_enough_for_the_full_answer(kept: tuple[str, ...]) -> None:
    dropped = {"thm", "tof"} - set(kept)
    output = network()(without(readings(), *dropped), LENGTHS)
    assert not torch.allclose(output.logits, output.heads["motion"])


def test_a_missing_image_leaves_what_is_seen_of_the_others_alone() -> None:
    torch.manual_seed(0)
    stem = ImageStem(3 * 64, (4, 8, 2, 8)).eval()
    images = readings()["tof"]
    dark = images.clone()
    dark[:, :, 64:128] = 0.0
    mask = torch.ones(3, 1, 30)
    seen: list[torch.Tensor] = []
    stem.mix.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    _, known = stem(dark, mask)
    stem(images, mask)
    assert known.all()
    missing, complete = seen
    assert (missing[:, 2:4] == 0).all()
    assert complete[:, 2:4].any()
    torch.testing.assert_close(missing[:, [0, 1, 4, 5]], complete[:, [0, 1, 4, 5]])


def test_what_is_missing_does_not_enter_the_statistics() -> None:
    torch.manual_seed(0)
    stems = [ChannelStem(2, (2, 3), 4).train() for _ in range(2)]
    rows, mask = 5.0 + torch.randn(8, 20, 2), torch.ones(8, 1, 20)
    half = rows.clone()
    half[4:, :, 0] = 0.0
    stems[0](half, mask)
    stems[1](rows[:4], mask[:4])
    assert stems[0].first_norm.running_mean[0] == stems[1].first_norm.running_mean[0]


def test_a_watch_has_stems_for_what_it_carries_only() -> None:
    watch = Shape({"acc": 5, "rotation": 4, "thm": 0, "tof": 0}, 9)
    built = network(shape=watch)
    assert set(built.motion) == {"acc", "rotation"}
    assert not [name for name, _ in built.named_parameters() if "together" in name or "nearby" in name]
    output = built({name: torch.randn(2, 50, count) for name, count in watch.channels.items()}, torch.tensor([50, 50]))
    assert output.logits.shape == (2, 9)
    assert not output.heads


def test_pixels_that_make_no_image_are_refused() -> None:
    with pytest.raises(ConfigError, match="tof_nearness"):
        network(shape=Shape({**SHAPE.channels, "tof": 25}, 5))


def test_the_two_phases_are_pooled_apart() -> None:
    torch.manual_seed(0)
    pooling = PhasePooling(3)
    torch.nn.init.zeros_(pooling.attention.weight)
    x, mask = torch.randn(1, 3, 8), torch.ones(1, 1, 8)
    mask[:, :, 7] = 0.0
    is_gesture = (torch.arange(8) >= 4).float()
    phases = 50.0 * torch.stack([1.0 - is_gesture, is_gesture])[None]
    pooled, weights = pooling(x, phases, mask)
    torch.testing.assert_close(pooled[0], torch.cat([x[0, :, :4].mean(dim=1), x[0, :, 4:7].mean(dim=1)]))
    torch.testing.assert_close(weights[0], torch.tensor([1 / 8] * 4 + [1 / 6] * 3 + [0.0]))
