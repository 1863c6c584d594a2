"""Batch norms folded into convolutions."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from mmcli.models.folding import fold_batch_norms


def _random_norms(network: nn.Module) -> nn.Module:
    """Give every batch norm statistics and scales as if it had been trained."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.weight.data, module.bias.data):
                tensor.copy_(torch.randn_like(tensor))
            module.running_var.copy_(torch.rand_like(module.running_var) + 0.5)
    return network.eval()


class Shared(nn.Module):
    """A convolution whose result goes two ways, one whose norm comes after a ReLU, and one called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.first_norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.second, self.second_norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.third, self.third_norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, values: Tensor) -> Tensor:
        one = self.first(values)
        two = self.second_norm(torch.relu(self.second(one + self.first_norm(one))))
        return self.third_norm(self.third(self.third(two)))


def _norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "efficientnet_b0"])
def test_a_folded_network_gives_the_same_and_has_no_batch_norm(name: str) -> None:
    import torchvision

    torch.manual_seed(0)
    network = _random_norms(getattr(torchvision.models, name)(weights=None)).double()
    images = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        expected = network(images)
        fold_batch_norms(network)
        assert _norms(network) == 0
        torch.testing.assert_close(network(images), expected, rtol=1e-8, atol=1e-8 * float(expected.abs().max()))


def test_where_something_else_takes_the_result_nothing_is_folded() -> None:
    torch.manual_seed(0)
    network = _random_norms(Shared())
    images = torch.rand(2, 3, 4, 4)
    with torch.no_grad():
        expected = network(images)
        fold_batch_norms(network)
        assert torch.equal(network(images), expected)
    assert _norms(network) == 3
