"""Methods that multiply modalities, each against its formula, written in NumPy for one row at a time."""

from functools import reduce

import numpy as np
import pytest
import torch
from torch import nn

from mmcli.errors import MmcliError
from mmcli.fusion.learnt.bilinear import Bilinear
from mmcli.fusion.learnt.film import Film
from mmcli.fusion.learnt.low_rank import LowRank
from mmcli.fusion.learnt.squeeze_excite import SqueezeExcite
from mmcli.fusion.learnt.tensor import Tensor
from mmcli.registry import FUSIONS, parse_spec

IN_DIMS = {"c": 2, "a": 3, "b": 5}
ROWS = 24
METHODS = ["bilinear", "film", "low_rank", "squeeze_excite", "tensor"]

each_method = pytest.mark.parametrize("method", METHODS)


def make(kind, in_dims=IN_DIMS, **options):
    """Return a method whose parameters are all random, those that begin as zeros or ones too."""
    torch.manual_seed(0)
    method = kind(in_dims, **options)
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.normal_(std=0.5)
    return method


def sample(in_dims=IN_DIMS, rows=ROWS, seed=1):
    """Return features and presence, a half of it; nothing is present in row 0 and all in row 1."""
    random = np.random.default_rng(seed)
    features = {name: random.normal(size=(rows, width)).astype(np.float32) for name, width in in_dims.items()}
    present = {name: random.random(rows) < 0.5 for name in in_dims}
    for there in present.values():
        there[:2] = False, True
    return features, present


def tensors(part):
    return {name: torch.from_numpy(value) for name, value in part.items()}


def assert_rows_are(found, formula, features, present, rtol=1e-4, atol=1e-5):
    """Compare with what ``formula`` says of the vectors present in each row."""
    for row in range(len(found)):
        here = {name: features[name][row].astype(np.float64) for name in sorted(features) if present[name][row]}
        np.testing.assert_allclose(found[row], formula(here), rtol=rtol, atol=atol, err_msg=f"row {row}: {[*here]}")


def check(method, formula, **tolerance):
    features, present = sample()
    with torch.no_grad():
        found = method(tensors(features), tensors(present)).numpy()
    assert_rows_are(found, formula, features, present, **tolerance)


def array(parameter):
    return parameter.detach().numpy().astype(np.float64)


def affine(layer, x):
    return array(layer.weight) @ x + array(layer.bias)


def by_name(layers):
    return dict(zip("abc", layers, strict=True))


@pytest.mark.parametrize("magnitude", [1.0, 1e18])
def test_bilinear_is_factorised_pooling(magnitude):
    method = make(Bilinear, dim=4, factors=3)
    layers = by_name(method.projections)
    with torch.no_grad():
        for layer in layers.values():
            layer.weight.mul_(magnitude)
            layer.bias.mul_(magnitude)

    def formula(here):
        if not here:
            return np.zeros(4)
        product = np.prod([affine(layers[name], x) for name, x in here.items()], axis=0)
        pooled = np.array([product[3 * column : 3 * column + 3].sum() for column in range(4)])
        roots = np.sign(pooled) * np.sqrt(np.abs(pooled))
        return roots / np.linalg.norm(roots)

    check(method, formula, atol=1e-3)


def test_tensor_holds_every_product_of_columns_one_of_each_modality():
    method = make(Tensor, dim=2)
    layers = by_name(method.projections)

    def formula(here):
        if not here:
            return np.zeros(27)
        small = {name: np.tanh(affine(layers[name], here[name])) if name in here else np.zeros(2) for name in "abc"}
        a, b, c = (np.concatenate([[1], small[name]]) for name in "abc")
        return [a[i] * b[j] * c[k] for i in range(3) for j in range(3) for k in range(3)]

    check(method, formula)


@pytest.mark.parametrize(("count", "columns"), [(1, 33), (2, 33**2), (3, 4096), (4, 4096), (5, 5**5), (13, 2**13)])
def test_tensor_has_fewer_columns_of_each_modality_the_more_there_are(count, columns):
    assert Tensor({f"m{index}": 4 for index in range(count)}).out_dim == columns


@pytest.mark.parametrize(
    ("count", "options", "said"),
    [
        (5, {"dim": 32}, r"5 modalities with dim=32 make \(32 \+ 1\)\^5 columns, more than 65536: use at most dim=8"),
        (17, {}, r"17 modalities with dim=1 .*: use method low_rank, or fewer modalities"),
        (2, {"dim": 0}, "dim must be at least 1"),
    ],
)
def test_tensor_refuses_what_is_too_wide_and_says_what_is_not(count, options, said):
    in_dims = {f"m{index}": 4 for index in range(count)}
    with pytest.raises(MmcliError, match=said):
        Tensor(in_dims, **options)


def test_the_width_that_tensor_names_is_the_largest_it_takes():
    assert Tensor({name: 4 for name in "abcde"}, dim=8).out_dim == 9**5
    with pytest.raises(MmcliError, match="at most dim=8"):
        Tensor({name: 4 for name in "abcde"}, dim=9)


def test_low_rank_is_the_product_of_each_modalitys_factors():
    method = make(LowRank, dim=4, rank=3)
    factors, weights, bias = by_name(method.factors), array(method.rank_weights), array(method.bias)

    def formula(here):
        total = bias.copy()
        for r in range(3):
            product = np.ones(4)
            for name, x in here.items():
                product *= np.append(x, 1) @ array(factors[name])[r]
            total += weights[r] * product
        return total

    check(method, formula)


def test_low_rank_is_a_linear_layer_over_the_outer_product_of_what_is_present():
    method = make(LowRank, dim=4, rank=3)
    factors, weights, bias = by_name(method.factors), array(method.rank_weights), array(method.bias)

    def formula(here):
        outer = reduce(np.multiply.outer, [np.append(x, 1) for x in here.values()], np.ones(()))
        layer = np.zeros((*outer.shape, 4))
        for column in range(4):
            for r in range(3):
                own = [array(factors[name])[r, :, column] for name in here]
                layer[..., column] += weights[r] * reduce(np.multiply.outer, own, np.ones(()))
        return np.tensordot(outer, layer, axes=outer.ndim) + bias

    check(method, formula)


def test_film_scales_and_shifts_each_modality_by_the_others():
    method = make(Film, dim=4)
    layers, generators = by_name(method.projections), by_name(method.generators)

    def formula(here):
        if not here:
            return np.zeros(4)
        h = {name: affine(layers[name], x) for name, x in here.items()}
        modulated = []
        for name in here:
            others = [h[other] for other in here if other != name]
            gamma, beta = np.ones(4), np.zeros(4)
            if others:
                said = array(generators[name].weight) @ np.mean(others, axis=0)
                gamma, beta = gamma + said[:4], beta + said[4:]
            modulated.append(gamma * h[name] + beta)
        return np.mean(modulated, axis=0)

    check(method, formula)


def test_squeeze_excite_scales_each_column_by_what_all_modalities_say():
    method = make(SqueezeExcite, dim=4)
    features, present = sample()

    def gates(here):
        joined = np.concatenate([here.get(name, np.zeros(IN_DIMS[name])) for name in "abc"])
        squeezed = np.maximum(affine(method.squeeze, joined), 0)
        return joined, 2 / (1 + np.exp(-affine(method.excite, squeezed)))

    def weights(here):
        parts = np.split(gates(here)[1], [3, 8])
        return [part.mean() if name in here else 0 for name, part in zip("abc", parts, strict=True)]

    check(method, lambda here: np.prod(gates(here), axis=0))
    with torch.no_grad():
        found = method.modality_weights(tensors(features), tensors(present)).numpy()
    assert_rows_are(found, weights, features, present)


@each_method
@pytest.mark.parametrize("magnitude", [0.0, 1e-30, 1e3])
@pytest.mark.parametrize("biased", [True, False])
def test_results_and_gradients_are_finite_at_zeros_and_far_from_them(method, magnitude, biased):
    in_dims = {name: 6 for name in "abcde"}
    torch.manual_seed(0)
    fusion = FUSIONS.build(parse_spec(method), in_dims=in_dims)
    if not biased:
        for name, parameter in fusion.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
    features, present = sample(in_dims)
    inputs = {name: (magnitude * torch.from_numpy(value)).requires_grad_() for name, value in features.items()}
    fused = fusion(inputs, tensors(present))
    fused.sum().backward()
    assert fused.isfinite().all()
    assert all(value.grad.isfinite().all() for value in inputs.values())
    assert nn.utils.clip_grad_norm_(fusion.parameters(), 1.0).isfinite()


@each_method
@pytest.mark.parametrize("text", ["dim=0", "dim=10000000"])
def test_a_width_that_is_none_is_refused(method, text):
    with pytest.raises(MmcliError, match=r"dim must be at least 1 and at most 1048576|more than 65536"):
        FUSIONS.build(parse_spec(f"{method}:{text}"), in_dims=IN_DIMS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bilinear:factors=0", "factors must be at least 1"),
        ("bilinear:dim=4096,factors=4096", "dim times factors must be at least 1 and at most 1048576, not 16777216"),
        ("low_rank:rank=0", "rank must be at least 1"),
        ("low_rank:dim=4096,rank=4096", "dim times rank must be"),
    ],
)
def test_a_number_of_factors_that_no_memory_holds_is_refused(text, said):
    with pytest.raises(MmcliError, match=said):
        FUSIONS.build(parse_spec(text), in_dims=IN_DIMS)


@pytest.mark.parametrize("method", ["bilinear", "film", "low_rank"])
def test_a_modality_that_is_absent_everywhere_changes_nothing(method):
    fusion = FUSIONS.build(parse_spec(f"{method}:dim=4"), in_dims=IN_DIMS)
    features, present = sample()
    present["b"][:] = False
    fewer = FUSIONS.build(parse_spec(f"{method}:dim=4"), in_dims={"a": 3, "c": 2})
    kept = {}
    for name, value in fusion.state_dict().items():
        parts = name.split(".")
        if len(parts) == 1 or parts[1] != "1":
            kept[name.replace(".2", ".1")] = value
    fewer.load_state_dict(kept)
    expected = fewer({name: tensors(features)[name] for name in "ac"}, {name: tensors(present)[name] for name in "ac"})
    torch.testing.assert_close(fusion(tensors(features), tensors(present)), expected)
