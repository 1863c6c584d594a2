"""Ranks, recall and average precision of retrieval against loops, scikit-learn and chance played out."""

import math
import tracemalloc

import numpy as np
import pytest
import torch
from sklearn.metrics import average_precision_score, label_ranking_average_precision_score
from torch.nn.functional import normalize

from mmcli.errors import MmcliError, UsageError
from mmcli.tasks import mode_of
from mmcli.tasks._retrieval_metrics import chance_metrics, judge
from mmcli.tasks.retrieval import Retrieval


def make(names=("image", "text")):
    task = Retrieval()
    task.take_modalities(names)
    return task


def unit(values):
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def captioned(images=30, captions=5, seed=0, noise=1.5, dim=16):
    """(N, 2, D): rows of one image share its embedding; captions lie around it; with the group of each row."""
    random = np.random.default_rng(seed)
    centre = random.normal(size=(images, 1, dim))
    image = np.repeat(centre, captions, axis=1)
    text = centre + noise * random.normal(size=(images, captions, dim))
    groups = [f"i{number}" for number in range(images) for _ in range(captions)]
    return unit(np.stack([image, text], axis=2).reshape(-1, 2, dim)), groups


def distinct(values, groups):
    """Distinct items with their groups, by a loop."""
    found = {}
    for value, group in zip(values, groups, strict=True):
        if not np.isnan(value).any():
            found.setdefault((group, value.tobytes()), (value, group))
    return list(found.values())


def by_loops(predictions, groups, query, candidate):
    """Rank and average precision of each query, by the definitions."""
    queries, candidates = (distinct(predictions[:, place], groups) for place in (query, candidate))
    ranks, precisions = [], []
    for asked, group in queries:
        relevant = np.array([own == group for _, own in candidates])
        if not relevant.any():
            continue
        scores = np.array([asked @ value for value, _ in candidates])
        best = scores[relevant].max()
        ranks.append(1 + int((scores[~relevant] >= best).sum()))
        precisions.append(average_precision_score(relevant, scores))
    return np.array(ranks), np.array(precisions)


def assert_same_as_loops(task, predictions, groups):
    found = task.metrics(predictions, task.encode(groups))
    recalls = []
    for name, places in {"image_to_text": (0, 1), "text_to_image": (1, 0)}.items():
        ranks, precisions = by_loops(predictions, groups, *places)
        for top in (1, 5, 10):
            assert found[f"{name}_recall@{top}"] == pytest.approx((ranks <= top).mean(), abs=1e-9)
        assert found[f"{name}_median_rank"] == np.median(ranks)
        assert found[f"{name}_map"] == pytest.approx(precisions.mean(), abs=1e-9)
        recalls.append((ranks <= 10).mean())
    assert found["mean_recall@10"] == pytest.approx(np.mean(recalls), abs=1e-9)
    return found


def test_pairs_are_judged_as_by_loops_and_scikit_learn():
    predictions = unit(np.random.default_rng(0).normal(size=(60, 2, 4)))
    found = assert_same_as_loops(make(), predictions, [f"id {number}" for number in range(60)])
    scores = predictions[:, 0] @ predictions[:, 1].T
    expected = label_ranking_average_precision_score(np.eye(60, dtype=bool), scores)
    assert found["image_to_text_map"] == pytest.approx(expected, abs=1e-9)


def test_five_captions_are_five_items_and_their_image_is_one():
    predictions, groups = captioned()
    task = make()
    found = assert_same_as_loops(task, predictions, groups)
    images = predictions[::5, 0]
    scores = predictions[:, 1] @ images.T  # 150 captions, 30 images
    own = np.repeat(np.arange(30), 5)
    ranks = (scores >= scores[np.arange(150), own][:, None]).sum(axis=1)
    assert found["text_to_image_recall@1"] == pytest.approx((ranks == 1).mean(), abs=1e-12)
    assert found["text_to_image_median_rank"] == np.median(ranks)
    order = np.random.default_rng(1).permutation(150)
    shuffled = task.metrics(predictions[order], task.encode([groups[row] for row in order]))
    assert shuffled == pytest.approx(found, abs=1e-12)


def test_a_row_that_lacks_a_modality_is_no_item_of_it():
    predictions, groups = captioned(seed=3)
    predictions[7, 1] = np.nan
    predictions[40:45, 0] = np.nan  # an image that is nowhere: its captions have nothing to find
    predictions[60] = np.nan
    found = assert_same_as_loops(make(), predictions, groups)
    known = np.setdiff1d(np.arange(150), [7, 60])
    task = make()
    again = task.metrics(predictions[known], task.encode([groups[row] for row in known]))
    for name in ("text_to_image_map", "text_to_image_recall@5"):
        assert again[name] == pytest.approx(found[name], abs=1e-12)
    alone = predictions.copy()
    alone[:, 1] = np.nan
    assert make().metrics(alone, make().encode(groups)) == {}


def test_embeddings_that_are_all_alike_find_nothing():
    predictions = unit(np.ones((50, 2, 7)) + 1e-13 * np.random.default_rng(0).normal(size=(50, 2, 7)))
    task = make()
    found = task.metrics(predictions, task.encode(list(range(50))))
    assert found["mean_recall@10"] == 0
    assert found["image_to_text_median_rank"] == 50
    assert found["image_to_text_map"] == pytest.approx(1 / 50)


def test_intervals_come_from_drawn_groups_with_all_their_queries():
    predictions, groups = captioned(images=12, captions=3, noise=2.5)
    task = make()
    encoded = task.encode(groups)
    counts = np.random.default_rng(0).multinomial(36, np.full(36, 1 / 36), 40)
    counts[0] = 1
    counts[1] = 0
    found = task.metrics_of_draws(predictions, encoded, counts)
    whole = task.metrics(predictions, encoded)
    assert {name: values[0] for name, values in found.items()} == pytest.approx(whole, abs=1e-12)
    assert all(np.isnan(values[1]) for values in found.values())
    for name, places in {"image_to_text": (0, 1), "text_to_image": (1, 0)}.items():
        ranks, precisions = by_loops(predictions, groups, *places)
        per_group = len(ranks) // 12
        for draw in range(2, 40):
            times = np.repeat(counts[draw, ::3], per_group)  # a group is there as often as its first row
            drawn = np.repeat(ranks, times)
            assert found[f"{name}_recall@1"][draw] == pytest.approx((drawn == 1).mean())
            assert found[f"{name}_median_rank"][draw] == np.median(drawn)
            assert found[f"{name}_map"][draw] == pytest.approx(np.repeat(precisions, times).mean())


def test_chance_is_what_random_orders_come_to():
    random = np.random.default_rng(0)
    relevant, candidates = np.array([1, 1, 3, 8]), 40
    ranks, precisions = [], []
    for size in relevant:
        marks = np.arange(candidates) < size
        for _ in range(4000):
            order = random.permutation(marks)
            places = np.flatnonzero(order) + 1
            ranks.append(places[0])
            precisions.append((np.arange(1, size + 1) / places).mean())
    found, ranks = chance_metrics(relevant, candidates), np.array(ranks)
    for top in (1, 5, 10):
        assert found[f"recall@{top}"] == pytest.approx((ranks <= top).mean(), abs=0.01)
        exact = np.mean([1 - math.comb(candidates - size, top) / math.comb(candidates, top) for size in relevant])
        assert found[f"recall@{top}"] == pytest.approx(exact, abs=1e-12)
    assert found["map"] == pytest.approx(np.mean(precisions), abs=0.01)
    assert abs(found["median_rank"] - np.median(ranks)) <= 1
    assert chance_metrics(np.array([3]), 3) == {
        "recall@1": 1.0, "recall@5": 1.0, "recall@10": 1.0, "median_rank": 1.0, "map": pytest.approx(1.0),
    }  # fmt: skip


def test_baselines_are_of_the_items_there_are():
    predictions, groups = captioned()
    task = make()
    beside = task.baselines_beside(predictions, task.encode(groups))["chance"]
    assert beside["text_to_image_recall@10"] == pytest.approx(10 / 30)  # 30 images, one of them its own
    none = math.comb(145, 10) / math.comb(150, 10)
    assert beside["image_to_text_recall@10"] == pytest.approx(1 - none)
    assert set(beside) == set(task.metrics(predictions, task.encode(groups)))
    assert task.baselines(task.encode(groups))["chance"]["text_to_image_recall@10"] == pytest.approx(1 - none)


def test_many_rows_are_judged_in_little_memory():
    rows = 20_000
    random = np.random.default_rng(0)
    predictions = unit(random.normal(size=(rows, 1, 8)) + 0.5 * random.normal(size=(rows, 2, 8)))
    tracemalloc.start()
    found = judge(predictions, np.arange(rows), 0, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6  # all scores at once would be 3.2 GB
    for start in range(0, rows, 2000):
        scores = predictions[start : start + 100, 0] @ predictions[:, 1].T
        own = scores[np.arange(100), np.arange(start, start + 100)]
        assert np.array_equal(found.ranks[start : start + 100], (scores >= own[:, None]).sum(axis=1))


def test_three_modalities_have_six_directions():
    task = make(["text", "audio", "image"])
    predictions = unit(np.random.default_rng(0).normal(size=(30, 3, 4)))
    encoded = task.encode(list(range(30)))
    found = task.metrics(predictions, encoded)
    directions = {name.removesuffix("_map") for name in found if name.endswith("_map")}
    assert directions == {f"{a}_to_{b}" for a in task.modalities for b in task.modalities if a != b}
    assert found["mean_recall@10"] == pytest.approx(np.mean([found[f"{name}_recall@10"] for name in directions]))
    assert mode_of(task, "audio_to_text_median_rank") == "min"
    assert mode_of(task, "audio_to_text_recall@1") == "max"


def test_the_loss_is_that_of_clip():
    embedded = normalize(torch.randn(9, 2, 6, generator=torch.Generator().manual_seed(0)), dim=2)
    task = make()
    logits = embedded[:, 0] @ embedded[:, 1].T / 0.07
    own = torch.arange(9)
    expected = (torch.nn.functional.cross_entropy(logits, own) + torch.nn.functional.cross_entropy(logits.T, own)) / 2
    encoded = torch.from_numpy(task.encode(list(range(9))))
    assert float(task.loss(embedded, encoded)) == pytest.approx(float(expected), rel=1e-6)
    lacking = torch.cat([embedded, torch.full((1, 2, 6), torch.nan)])
    lacking[9, 0] = embedded[0, 0]
    found = task.loss(lacking, torch.from_numpy(task.encode(list(range(10)))))
    assert float(found) == pytest.approx(float(expected), rel=1e-6)
    one, other = divmod(int((logits - 1000 * torch.eye(9)).argmax()), 9)
    names = [str(number) for number in range(9)]
    names[one] = names[other]
    twins = torch.from_numpy(task.encode(names))
    logits[one, other] = logits[other, one] = -torch.inf  # neither is the other's negative
    both = torch.nn.functional.cross_entropy(logits, own) + torch.nn.functional.cross_entropy(logits.T, own)
    assert float(task.loss(embedded, twins)) == pytest.approx(float(both) / 2, rel=1e-6)


def test_an_answer_says_how_well_the_modalities_agree():
    task = make()
    predictions = np.array([[[1.0, 0], [0.6, 0.8]], [[0, 1.0], [np.nan, np.nan]]])
    assert task.records(predictions, np.array([True, True])) == [
        {"similarity": {"image+text": pytest.approx(0.6)}},
        {"similarity": {}},
    ]


def test_it_needs_two_modalities_and_has_no_classes():
    with pytest.raises(MmcliError, match="needs at least two modalities, found image"):
        make(["image"])
    with pytest.raises(UsageError, match="retrieval has no classes"):
        make().class_weights(np.zeros((1, 1)), "balanced")
