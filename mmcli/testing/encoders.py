"""The contract test of encoders, frozen and trained."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from mmcli.chain.frozen import FrozenEncoder
from mmcli.registry import Spec, parse_spec
from mmcli.runtime import Runtime
from mmcli.store.columns import Column, ModalitySpec
from mmcli.testing.inputs import sample_input

_UNTRAINED = ("mask", "logit")
"""Weights of other libraries' networks that only their own training objectives use."""


def check_encoder(
    kind: str, text: str | Spec, given: tuple[ModalitySpec, Column] | None = None, first: int = 0
) -> None:
    """Check that an encoder keeps the contract of ``mmcli.encoders.Encoder``.

    Frozen: its features have the declared form and are finite, and a row's features are bit-identical at any position.
    Built on device ``meta``, it has the same parameters; in training, each of them gets a gradient.

    Args:
        kind: Kind of the modality.
        text: Its name and options, as in ``--encoder``.
        given: A modality and at least five rows; by default ``sample_input``.
        first: The first row that is not empty.

    Raises:
        AssertionError: It violates the contract.
    """
    spec, column = given or sample_input(kind)
    encoder = FrozenEncoder(parse_spec(text) if isinstance(text, str) else text, spec, seed=3)
    _check_frozen(encoder, spec, column, first)
    _check_trained(encoder, spec, column, first)


def _check_frozen(encoder: FrozenEncoder, spec: ModalitySpec, column: Column, first: int) -> None:
    together = encoder.extract(spec, column, Runtime(batch_size=3))
    form = encoder.output(spec)
    assert len(form.axes) == len(form.dims) + (form.layout == "ragged"), f"output says {form.dims} with {form.axes!r}"
    for row in range(len(column)):
        item = together.item(row)
        shape = item.shape if form.layout == "dense" else item.shape[1:]
        assert shape == form.dims, f"output says {form.dims}, forward returns {shape}"
        assert item.dtype == np.float32, f"features are {item.dtype}"
        assert np.isfinite(item).all(), "a feature is not finite"
        assert form.layout == "dense" or not form.bound or len(item) <= form.bound, "more steps than output says"
    distinct = {together.item(row).tobytes() for row in range(first, len(column))}
    assert len(distinct) == len(column) - first, "features of different rows are equal"
    order = np.array([4, 0, 2])
    some = encoder.extract(spec, column.take(order), Runtime(batch_size=3))
    alone = encoder.extract(spec, column.take(order[:1]), Runtime(batch_size=3))
    for place, row in enumerate(order.tolist()):
        assert np.array_equal(some.item(place), together.item(row)), (
            "a row's features depend on other rows of the batch"
        )
    assert np.array_equal(alone.item(0), together.item(4)), "a row's features depend on other rows of the batch"


def _check_trained(encoder: FrozenEncoder, spec: ModalitySpec, column: Column, first: int) -> None:
    network: Any = encoder.network
    with torch.device("meta"):
        planned: Any = FrozenEncoder(encoder.spec, spec, seed=3).network
    shapes, found = ({name: value.shape for name, value in each.state_dict().items()} for each in (network, planned))
    assert shapes == found, "built on device meta, it has different parameters"
    rows = column.take(np.arange(first, len(column)))
    lengths = network.lengths(rows)
    network.train()
    try:
        features = network(*network.collate(rows, None if lengths is None else int(lengths.max())))
        values = features[0] if isinstance(features, tuple) else features
        weights = torch.linspace(-1, 1, values.numel()).view_as(values)
        (values.float() * weights).sum().backward()
        reached = {name for name, value in network.named_parameters() if value.grad is not None}
    finally:
        network.eval()
        network.zero_grad()
    trained = {name for name, value in network.named_parameters() if value.requires_grad}
    assert trained, "it has no trainable parameters"
    missed = {name for name in trained - reached if not any(word in name for word in _UNTRAINED)}
    assert not missed, f"no gradient reaches {', '.join(sorted(missed))}"
