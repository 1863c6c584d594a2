"""The contract test of fusion methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mmcli.fusion import FitsRows, LearnsToCombine, WeighsModalities
from mmcli.models.abilities import Embeds, takes_sequences
from mmcli.registry import FUSIONS, Spec, parse_spec
from mmcli.testing.fusion_sequences import check_sequences

_WIDTHS = {"audio": 3, "image": 8, "image_hog": 5, "table": 1, "text": 6}
_EQUAL = 4
Rows = tuple[dict[str, Tensor], dict[str, Tensor]]


def check_fusion(text: str | Spec) -> None:
    """Check that a fusion method keeps the contract of ``mmcli.fusion.Fusion``.

    For one to five modalities its result is (B, out_dim) and finite; the order of modalities does not matter; values of
    absent modalities, NaN and infinity included, affect neither the result nor a gradient; a row without any modality
    does not depend on other rows, and gives zeros unless the method is learnt; a static method's rows are bit-identical
    in any batch; the abilities its class declares work, and sequences do if it takes them, see ``check_sequences``.

    Args:
        text: Its name and options, as in ``--method``.

    Raises:
        AssertionError: It violates the contract.
    """
    spec = parse_spec(text) if isinstance(text, str) else text
    for count in (1, 2, 3, 5):
        for rows in (1, 9):
            in_dims = dims(spec, count)
            fusion = build(spec, in_dims)
            fused = fusion(*sample(in_dims, rows))
            assert fused.shape == (rows, fusion.out_dim), f"{tuple(fused.shape)}, expected {(rows, fusion.out_dim)}"
            assert fused.isfinite().all(), "a value is not finite"
    _check_order(spec)
    for rubbish in (float("nan"), float("inf"), 1e30):
        _check_absent(spec, rubbish)
    _check_nothing(spec)
    _check_abilities(spec)
    if FUSIONS.constant(spec.name, "kind") == "static":
        _check_batches(spec)
    if FUSIONS.constant(spec.name, "sequences", False):
        for count in (2, 5):
            check_sequences(build(spec, dims(spec, count)), dims(spec, count))


def dims(spec: Spec, count: int) -> dict[str, int]:
    """Return the widths of some modalities, equal if the method needs that."""
    equal = FUSIONS.constant(spec.name, "equal_widths", False) or FUSIONS.constant(spec.name, "kind") == "late"
    return {name: _EQUAL if equal else _WIDTHS[name] for name in list(_WIDTHS)[:count]}


def build(spec: Spec, in_dims: Mapping[str, int], seed: int = 0) -> Any:
    """Return a method with randomised parameters, fitted if it is a fitted method."""
    torch.manual_seed(seed)
    fusion = FUSIONS.build(spec, in_dims=dict(in_dims))
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter += 0.1 * torch.randn(parameter.shape)
    if FUSIONS.constant(spec.name, "fitted"):
        fusion.fit(lambda: [train_rows(in_dims, 40, seed), train_rows(in_dims, 30, seed + 100)])
    return fusion.eval()


def train_rows(in_dims: Mapping[str, int], rows: int, seed: int) -> Rows:
    """Return rows that do not depend on the order of modalities."""
    features, present = sample(dict(sorted(in_dims.items())), rows, seed)
    return {name: features[name] for name in in_dims}, {name: present[name] for name in in_dims}


def sample(in_dims: Mapping[str, int], rows: int, seed: int = 0, share: float = 0.5) -> Rows:
    """Return features and presence of rows, with this share present, and none in the first row."""
    generator = torch.Generator().manual_seed(seed)
    features = {name: torch.randn(rows, width, generator=generator) for name, width in in_dims.items()}
    present = {name: torch.rand(rows, generator=generator) < share for name in in_dims}
    if share < 1:
        for name in in_dims:
            present[name][0] = False
    return features, present


def _check_order(spec: Spec) -> None:
    in_dims = dims(spec, 5)
    features, present = sample(in_dims, 7)
    backwards = {name: in_dims[name] for name in reversed(in_dims)}
    expected = build(spec, in_dims)(features, present)
    found = build(spec, backwards)(
        {name: features[name] for name in backwards}, {name: present[name] for name in backwards}
    )
    assert torch.equal(expected, found), "the result depends on the order of modalities"


def _check_absent(spec: Spec, rubbish: float) -> None:
    in_dims = dims(spec, 3)
    features, present = sample(in_dims, 16)
    spoilt = {name: value.clone() for name, value in features.items()}
    for name, value in spoilt.items():
        value[~present[name]] = rubbish
    fusion = build(spec, in_dims)
    results = []
    for values in (features, spoilt):
        fusion.zero_grad()
        inputs = {name: value.clone().requires_grad_() for name, value in values.items()}
        fused = fusion(inputs, present)
        if fused.requires_grad:
            fused.square().sum().backward()
        gradients = [parameter.grad.clone() for parameter in fusion.parameters()]
        gradients += [value.grad for value in inputs.values() if value.grad is not None]
        results.append([fused.detach(), *gradients])
    for clean, dirty in zip(*results, strict=True):
        assert clean.isfinite().all(), "a result or gradient is not finite"
        assert torch.equal(clean, dirty), f"{rubbish} in an absent modality affects the result or a gradient"


def _check_nothing(spec: Spec) -> None:
    in_dims = dims(spec, 3)
    fusion = build(spec, in_dims)
    features, present = sample(in_dims, 6)
    alone = fusion({n: v[:1] for n, v in features.items()}, {n: p[:1] for n, p in present.items()})
    assert torch.allclose(fusion(features, present)[:1], alone, rtol=1.3e-6, atol=1e-5), (
        "a row without any modality depends on other rows"
    )
    if FUSIONS.constant(spec.name, "kind") != "learnt":
        assert torch.equal(alone, torch.zeros_like(alone)), "a row without any modality is not zeros"


def _check_abilities(spec: Spec) -> None:
    in_dims = dims(spec, 3)
    features, present = sample(in_dims, 6)
    fusion = build(spec, in_dims)
    out_dim = int(fusion.out_dim)
    absent = ~torch.stack([present[name] for name in sorted(present)], dim=1)
    steps = bool(FUSIONS.constant(spec.name, "sequences", False))
    assert takes_sequences(fusion) == steps, "sequences is not a constant of its class"
    fitted = bool(FUSIONS.constant(spec.name, "fitted", False))
    assert isinstance(fusion, FitsRows) == fitted, "fitted = True requires a method fit, and vice versa"
    if FUSIONS.constant(spec.name, "kind") == "late" and list(fusion.parameters()):
        assert isinstance(fusion, LearnsToCombine), "it has parameters, but neither penalty nor least_dropped"
        assert fusion.penalty().shape == ()
        assert 0 <= fusion.least_dropped <= 1, "least_dropped is not a probability"
    if isinstance(fusion, WeighsModalities):
        weights = fusion.modality_weights(features, present)
        assert weights.shape == absent.shape, f"weights {tuple(weights.shape)}, expected {tuple(absent.shape)}"
        assert not weights[absent].any(), "an absent modality has a weight"
    if isinstance(fusion, Embeds):
        places = fusion.embed(features, present)
        assert places.shape == (*absent.shape, out_dim), f"embed returns {tuple(places.shape)}"
        assert not places[absent].any(), "an absent modality has an embedding"


def _check_batches(spec: Spec) -> None:
    in_dims = {"audio": 33, "image": 700, "text": 129}
    if FUSIONS.constant(spec.name, "equal_widths", False):
        in_dims = dict.fromkeys(in_dims, 129)
    fusion = build(spec, in_dims)
    features, present = sample(in_dims, 75, share=0.8)
    whole = fusion(features, present)
    for rows in ([74], [3, 50], list(range(40, 75))):
        part = fusion({n: v[rows] for n, v in features.items()}, {n: p[rows] for n, p in present.items()})
        assert torch.equal(part, whole[rows]), "a row depends on other rows of the batch"
