"""Late methods: their formulas, written in NumPy, and a head for each modality."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import expit, log_softmax, logit, softmax

from mmcli.chain.transforms.fuse import build_fusion
from mmcli.errors import MmcliError
from mmcli.fusion.late.late_mean import LateMean
from mmcli.fusion.late.late_weighted import LateWeighted
from mmcli.fusion.late.stacking import Stacking
from mmcli.models.heads import MlpHead
from mmcli.models.late_heads import LateHeads
from mmcli.models.network import Network
from mmcli.registry import parse_spec

NAMES = ["a", "b", "c"]
ROWS, K = 40, 4
LINKS = ["softmax", "sigmoid", "identity"]
PREDICT = {"softmax": lambda z: softmax(z, axis=-1), "sigmoid": expit, "identity": lambda z: z}
OUTPUTS = {"softmax": np.log, "sigmoid": logit, "identity": lambda p: p}


def sample(seed=0):
    random = np.random.default_rng(seed)
    outputs = {name: 3 * random.normal(size=(ROWS, K)) for name in NAMES}
    present = {name: random.random(ROWS) < 0.5 for name in NAMES}
    for name in NAMES:
        present[name][0], present[name][1] = False, name == "b"
    return outputs, present


def run(method, outputs, present):
    tensors = [{name: torch.from_numpy(value) for name, value in part.items()} for part in (outputs, present)]
    with torch.no_grad():
        return method.double()(*tensors).numpy()


def weighted(outputs, present, weights, link):
    """The outputs of the weighted mean of the predictions, row by row, the weights of those present adding up to 1."""
    found = np.zeros((ROWS, K))
    for row in range(ROWS):
        there = [place for place, name in enumerate(NAMES) if present[name][row]]
        if there:
            share = np.array(weights)[there] / np.sum(np.array(weights)[there])
            predicted = sum(w * PREDICT[link](outputs[NAMES[m]][row]) for w, m in zip(share, there, strict=True))
            found[row] = OUTPUTS[link](predicted)
    return found


@pytest.mark.parametrize("link", LINKS)
def test_late_mean_is_the_mean_of_the_predictions_present(link):
    outputs, present = sample()
    found = run(LateMean(dict.fromkeys(NAMES, K), link=link), outputs, present)
    np.testing.assert_allclose(found, weighted(outputs, present, [1, 1, 1], link), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("link", LINKS)
def test_late_weighted_weighs_them_by_a_softmax_of_scores(link):
    outputs, present = sample()
    method = LateWeighted(dict.fromkeys(NAMES, K), link=link)
    scores = [0.3, -1.0, 2.0]
    method.scores.data = torch.tensor(scores)
    found = run(method, outputs, present)
    np.testing.assert_allclose(found, weighted(outputs, present, softmax(scores), link), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("link", LINKS)
def test_stacking_is_linear_in_outputs_and_presence(link):
    outputs, present = sample()
    method = Stacking(dict.fromkeys(NAMES, K), link=link)
    random = np.random.default_rng(1)
    weights, more = random.normal(size=(2, 3, K, K))
    flags, bias = random.normal(size=(3, K)), random.normal(size=K)
    state = {"layer.weight": np.concatenate([*weights, *more, flags.T], axis=1), "layer.bias": bias}
    method.double().load_state_dict({name: torch.from_numpy(value) for name, value in state.items()})
    found = run(method, outputs, present)
    for row in range(ROWS):
        there = [place for place, name in enumerate(NAMES) if present[name][row]]
        expected = bias.copy() if there else np.zeros(K)
        for place in there:
            value = outputs[NAMES[place]][row]
            if link == "softmax":
                value = log_softmax(value) - log_softmax(value).mean()
            absent = 1 - len(there) / 3
            expected += (weights[place] + absent * more[place]) @ value + flags[place]
        np.testing.assert_allclose(found[row], expected, rtol=1e-9, atol=1e-12)


def test_stacking_begins_as_the_mean_of_all_or_as_the_only_one():
    outputs, _ = sample()
    method = Stacking(dict.fromkeys(NAMES, K), link="identity")
    for names in (NAMES, ["b"]):
        there = {name: np.full(ROWS, name in names) for name in NAMES}
        expected = np.mean([outputs[name] for name in names], axis=0)
        np.testing.assert_allclose(run(method, outputs, there), expected, rtol=1e-6)


@pytest.mark.parametrize("kind", [LateMean, LateWeighted])
def test_outputs_so_far_apart_that_probabilities_vanish_stay_finite(kind):
    far = torch.tensor([[2000.0, -2000.0]], requires_grad=True)
    there = torch.tensor([True])
    for link in ("softmax", "sigmoid"):
        found = kind({"a": 2, "b": 2}, link=link)({"a": far, "b": far}, {"a": there, "b": there})
        found.sum().backward()
        assert found.isfinite().all()
        assert far.grad.isfinite().all()


def test_invalid_options_of_late_methods_are_refused():
    for spec, said in {"stacking:ridge=0": "ridge must be above 0", "late_weighted:ridge=nan": "ridge must be above 0",
                       "late_mean:link=sigmoid": "link"}.items():  # fmt: skip
        with pytest.raises(MmcliError, match=said):
            build_fusion(parse_spec(spec), {"a": 2, "b": 2}, 0, "softmax")


def test_a_modality_alone_is_predicted_by_its_own_head():
    torch.manual_seed(0)
    network = Network(
        {"a": 3, "b": 5},
        fusion=lambda widths: LateHeads(widths, 2, head=lambda width: MlpHead(width, 2), combination=LateMean),
        head=lambda width: torch.nn.Identity(),
    ).eval()
    features = {"a": torch.full((6, 3), torch.nan), "b": torch.randn(6, 5)}
    yes, no = torch.ones(6).bool(), torch.zeros(6).bool()
    alone = network(features, {"a": no, "b": yes})
    torch.testing.assert_close(alone.softmax(1), network.fusion.heads[1](features["b"]).softmax(1))
    weights = network.modality_weights(features, {"a": no, "b": yes})
    assert torch.equal(weights, torch.tensor([[0.0, 1.0]]).expand(6, 2))
