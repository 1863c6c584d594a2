"""What no modality says alone: the label is the product of two signs, one in each modality."""

import pytest
import torch
from torch import nn

from mmcli.models.heads import MlpHead
from mmcli.models.network import Network
from mmcli.registry import FUSIONS, parse_spec


def rows(count, seed):
    generator = torch.Generator().manual_seed(seed)
    features = {name: torch.randn(count, 4, generator=generator) for name in ("a", "b")}
    signs = [value[:, 0].sign_() for value in features.values()]
    present = {name: torch.ones(count, dtype=torch.bool) for name in features}
    return features, present, (signs[0] == signs[1]).long()


def accuracy_on_new_rows(method):
    """Return the accuracy of a linear head over what a method makes, trained together."""
    torch.manual_seed(0)
    network = Network(
        {"a": 4, "b": 4},
        fusion=lambda in_dims: FUSIONS.build(parse_spec(method), in_dims=in_dims),
        head=lambda in_dim: MlpHead(in_dim, 2, hidden=()),
    )
    optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
    features, present, labels = rows(512, seed=1)
    for _ in range(150):
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(features, present), labels).backward()
        optimizer.step()
    features, present, labels = rows(512, seed=2)
    with torch.no_grad():
        found = network.eval()(features, present).argmax(dim=1)
    return float((found == labels).float().mean())


@pytest.mark.parametrize("method", ["concat", "weighted_sum"])
def test_a_sum_of_what_each_modality_says_stays_at_chance(method):
    assert accuracy_on_new_rows(method) < 0.6


@pytest.mark.parametrize(
    "method",
    [
        "bilinear:dim=16",
        "concat_mlp:hidden=32",
        "film:dim=16",
        "gated:dim=16",
        "low_rank:dim=16",
        "squeeze_excite:dim=32",
        "tensor:dim=4",
    ],
)
def test_methods_in_which_modalities_meet_learn_it(method):
    assert accuracy_on_new_rows(method) > 0.95
