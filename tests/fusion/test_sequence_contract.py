"""What every registered fusion method must hold that takes sequences."""

import pytest
import torch

from mmcli.registry import FUSIONS, Spec

WIDTHS = {"audio": 3, "image": 8, "image_hog": 5, "table": 1, "text": 6}
METHODS = [name for name in FUSIONS.names() if FUSIONS.constant(name, "sequences")]

each_method = pytest.mark.parametrize("method", METHODS)
each_count = pytest.mark.parametrize("count", [1, 2, 3, 5])
each_length = pytest.mark.parametrize("steps", [6, 50])


def build(method, count, double=False):
    torch.manual_seed(0)
    fusion = FUSIONS.build(Spec(method, None, {"dim": "8"}), in_dims=dict(list(WIDTHS.items())[:count]))
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter += 0.1 * torch.randn(parameter.shape)
    return fusion.double().eval() if double else fusion.eval()


def sample(count, rows, steps=6, share=0.5):
    """Audio, image_hog and text as sequences of 1 to ``steps`` steps beside vectors, each absent in half the rows."""
    generator = torch.Generator().manual_seed(1)
    features, present = {}, {}
    for index, (name, width) in enumerate(list(WIDTHS.items())[:count]):
        features[name] = torch.randn(rows, width, generator=generator)
        if index % 2 == 0:
            lengths = torch.randint(1, steps + 1, (rows,), generator=generator)
            features[name] = (torch.randn(rows, steps, width, generator=generator), lengths)
        present[name] = torch.rand(rows, generator=generator) < share
    return features, present


def fill_outside(features, present, filling):
    """What is no step of its row, or absent, replaced by ``filling``; leaves that take gradients."""
    filled = {}
    for name, feature in features.items():
        values = feature[0] if isinstance(feature, tuple) else feature.unsqueeze(1)
        lengths = feature[1] if isinstance(feature, tuple) else 1
        outside = torch.arange(values.shape[1]) >= (lengths * present[name]).unsqueeze(1)
        values = values.masked_fill(outside.unsqueeze(2), filling)
        if isinstance(feature, tuple):
            filled[name] = (values.requires_grad_(), lengths)
        else:
            filled[name] = values.squeeze(1).requires_grad_()
    return filled


def values_of(features):
    return [feature[0] if isinstance(feature, tuple) else feature for feature in features.values()]


def test_the_methods_that_people_are_told_of_take_sequences():
    assert {"attention", "bottleneck", "cross_attention", "mag", "perceiver"} <= set(METHODS)


@each_method
@each_count
@pytest.mark.parametrize("rows", [1, 9])
def test_rows_are_finite_whatever_the_order_of_modalities(method, count, rows):
    features, present = sample(count, rows)
    fusion = build(method, count)
    fused = fusion(features, present)
    assert fused.shape == (rows, fusion.out_dim)
    assert fused.isfinite().all()
    backwards = fusion(dict(reversed(features.items())), dict(reversed(present.items())))
    assert torch.equal(backwards, fused)


@each_method
@each_length
@pytest.mark.parametrize("rubbish", [float("nan"), float("inf"), 1e30])
def test_what_lies_behind_the_end_reaches_neither_result_nor_gradient(method, steps, rubbish):
    features, present = sample(3, 16, steps)
    fusion = build(method, 3)
    results = []
    for filling in (0.0, rubbish):
        fusion.zero_grad()
        inputs = fill_outside(features, present, filling)
        fused = fusion(inputs, present)
        fused.square().sum().backward()
        gradients = [each.grad.clone() for each in [*fusion.parameters(), *values_of(inputs)]]
        results.append([fused.detach(), *gradients])
    for clean, dirty in zip(*results, strict=True):
        assert clean.isfinite().all()
        assert torch.equal(clean, dirty)


@each_method
@each_length
def test_a_row_is_the_same_whatever_its_padding_and_neighbours(method, steps):
    features, present = sample(5, 12, steps)
    features = {n: (f[0].double(), f[1]) if isinstance(f, tuple) else f.double() for n, f in features.items()}
    fusion = build(method, 5, double=True)
    together = fusion(features, present)
    for row in range(12):
        alone = {}
        for name, feature in features.items():
            own = int(feature[1][row]) if isinstance(feature, tuple) else 0
            alone[name] = (feature[0][[row], :own], feature[1][[row]]) if own else feature[[row]]
        found = fusion(alone, {name: there[[row]] for name, there in present.items()})
        torch.testing.assert_close(found[0], together[row], rtol=0, atol=1e-9)


@each_method
def test_a_vector_is_a_sequence_of_one_step(method):
    features, present = sample(5, 12, steps=1)
    as_vectors = {n: f[0].squeeze(1) if isinstance(f, tuple) else f for n, f in features.items()}
    fusion = build(method, 5)
    assert torch.equal(fusion(features, present), fusion(as_vectors, present))
    padded = {
        n: (torch.nn.functional.pad(f[0], (0, 0, 0, 4)), f[1]) if isinstance(f, tuple) else f
        for n, f in features.items()
    }
    torch.testing.assert_close(fusion(padded, present), fusion(as_vectors, present))


@each_method
@pytest.mark.parametrize("room", [0, 6])
def test_a_sequence_of_no_step_is_absent(method, room):
    features, present = sample(3, 9)
    fusion = build(method, 3)
    empty, absent = dict(features), dict(present)
    empty["audio"] = (torch.full((9, room, 3), float("nan"), requires_grad=True), torch.zeros(9, dtype=torch.int64))
    present["audio"], absent["audio"] = torch.ones(9, dtype=torch.bool), torch.zeros(9, dtype=torch.bool)
    fused = fusion(empty, present)
    torch.testing.assert_close(fused, fusion(features, absent))
    fused.square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in fusion.parameters())
    if hasattr(fusion, "modality_weights"):
        assert not fusion.modality_weights(empty, present)[:, 0].any()


@each_method
@each_count
@each_length
def test_every_parameter_gets_a_gradient(method, count, steps):
    fusion = build(method, count)
    features, present = sample(count, 32, steps)
    for name, feature in features.items():
        if not isinstance(feature, tuple):  # attention to one step has no choice to learn
            features[name] = (torch.randn(32, 4, WIDTHS[name]), torch.full((32,), 3))
    direction = torch.randn(fusion.out_dim, generator=torch.Generator().manual_seed(1))
    (fusion(features, present) @ direction).square().sum().backward()
    for name, parameter in fusion.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


@each_method
@each_length
def test_modality_weights_are_shares_of_those_present(method, steps):
    fusion = build(method, 5)
    features, present = sample(5, 12, steps)
    if not hasattr(fusion, "modality_weights"):
        assert method not in ("attention", "perceiver")
        return
    weights = fusion.modality_weights(features, present)
    there = torch.stack([present[name] for name in sorted(present)], dim=1)
    assert torch.equal(weights > 0, there)
    torch.testing.assert_close(weights.sum(dim=1), there.any(dim=1).float())
