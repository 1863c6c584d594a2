"""Rows of similar length come in one batch, each row once an epoch, in an order drawn from the epoch's generator."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from scipy.stats import rankdata

from mmcli.chain.length_batches import cut, cut_by_length, rank_by_length, read_lengths
from mmcli.encoders.scratch.lstm import Lstm
from mmcli.errors import StoppedError
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.store import tensors
from mmcli.store.columns import Ragged
from mmcli.store.opening import join_by_id, open_samples
from mmcli.training import data as training_batches
from tests.conftest import write_csv
from tests.stages.test_train import CtrlC

COUNT = 90


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def batches(lengths, size, seed=0):
    drawn = generator(seed)
    order = torch.randperm(len(lengths), generator=drawn)
    return cut_by_length(order, rank_by_length({"a": lengths}), size, drawn)


def filled_up(lengths, rows):
    return sum(len(own) * int(lengths[own.numpy()].max()) for own in rows)


@pytest.fixture(scope="module")
def lengths():
    return np.random.default_rng(0).lognormal(4, 1, 5001).astype(np.int64) + 1


def word_counts():
    return np.random.default_rng(1).permutation(np.arange(COUNT) % 45 * 4 + 1)


@pytest.fixture(scope="module")
def varied(tmp_path_factory):
    """Samples whose texts have from 1 to 177 words, the first of which tells the label; in shards of 8 rows."""
    folder = tmp_path_factory.mktemp("varied")
    rows = [
        {"id": f"s{row}", "split": ["train", "train", "val"][row % 3],
         "words": " ".join(["rose" if row % 2 else "leaf", *["word"] * (int(count) - 1)]), "label": "ab"[row % 2]}
        for row, count in enumerate(word_counts())
    ]  # fmt: skip
    rows[4]["words"] = ""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tensors, "SHARD_ROWS", 8)
        preprocess(str(write_csv(folder / "table.csv", rows)), folder / "samples", text=["words"], target="label")
    return folder / "samples"


OPTIONS = {"encoder": ["words=lstm:dim=8,token_dim=8"], "patience": 0, "batch_size": 8, "epochs": 4}


@pytest.mark.parametrize("count", [5001, 1024, 1025, 65, 64, 7, 1])
def test_every_row_comes_once_and_no_batch_is_larger(lengths, count):
    found = batches(lengths[:count] * 0 + np.arange(count) + 1, 64) if count > 1 else [torch.tensor([0])]
    assert sorted(torch.cat(found).tolist()) == list(range(count))
    sizes = sorted(len(rows) for rows in found)
    assert all(size == 64 for size in sizes[1:-1])
    assert sizes[-1] <= 65
    assert count == 1 or sizes[0] > 1


def test_batches_have_little_padding(lengths):
    order = torch.randperm(len(lengths), generator=generator())
    least = int(lengths.sum())
    apart, together = filled_up(lengths, cut(order, 32)), filled_up(lengths, batches(lengths, 32))
    assert together - least < 0.25 * (apart - least)


def test_rows_come_together_with_others_each_time_and_batches_in_any_order(lengths):
    assert all(torch.equal(one, two) for one, two in zip(batches(lengths, 32), batches(lengths, 32), strict=True))
    first, second = (batches(lengths, 32, seed) for seed in (0, 1))
    beside = [
        {(a, b) for rows in found for a in rows.tolist() for b in rows.tolist() if a < b} for found in (first, second)
    ]
    by_chance = 31 / (len(lengths) - 1)
    assert len(beside[0] & beside[1]) / len(beside[0]) < 20 * by_chance
    longest = [int(lengths[rows.numpy()].max()) for rows in first]
    assert 0.35 < np.mean(np.diff(longest) > 0) < 0.65  # sorted ones would rise nearly always


def test_rows_of_one_length_stay_in_the_order_they_were_drawn_in():
    drawn = generator()
    order = torch.randperm(100, generator=drawn)
    ranks = torch.tensor([0, 1] * 50)
    rows = torch.cat(sorted(cut_by_length(order, ranks, 50, drawn), key=lambda own: int(ranks[own[0]])))
    expected = [row for parity in (0, 1) for row in order.tolist() if row % 2 == parity]
    assert rows.tolist() == expected


def test_ranks_of_one_modality_and_of_two(lengths):
    np.testing.assert_array_equal(rank_by_length({"a": lengths}), rankdata(lengths, "dense") - 1)
    assert rank_by_length({}) is None
    assert rank_by_length({"a": np.full(5, 16)}) is None
    # a differs more, and 5 and 8 have the same next power of two: there b decides.
    found = rank_by_length({"b": np.array([30, 20, 20, 20]), "a": np.array([5, 8, 64, 1])})
    assert found.tolist() == [2, 1, 3, 0]


def test_lengths_are_those_of_the_encoder_and_no_value_is_read(varied, monkeypatch):
    samples = open_samples(str(varied), ("preprocess",), None)
    encoder = Lstm(samples.modalities["words"], dim=8, token_dim=8)
    rows = np.random.default_rng(0).permutation(COUNT)[:50]
    expected = encoder.lengths(samples.column("words", rows))
    present = samples.present("words", rows)
    with monkeypatch.context() as patch:
        patch.setattr(Ragged, "take", None)
        found = read_lengths(samples, rows, {"words": encoder})["words"]
    np.testing.assert_array_equal(found[present], expected[present])
    counts = word_counts()[rows]
    np.testing.assert_array_equal(found[present], (-(-counts // 16) * 16)[present])


def test_lengths_of_joined_samples_of_which_some_lack_the_modality(varied, tmp_path):
    rows = [{"id": f"s{row}", "split": ["train", "train", "val"][row % 3], "size": row, "label": "ab"[row % 2]}
            for row in range(COUNT + 3)]  # fmt: skip
    preprocess(str(write_csv(tmp_path / "table.csv", rows)), tmp_path / "sizes", numeric=["size"], target="label")
    samples = join_by_id([open_samples(str(path), ("preprocess",), None) for path in (tmp_path / "sizes", varied)])
    encoder = Lstm(samples.modalities["words"], dim=8, token_dim=8)
    chosen = np.array([COUNT + 1, 0, COUNT, 1])
    found = read_lengths(samples, chosen, {"words": encoder})["words"]
    assert found.tolist() == [0, -(-word_counts()[0] // 16) * 16, 0, -(-word_counts()[1] // 16) * 16]


def steps_of(varied, output, monkeypatch):
    """How many steps the encoder computes in an epoch of training."""
    steps = []
    make = training_batches.TrainingData.batches

    def counted(self, size, drawn):
        for batch in make(self, size, drawn):
            steps.append(batch.features["words"][0].numel())
            yield batch

    with monkeypatch.context() as patch:
        patch.setattr(training_batches.TrainingData, "batches", counted)
        train(str(varied), output, **{**OPTIONS, "epochs": 1})
    return sum(steps)


def test_training_computes_fewer_steps(varied, tmp_path, monkeypatch):
    together = steps_of(varied, tmp_path / "together", monkeypatch)
    monkeypatch.setattr(training_batches, "rank_by_length", lambda lengths: None)
    assert together < 0.7 * steps_of(varied, tmp_path / "apart", monkeypatch)


def test_a_stopped_run_goes_on_to_the_same_bits_and_repeats_no_epoch(varied, tmp_path, monkeypatch):
    train(str(varied), tmp_path / "whole", **OPTIONS)
    with pytest.raises(StoppedError, match="stopped after epoch 3 of 4"):
        train(str(varied), tmp_path / "model", reporter=CtrlC(2), **OPTIONS)
    epochs, make = [], training_batches.TrainingData.batches
    monkeypatch.setattr(training_batches.TrainingData, "batches", lambda *given: epochs.append(1) or make(*given))
    train(str(varied), tmp_path / "model", **OPTIONS)
    assert len(epochs) == 1
    one, two = (load_file(tmp_path / name / "network.safetensors") for name in ("whole", "model"))
    assert all(torch.equal(value, two[name]) for name, value in one.items())


def test_a_later_epoch_opens_no_shard_again(varied, tmp_path, monkeypatch):
    opened = []
    map_safetensors = tensors.map_safetensors
    monkeypatch.setattr(tensors, "map_safetensors", lambda path: opened.append(path) or map_safetensors(path))
    counts = []
    for epochs in (1, 3):
        train(str(varied), tmp_path / str(epochs), **{**OPTIONS, "epochs": epochs})
        counts.append(len(opened))
        opened.clear()
    assert counts[0] >= COUNT // 8
    assert counts[0] == counts[1]
