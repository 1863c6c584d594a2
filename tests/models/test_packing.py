"""Convolutions packed for the CPU."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mmcli.models.packing import PackedConvolution, pack_convolutions
from mmcli.registry import ENCODERS, Spec
from mmcli.store.columns import FieldSpec, ModalitySpec


class Shared(nn.Module):
    """A ReLU called twice, one whose convolution goes two ways, and padding that is packed by no kernel."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, stride=2, bias=False)
        self.mirrored = nn.Conv2d(8, 8, 3, padding=1, padding_mode="reflect")
        self.relu = nn.ReLU(inplace=True)

    def forward(self, values: Tensor) -> Tensor:
        one = self.relu(self.first(values))
        two = self.second(one)
        return self.mirrored(self.relu(two) + two.sum())


def images(shape: tuple[int, ...], precision: torch.dtype) -> Tensor:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    return values.to(precision).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("precision", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_a_packed_network_gives_the_same_at_any_size(precision: torch.dtype, tolerance: float) -> None:
    torch.manual_seed(0)
    network = Shared().eval().to(dtype=precision, memory_format=torch.channels_last)
    packed = pack_convolutions(network, images((4, 3, 16, 16), precision))
    assert [type(module) for module in packed.children()].count(PackedConvolution) == 2
    with torch.inference_mode():
        for shape in ((4, 3, 16, 16), (1, 3, 16, 16), (5, 3, 23, 9)):
            expected = network(images(shape, precision))
            scale = float(expected.abs().max())
            torch.testing.assert_close(packed(images(shape, precision)), expected, rtol=0, atol=tolerance * scale)


def test_other_precisions_are_left_as_they_are() -> None:
    network = Shared().eval().double()
    assert pack_convolutions(network, torch.empty(4, 3, 16, 16, dtype=torch.float64)) is network


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "efficientnet_b0", "vgg16"])
def test_an_encoder_gives_the_same_when_it_is_folded_and_then_packed(name: str) -> None:
    form = FieldSpec("dense", "uint8", (3, 64, 64), "CHW")
    inputs = ModalitySpec("image", "photo", None, "0" * 64, {"": form})
    encoder = ENCODERS.build(Spec(name, None, {"weights": "none"}), inputs=inputs, seed=0).eval()
    pixels = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        encoder.fold()
        expected = encoder(pixels)
        encoder.pack(2)
        assert any(isinstance(module, PackedConvolution) for module in encoder.modules())
        torch.testing.assert_close(encoder(pixels), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
