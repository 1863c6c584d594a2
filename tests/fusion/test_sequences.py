"""Each method that takes sequences against its formula, written in NumPy for the own steps of one row at a time."""

import numpy as np
import pytest
import torch
from scipy.special import erf

from mmcli.fusion.learnt.attention import Attention
from mmcli.fusion.learnt.bottleneck import Bottleneck
from mmcli.fusion.learnt.cross_attention import CrossAttention
from mmcli.fusion.learnt.mag import Mag
from mmcli.fusion.learnt.perceiver import Perceiver

ROWS, DIM, HEADS = 8, 6, 2
WIDTHS = {"a": 3, "b": 5, "c": 2}
"""a and c are sequences, b is vectors."""


def build(kind, in_dims=WIDTHS, **options):
    torch.manual_seed(0)
    if kind is not Mag:
        options = {"heads": HEADS, **options}
    method = kind(in_dims, dim=DIM, **options).eval()
    with torch.no_grad():
        for parameter in method.parameters():
            parameter += 0.3 * torch.randn(parameter.shape)
    return method


def sample(steps=5):
    random = np.random.default_rng(3)
    features = {name: random.normal(size=(ROWS, steps, width)) for name, width in WIDTHS.items()}
    lengths = {name: random.integers(1, steps + 1, ROWS) for name in WIDTHS}
    lengths["b"][:] = 1
    present = {name: random.random(ROWS) < 0.7 for name in WIDTHS}
    for name in WIDTHS:
        present[name][:2] = [False, True]
    lengths["a"][1] = steps
    own = [{n: features[n][row, : lengths[n][row]] for n in WIDTHS if present[n][row]} for row in range(ROWS)]
    inputs = {n: (torch.tensor(features[n], dtype=torch.float32), torch.tensor(lengths[n])) for n in WIDTHS}
    inputs["b"] = inputs["b"][0][:, 0]
    return own, inputs, {n: torch.tensor(there) for n, there in present.items()}


def weights_of(method):
    return {name: value.numpy().astype(np.float64) for name, value in method.state_dict().items()}


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5)


def softmax(x):
    raised = np.exp(x - x.max(axis=-1, keepdims=True))
    return raised / raised.sum(axis=-1, keepdims=True)


def positions(steps):
    waves = np.zeros((steps, DIM))
    for step in range(steps):
        for pair in range(DIM // 2):
            angle = step / 10000 ** (2 * pair / DIM)
            waves[step, 2 * pair : 2 * pair + 2] = np.sin(angle), np.cos(angle) - 1
    return waves * np.sqrt(2 / DIM)


def tokens_of(p, own, layers="tokens.layers", embedding="tokens.embedding"):
    return {
        name: own[name] @ p[f"{layers}.{index}.weight"].T + p[embedding][index] + positions(len(own[name]))
        for index, name in enumerate("abc")
        if name in own
    }


def norm(p, name, x):
    normal = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)
    return normal * p[f"{name}.weight"] + p[f"{name}.bias"]


def linear(p, name, x):
    return x @ p[f"{name}.weight"].T + p[f"{name}.bias"]


def heads_of(queries, keys, values):
    """The result of each head side by side, and what each token attends to, the mean over heads."""
    results, width = [], queries.shape[1] // HEADS
    shares = np.zeros((len(queries), len(keys)))
    for head in range(HEADS):
        part = slice(head * width, (head + 1) * width)
        attention = softmax(queries[:, part] @ keys[:, part].T / np.sqrt(width))
        results.append(attention @ values[:, part])
        shares += attention / HEADS
    return np.hstack(results), shares


def block(p, name, tokens, source=None):
    """The result of a block with tokens of its own or a source to attend to, None where that is absent, and shares."""
    queries, shares = norm(p, f"{name}.norm", tokens), None
    crosses = f"{name}.source_norm.weight" in p
    if source is not None or not crosses:
        seen = norm(p, f"{name}.source_norm", source) if crosses else queries
        key, value = np.split(p[f"{name}.attention.key_value.weight"], 2)
        query = p[f"{name}.attention.query.weight"]
        mixed, shares = heads_of(queries @ query.T, seen @ key.T, seen @ value.T)
        tokens = tokens + linear(p, f"{name}.attention.output", mixed)
    hidden = linear(p, f"{name}.feed.1", norm(p, f"{name}.feed.0", tokens))
    activated = hidden * (1 + erf(hidden / np.sqrt(2))) / 2
    return tokens + linear(p, f"{name}.feed.4", activated), shares


@pytest.mark.parametrize("steps", [5, 45])
def test_attention_is_over_all_steps_and_averaged_by_modality(steps):
    method = build(Attention)
    own, inputs, present = sample(steps)
    p = weights_of(method)
    with torch.no_grad():
        found, weights = method(inputs, present).numpy(), method.modality_weights(inputs, present).numpy()
    for row in range(ROWS):
        tokens = tokens_of(p, own[row], "tokens", "embedding")
        if not tokens:
            assert not found[row].any()
            assert not weights[row].any()
            continue
        joined = np.vstack(list(tokens.values()))
        whose = np.repeat(["abc".index(name) for name in tokens], [len(each) for each in tokens.values()])
        query, key, value = np.split(p["query_key_value.weight"], 3)
        mixed, shares = heads_of(joined @ query.T, joined @ key.T, joined @ value.T)
        made = norm(p, "norm", joined + linear(p, "output", mixed))
        close(found[row], np.mean([made[whose == index].mean(0) for index in set(whose)], axis=0))
        received = np.stack([shares[:, whose == index].sum(1) for index in range(3)], axis=1)
        close(weights[row], np.mean([received[whose == index].mean(0) for index in set(whose)], axis=0))


@pytest.mark.parametrize("steps", [5, 45])
@pytest.mark.parametrize("layers", [1, 2])
def test_cross_attention_is_a_transformer_for_each_pair_and_one_for_each_target(layers, steps):
    method = build(CrossAttention, layers=layers)
    own, inputs, present = sample(steps)
    p = weights_of(method)
    found = method(inputs, present).detach().numpy()
    pairs = [(target, source) for target in "abc" for source in "abc" if source != target]
    for row in range(ROWS):
        tokens = tokens_of(p, own[row])
        expected = []
        for index, target in enumerate("abc"):
            if target not in tokens:
                expected.append(np.zeros(2 * DIM))
                continue
            joined = []
            for number, (to, source) in enumerate(pairs):
                if to == target:
                    steps_of_target = tokens[target]
                    for layer in range(layers):
                        steps_of_target, _ = block(
                            p, f"pairs.{number}.blocks.{layer}", steps_of_target, tokens.get(source)
                        )
                    joined.append(norm(p, f"pairs.{number}.norm", steps_of_target))
            itself = np.hstack(joined)
            for layer in range(layers):
                itself, _ = block(p, f"targets.{index}.blocks.{layer}", itself)
            expected.append(norm(p, f"targets.{index}.norm", itself).mean(0))
        close(found[row], np.concatenate(expected))


def test_cross_attention_of_one_modality_is_its_self_attention():
    method = build(CrossAttention, {"a": 3})
    own, inputs, present = sample()
    p = weights_of(method)
    found = method({"a": inputs["a"]}, {"a": present["a"]}).detach().numpy()
    assert found.shape == (ROWS, DIM)
    for row in np.flatnonzero(present["a"].numpy()):
        made, _ = block(p, "targets.0.blocks.0", tokens_of(p, {"a": own[row]["a"]})["a"])
        close(found[row], norm(p, "targets.0.norm", made).mean(0))


@pytest.mark.parametrize("layers", [1, 3])
def test_bottleneck_shares_the_mean_of_its_bottlenecks_after_each_layer(layers):
    method = build(Bottleneck, layers=layers, bottlenecks=2)
    own, inputs, present = sample()
    p = weights_of(method)
    found = method(inputs, present).detach().numpy()
    for row in range(ROWS):
        tokens, shared = tokens_of(p, own[row]), p["shared"]
        for layer in range(layers):
            made = {
                name: block(p, f"blocks.{3 * layer + 'abc'.index(name)}", np.vstack([each, shared]))[0]
                for name, each in tokens.items()
            }
            tokens = {name: each[:-2] for name, each in made.items()}
            shared = np.mean([each[-2:] for each in made.values()], axis=0) if made else shared
        means = [norm(p, f"norms.{'abc'.index(name)}", each).mean(0) for name, each in tokens.items()]
        close(found[row], np.mean(means, axis=0) if means else np.zeros(DIM))


@pytest.mark.parametrize("steps", [5, 45])
def test_perceiver_reads_all_steps_into_its_latents(steps):
    method = build(Perceiver, layers=2, latents=3)
    own, inputs, present = sample(steps)
    p = weights_of(method)
    with torch.no_grad():
        found, weights = method(inputs, present).numpy(), method.modality_weights(inputs, present).numpy()
    for row in range(ROWS):
        tokens = tokens_of(p, own[row])
        latents, shares = block(p, "read", p["latents"], np.vstack(list(tokens.values())) if tokens else None)
        for layer in range(2):
            latents, _ = block(p, f"think.blocks.{layer}", latents)
        close(found[row], norm(p, "think.norm", latents).mean(0))
        ends = np.cumsum([len(tokens.get(name, ())) for name in "abc"])
        parts = np.split(shares, ends[:-1], axis=1) if tokens else [np.zeros((1, 0))] * 3
        close(weights[row], [part.sum(1).mean() for part in parts])


@pytest.mark.parametrize("main", ["a", "b", "c", ""])
def test_mag_shifts_the_main_modality_by_at_most_beta_times_its_length(main):
    method = build(Mag, main=main, beta=0.2)
    own, inputs, present = sample()
    p = weights_of(method)
    found = method(inputs, present).detach().numpy()
    main = main or "a"
    others = [name for name in "abc" if name != main]
    ratios = []
    for row in range(ROWS):
        here = main in own[row]
        steps = linear(p, "project", own[row][main]) if here else p["absent"][None]
        made = []
        for number, z in enumerate(steps):
            shift = np.zeros(DIM)
            for index, name in enumerate(others):
                if name in own[row]:
                    given = own[row][name]
                    first = number * len(given) // len(steps)
                    behind = -(-(number + 1) * len(given) // len(steps))
                    x = given[first:behind].mean(0)
                    gate = np.maximum(0, linear(p, f"gates.{index}", np.concatenate([z, x])))
                    shift = shift + gate * (p[f"shifts.{index}.weight"] @ x)
            ratio = 0.2 * np.linalg.norm(z) / max(np.linalg.norm(shift), 1e-9)
            ratios.append(ratio)
            made.append(z + min(ratio, 1) * shift)
        close(found[row], norm(p, "norm", np.stack(made)).mean(0))
    assert min(ratios) < 1 < max(ratios)


@pytest.mark.parametrize("kind", [Attention, Bottleneck, CrossAttention, Perceiver, Mag])
def test_the_order_of_steps_matters(kind):
    method = build(kind)
    _, inputs, present = sample()
    values, lengths = inputs["a"]
    turned = values.clone()
    for row, length in enumerate(lengths):
        turned[row, :length] = values[row, :length].flip(0)
    with torch.no_grad():
        before = method(inputs, present)
        change = (method({**inputs, "a": (turned, lengths)}, present) - before).abs().amax(dim=1)
    several = present["a"] & (lengths > 1)
    if kind is Mag:  # it knows which steps of modalities go together, not where they are
        several &= present["c"] & (inputs["c"][1] > 1)
    assert several.sum() > 1
    assert (change[several] > 1e-3).all()
    assert (change[~several] < 1e-5).all()
