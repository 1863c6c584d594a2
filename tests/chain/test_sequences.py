"""Features with steps from fuse to predict: every method, each pooling, no row depending on its neighbours."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch

from mmcli.chain.fixed_batches import fixed_batches
from mmcli.errors import MmcliError, UsageError
from mmcli.inference.model import TrainedModel
from mmcli.inference.prediction_file import write_predictions
from mmcli.registry import FUSIONS
from mmcli.runtime import Runtime
from mmcli.stages.evaluate import evaluate
from mmcli.stages.fuse import fuse
from mmcli.stages.predict import predict
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact

COUNT = 48
ROWS = np.arange(COUNT)
STEPWISE = [name for name in FUSIONS.names() if FUSIONS.constant(name, "sequences")]
OPTIONS = {"contrastive": ":epochs=1", "l2_align": ":epochs=1", "only": ":a_clip"}
QUICK = {"epochs": 1, "batch_size": 16, "projection": 8}


def answers(model, source, **options):
    return [row for group in predict(model, str(source), **options) for row in group]


def probabilities(rows):
    return np.array([list(row["probabilities"].values()) for row in rows])


@pytest.mark.parametrize("method", FUSIONS.names())
def test_every_method_goes_from_features_to_predictions(steps, tmp_path, method):
    spec = method + OPTIONS.get(method, "")
    fuse([str(steps / "features")], tmp_path / "fused", method=spec)
    assert ("fused" in Artifact(tmp_path / "fused").modalities) == (FUSIONS.constant(method, "kind") == "static")
    train(str(tmp_path / "fused"), tmp_path / "model", **QUICK)
    stored = answers(tmp_path / "model", tmp_path / "fused")
    raw = answers(tmp_path / "model", steps / "table.csv")
    np.testing.assert_allclose(probabilities(stored), probabilities(raw), atol=1e-5, rtol=0)
    assert [row["modalities"] for row in raw] == [row["modalities"] for row in stored]
    for number in (10, 19):
        assert raw[number]["label"] is None
        assert raw[number]["modalities"] == []
        assert list(raw[number]["probabilities"].values()) == list(TrainedModel(tmp_path / "model").task.prior())
    report = evaluate(tmp_path / "model", str(tmp_path / "fused"), split="all")
    assert report.metrics["without_modalities"] == 2
    assert set(report.metrics["subsets"]) == {"a_clip", "map", "table", "a_clip+map", "a_clip+table", "map+table"}


@pytest.fixture(scope="module")
def perceiver(steps, tmp_path_factory):
    folder = tmp_path_factory.mktemp("perceiver")
    train(str(steps / "features"), folder / "model", method="perceiver:dim=16", epochs=12, lr=5e-3, batch_size=16)
    return folder / "model"


def features_of(folder, model, rows=ROWS):
    """The scaled features of ``rows``, by a fuse stage of its own."""
    fused = Artifact(folder / "fused")
    return {name: fused.take(name, rows) for name in model.names}


@pytest.fixture(scope="module")
def scaled(steps):
    fuse([str(steps / "features")], steps / "fused", method="perceiver")
    return steps


def test_steps_reach_the_fusion_scaled_and_each_in_its_place(perceiver, scaled):
    model = TrainedModel(perceiver)
    columns = features_of(scaled, model)
    vectors = model.vectors(columns, Runtime())
    for row in np.flatnonzero(columns["a_clip"].present):
        np.testing.assert_array_equal(vectors.values["a_clip"][row], columns["a_clip"].main.item(row))
    for row in np.flatnonzero(columns["map"].present):
        np.testing.assert_array_equal(vectors.values["map"][row], columns["map"].main.values[row].reshape(4, 6).T)
    # The network, row by row and not filled up, says the same.
    found, known = model.outputs(vectors)
    for row in np.flatnonzero(known):
        features = {
            name: (value[row][None], torch.tensor([len(value[row])])) if isinstance(value, list) else value[[row]]
            for name, value in vectors.values.items()
        }
        present = {name: torch.tensor([bool(there[row])]) for name, there in vectors.present.items()}
        alone = model.network(features, present).softmax(dim=1).detach().numpy()[0]
        np.testing.assert_allclose(found[row], alone, atol=1e-5)


def test_it_learns_from_steps(perceiver, steps):
    report = evaluate(perceiver, str(steps / "features"), split="val")
    assert report.metrics["metrics"]["accuracy"] > 0.75


@pytest.mark.parametrize("method", [*STEPWISE, "gated"])
def test_a_row_does_not_depend_on_its_neighbours(steps, tmp_path, method):
    train(str(steps / "features"), tmp_path / "model", method=method,
          pooling="attention" if method == "gated" else None, **QUICK)  # fmt: skip
    lines = (steps / "table.csv").read_text().splitlines(keepends=True)
    whole = probabilities(answers(tmp_path / "model", steps / "table.csv"))
    order = np.random.default_rng(0).permutation(COUNT)
    (steps / "mixed.csv").write_text(lines[0] + "".join(lines[1 + row] for row in order))
    mixed = probabilities(answers(tmp_path / "model", steps / "mixed.csv"))
    np.testing.assert_allclose(mixed, whole[order], rtol=0, atol=1e-6)
    for row in (0, 7, 20):
        (steps / "one.csv").write_text(lines[0] + lines[1 + row])
        one = probabilities(answers(tmp_path / "model", steps / "one.csv"))
        np.testing.assert_allclose(one[0], whole[row], rtol=0, atol=1e-6)


def test_a_subset_is_what_rows_without_the_others_get(perceiver, scaled):
    model = TrainedModel(perceiver)
    columns = features_of(scaled, model)
    vectors = model.vectors(columns, Runtime())
    masked, known = model.outputs(vectors, {"map"})
    for name in ("a_clip", "table"):
        columns[name].present[:] = False
    alone, also_known = model.outputs(model.vectors(columns, Runtime()))
    np.testing.assert_array_equal(masked, alone)
    np.testing.assert_array_equal(known, also_known)


def test_batches_have_shapes_that_depend_on_a_rows_own_lengths_alone():
    lengths = [5, 1, 0, 8, 9, 6, 3]
    values = {"s": [torch.full((length, 2), float(row)) for row, length in enumerate(lengths)], "v": torch.arange(7.0)}
    values["v"] = values["v"].unsqueeze(1)
    present = {"s": torch.tensor([1, 1, 1, 1, 1, 0, 1]).bool(), "v": torch.ones(7).bool()}
    found = {}
    for rows, features, there in fixed_batches(values, present):
        steps, own = features["s"]
        assert len(steps) == len(own) == len(features["v"]) == len(there["s"]) == 16
        assert not there["s"][len(rows) :].any()
        for place, row in enumerate(rows.tolist()):
            found[row] = steps.shape[1]
            count = lengths[row] if row != 5 else 0
            assert own[place] == count
            assert (steps[place, :count] == row).all()
            assert not steps[place, count:].any()
            assert features["v"][place] == row
    assert found == {0: 8, 1: 1, 2: 1, 3: 8, 4: 16, 5: 1, 6: 4}


def test_predictions_say_how_much_each_feature_weighed(perceiver, steps, tmp_path):
    rows = answers(perceiver, steps / "table.csv", explain="weights")
    plain = answers(perceiver, steps / "table.csv")
    for row, other in zip(rows, plain, strict=True):
        weights = row.pop("weights")
        assert row == other
        assert set(weights) == {"a_clip", "map", "table"}
        assert sum(weights.values()) == pytest.approx(1 if row["modalities"] else 0, abs=1e-5)
        assert {name for name, weight in weights.items() if weight} == set(row["modalities"])
    found = {}
    for suffix in ("jsonl", "csv"):
        write_predictions(tmp_path / f"p.{suffix}", predict(perceiver, str(steps / "table.csv"), explain="weights"))
    found = [json.loads(line)["weights"] for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    with (tmp_path / "p.csv").open() as file:
        flat = [{name: float(row[f"weight_{name}"]) for name in found[0]} for row in csv.DictReader(file)]
    assert flat == found


def test_a_model_without_weights_names_the_methods_that_have_them(chain, steps, tmp_path):
    train(str(chain / "features"), tmp_path / "model", method="concat", epochs=1)
    with pytest.raises(
        UsageError, match=r"concat has no weights; methods with weights: attention, gated, .*weighted_sum"
    ):
        answers(tmp_path / "model", chain / "table.csv", explain="weights")
    rows = answers(chain / "model", chain / "table.csv", explain="weights")
    assert {name for row in rows for name in row["weights"]} == {
        "words", "picture_hog", "picture_color_histogram", "table"
    }  # fmt: skip


def test_steps_count_for_the_memory_of_a_batch(steps):
    from mmcli.chain.transforms.fuse import FuseTransform
    from mmcli.registry import parse_spec
    from mmcli.reporting import Silent
    from mmcli.store.opening import open_samples
    from mmcli.store.training_rows import aligned_train_columns, train_columns
    from mmcli.training.asked_task import parse_tasks
    from mmcli.training.loading import load_training_data

    samples = open_samples(str(steps / "features"), ["extract-features"], None)
    fusing = FuseTransform(samples.modalities, parse_spec("perceiver"), 0)
    fusing.fit(train_columns(samples), aligned_train_columns(samples))
    asked = parse_tasks("auto")
    data = load_training_data(samples, fusing, fusing.modalities(), (), ["label"], asked, Silent(), pooling=None)
    data = data.to("cpu", {})
    clip = Artifact(steps / "features").take("a_clip", data.train.rows).main
    np.testing.assert_array_equal(data.lengths["a_clip"], np.diff(clip.offsets))
    assert set(data.lengths["map"].tolist()) == {6}
    longest = int(np.diff(clip.offsets).max())
    assert data.make(data.train.take(data.longest())).features["a_clip"][0].shape[1] == longest
    for batch in data.batches(8, torch.Generator().manual_seed(0)):
        values, lengths = batch.features["a_clip"]
        assert values.shape[1] == max(1, int(lengths.max())), "no longer than the longest of the batch"


def test_sequences_that_reach_the_fusion_cannot_be_mixed(chain, steps):
    from mmcli.networks.encoder_choice import parse_choice
    from mmcli.reporting import Silent
    from mmcli.training.augmenting import plan_augmentation

    modalities = {"picture": Artifact(chain / "samples").modalities["picture"],
                  **Artifact(steps / "features").modalities}  # fmt: skip
    given = ["picture=mixup"], 0.5, modalities, {"picture": parse_choice("cnn")}, Silent()
    assert plan_augmentation(*given, mixable=True).names == {"picture": ("mixup",)}
    with pytest.raises(MmcliError, match="rows of a_clip differ in length and cannot be mixed"):
        plan_augmentation(*given, mixable=False)
