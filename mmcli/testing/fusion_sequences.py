"""The part of the contract of fusion methods for those that take sequences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from mmcli.fusion import Feature, WeighsModalities

Features = dict[str, Feature]
_ROWS = 9
_LENGTHS = (6, 50)


def check_sequences(fusion: Any, in_dims: Mapping[str, int]) -> None:
    """Check a method that takes sequences; every second modality is one, the others are vectors.

    The order of modalities does not matter; padding, NaN and infinity included, affects neither the result nor a
    gradient; a row depends neither on its padding nor on other rows; a vector is a sequence of one step; a sequence
    without steps is absent.

    Args:
        fusion: The method, for ``in_dims``.
        in_dims: The widths of at least two modalities, in sorted order of their names.

    Raises:
        AssertionError: It violates the contract.
    """
    features, present = sample_sequences(in_dims, _ROWS)
    fused = fusion(features, present)
    assert fused.shape == (_ROWS, fusion.out_dim), f"{tuple(fused.shape)}, expected {(_ROWS, fusion.out_dim)}"
    backwards = fusion(dict(reversed(features.items())), dict(reversed(present.items())))
    assert torch.equal(backwards, fused), "the result depends on the order of modalities"
    for steps in _LENGTHS:
        for rubbish in (float("nan"), float("inf"), 1e30):
            _check_padding(fusion, in_dims, steps, rubbish)
        _check_rows(fusion, in_dims, steps)
    _check_one_step(fusion, in_dims)
    for room in (0, 6):
        _check_empty(fusion, in_dims, room)


def sample_sequences(
    in_dims: Mapping[str, int], rows: int, steps: int = 6, share: float = 0.5
) -> tuple[Features, dict[str, Tensor]]:
    """Return features and presence of rows, with this share present.

    Every second modality, from the first, is a sequence of 1 to ``steps`` steps.
    """
    generator = torch.Generator().manual_seed(1)
    features: Features = {}
    present = {}
    for index, (name, width) in enumerate(in_dims.items()):
        features[name] = torch.randn(rows, width, generator=generator)
        if index % 2 == 0:
            lengths = torch.randint(1, steps + 1, (rows,), generator=generator)
            features[name] = (torch.randn(rows, steps, width, generator=generator), lengths)
        present[name] = torch.rand(rows, generator=generator) < share
    return features, present


def _close(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found, expected, rtol=1.3e-6, atol=1e-5)


def _check_padding(fusion: Any, in_dims: Mapping[str, int], steps: int, rubbish: float) -> None:
    features, present = sample_sequences(in_dims, 16, steps)
    results = []
    for filling in (0.0, rubbish):
        fusion.zero_grad()
        inputs = _fill_outside(features, present, filling)
        fused = fusion(inputs, present)
        fused.square().sum().backward()
        leaves = [feature[0] if isinstance(feature, tuple) else feature for feature in inputs.values()]
        gradients = [each.grad.clone() for each in (*fusion.parameters(), *leaves) if each.grad is not None]
        results.append([fused.detach(), *gradients])
    for clean, dirty in zip(*results, strict=True):
        assert clean.isfinite().all(), "a result or gradient is not finite"
        assert torch.equal(clean, dirty), f"{rubbish} in padding or an absent modality affects the result or a gradient"


def _fill_outside(features: Features, present: Mapping[str, Tensor], filling: float) -> Features:
    """Return features that take gradients, with ``filling`` in padding and absent modalities."""
    filled: Features = {}
    for name, feature in features.items():
        values = feature[0] if isinstance(feature, tuple) else feature.unsqueeze(1)
        lengths = feature[1] if isinstance(feature, tuple) else torch.ones(len(values), dtype=torch.int64)
        outside = torch.arange(values.shape[1]) >= (lengths * present[name]).unsqueeze(1)
        values = values.masked_fill(outside.unsqueeze(2), filling)
        if isinstance(feature, tuple):
            filled[name] = (values.requires_grad_(), lengths)
        else:
            filled[name] = values.squeeze(1).requires_grad_()
    return filled


def _check_rows(fusion: Any, in_dims: Mapping[str, int], steps: int) -> None:
    features, present = sample_sequences(in_dims, 12, steps)
    together = fusion(features, present)
    for row in range(12):
        alone: Features = {}
        for name, feature in features.items():
            if isinstance(feature, tuple):
                alone[name] = (feature[0][[row], : int(feature[1][row])], feature[1][[row]])
            else:
                alone[name] = feature[[row]]
        found = fusion(alone, {name: there[[row]] for name, there in present.items()})
        assert _close(found[0], together[row]), "a row depends on its padding or on other rows"


def _check_one_step(fusion: Any, in_dims: Mapping[str, int]) -> None:
    features, present = sample_sequences(in_dims, 12, steps=1)
    as_vectors = {name: each[0].squeeze(1) if isinstance(each, tuple) else each for name, each in features.items()}
    expected = fusion(as_vectors, present)
    assert torch.equal(fusion(features, present), expected), "a sequence of one step differs from its vector"


def _check_empty(fusion: Any, in_dims: Mapping[str, int], room: int) -> None:
    features, present = sample_sequences(in_dims, _ROWS)
    first, width = next(iter(in_dims.items()))
    nothing = torch.full((_ROWS, room, width), float("nan"), requires_grad=True)
    empty = {**features, first: (nothing, torch.zeros(_ROWS, dtype=torch.int64))}
    there = {**present, first: torch.ones(_ROWS, dtype=torch.bool)}
    fusion.zero_grad()
    fused = fusion(empty, there)
    absent = fusion(features, {**present, first: torch.zeros(_ROWS, dtype=torch.bool)})
    assert _close(fused, absent), "a sequence without steps differs from an absent modality"
    fused.square().sum().backward()
    finite = all(each.grad.isfinite().all() for each in fusion.parameters() if each.grad is not None)
    assert finite, "a sequence without steps gives a gradient that is not finite"
    if isinstance(fusion, WeighsModalities):
        assert not fusion.modality_weights(empty, there)[:, 0].any(), "a sequence without steps has a weight"
