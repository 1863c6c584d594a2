"""Methods fitted to train rows without labels: what fuse writes is what the state says, and what a model computes."""

from __future__ import annotations

import csv

import numpy as np
import pytest
import torch

from mmcli.chain.chain import Chain
from mmcli.errors import MmcliError, UsageError
from mmcli.inference.model import TrainedModel
from mmcli.modalities.files import MediaFolder
from mmcli.registry import FUSIONS
from mmcli.stages.extract_features import extract_features
from mmcli.stages.fuse import fuse
from mmcli.stages.predict import predict
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact
from mmcli.store.state import State

ROWS = np.arange(60)
SPECS = {"pca": "pca:dim=5", "cca": "cca:dim=4", "contrastive": "contrastive:dim=4,epochs=3",
         "l2_align": "l2_align:dim=4,epochs=3"}  # fmt: skip


def probabilities(model, source):
    return np.array([list(row["probabilities"].values()) for group in predict(model, str(source)) for row in group])


def learnt(artifact):
    return artifact.states(artifact.chain[-1])["fused"].tensors


@pytest.fixture(scope="module")
def fused(chain, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fitted")
    for name, spec in SPECS.items():
        fuse([str(chain / "features")], folder / name, method=spec)
    return folder


def aligned(artifact):
    """The scaled features in the order of their names, and where each is present."""
    names = sorted(set(artifact.modalities) - {"fused"})
    columns = [artifact.take(name, ROWS) for name in names]
    return [np.array(column.main.values, float) for column in columns], [np.array(column.present) for column in columns]


def embedded(method, values, state):
    """Each modality in the shared space, from the state alone."""
    found = []
    for index, value in enumerate(values):
        if method == "cca":
            found.append(((value - state[f"mean_{index}"]) @ state[f"matrix_{index}"]) * state["correlations"])
            continue
        part = value @ state[f"projections.weight_{index}_0"] + state[f"projections.bias_{index}_0"]
        found.append(part / np.linalg.norm(part, axis=1, keepdims=True) if method == "contrastive" else part)
    return found


def test_every_fitted_method_is_tested_here():
    assert set(SPECS) == {name for name in FUSIONS.names() if FUSIONS.constant(name, "fitted")}


@pytest.mark.parametrize("method", ["cca", "contrastive", "l2_align"])
def test_fused_is_the_mean_of_the_embeddings_present(fused, method):
    artifact = Artifact(fused / method)
    values, present = aligned(artifact)
    parts = embedded(method, values, learnt(artifact))
    total = sum(np.where(there[:, None], part, 0) for part, there in zip(parts, present, strict=True))
    wanted = total / np.maximum(1, sum(there.astype(int) for there in present))[:, None]
    assert np.abs(wanted).max() > 0.05
    np.testing.assert_allclose(artifact.take("fused", ROWS).main.values, wanted, atol=1e-4)


def test_principal_components_are_those_of_the_train_rows_alone(fused):
    artifact = Artifact(fused / "pca")
    values, present = aligned(artifact)
    train_rows = np.array([row["split"] == "train" for row in artifact.rows])
    centred = [
        np.where(there[:, None], value - value[there & train_rows].mean(axis=0), 0)
        for value, there in zip(values, present, strict=True)
    ]
    joined = np.concatenate(centred, axis=1)
    _, _, directions = np.linalg.svd(joined[train_rows], full_matrices=False)
    wanted = joined @ directions[:5].T
    found = np.array(artifact.take("fused", ROWS).main.values)
    np.testing.assert_allclose(np.abs(found), np.abs(wanted), atol=2e-4)


@pytest.mark.parametrize("method", SPECS)
def test_a_model_computes_what_the_artifact_says(chain, fused, tmp_path, method):
    train(str(fused / method), tmp_path / "staged", epochs=3)
    train(str(chain / "features"), tmp_path / "direct", method=SPECS[method], epochs=3)
    staged, direct = ((tmp_path / name / "network.safetensors").read_bytes() for name in ("staged", "direct"))
    assert staged == direct
    artifact = Artifact(fused / method)
    columns = {name: artifact.take(name, ROWS) for name in artifact.modalities}
    features = {name: torch.from_numpy(np.array(columns[name].main.values)) for name in columns if name != "fused"}
    present = {name: torch.from_numpy(np.array(columns[name].present)) for name in features}
    for name in ("staged", "direct"):
        found = TrainedModel(tmp_path / name).network.fusion(features, present).numpy()
        np.testing.assert_array_equal(found, columns["fused"].main.values)
    whole = probabilities(tmp_path / "direct", chain / "table.csv")
    np.testing.assert_allclose(probabilities(tmp_path / "direct", fused / method), whole, atol=1e-5)
    lines = (chain / "table.csv").read_text().splitlines(keepends=True)
    order = np.random.default_rng(0).permutation(60)
    (chain / "mixed.csv").write_text(lines[0] + "".join(lines[1 + row] for row in order))
    np.testing.assert_array_equal(probabilities(tmp_path / "staged", chain / "mixed.csv"), whole[order])


@pytest.mark.parametrize("method", SPECS)
def test_nothing_is_learnt_from_val_or_test_rows(table, tmp_path, monkeypatch, method):
    monkeypatch.chdir(tmp_path)
    found = []
    for name in ("before", "after"):
        preprocess("table.csv", tmp_path / name / "s", text=["words"], numeric=["size"], target="label")
        extract_features(str(tmp_path / name / "s"), tmp_path / name / "x")
        fuse([str(tmp_path / name / "x")], tmp_path / name / "f", method=SPECS[method])
        artifact = Artifact(tmp_path / name / "f")
        found.append((artifact.chain[-1].states, np.array(artifact.take("fused", ROWS).main.values)))
        with (tmp_path / "table.csv").open() as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            if row["split"] != "train":
                row |= {"words": "leaf sky never seen", "size": "999.5"}
        with (tmp_path / "table.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    train_rows = np.array([row["split"] == "train" for row in rows])
    (before, vectors), (after, other_vectors) = found
    assert before == after
    assert set(before) == {"fused", "table", "words"}
    np.testing.assert_array_equal(vectors[train_rows], other_vectors[train_rows])
    assert not np.array_equal(vectors[~train_rows], other_vectors[~train_rows]), "the rows themselves did change"


@pytest.mark.parametrize("method", SPECS)
def test_the_same_command_gives_the_same_bytes_and_does_nothing_twice(chain, fused, tmp_path, method):
    fuse([str(chain / "features")], tmp_path / "again", method=SPECS[method])
    for name in ("artifact.json", "tensors/00000.safetensors"):
        assert (tmp_path / "again" / name).read_bytes() == (fused / method / name).read_bytes()
    summary = fuse([str(chain / "features")], tmp_path / "again", method=SPECS[method])
    assert summary.computed == 0


def test_the_fingerprint_depends_on_the_fitted_state(chain, fused):
    artifact = Artifact(fused / "cca")
    state = artifact.states(artifact.chain[-1])

    class Holder:
        chain = artifact.chain
        modalities = artifact.modalities

        def states(self, record):
            found = artifact.states(record)
            if record.stage != "fuse":
                return found
            return {**found, "fused": State({}, {**state["fused"].tensors, **self.changed})}

    holder = Holder()
    holder.changed = {}
    Chain(holder, MediaFolder("."), "id")
    holder.changed = {"correlations": state["fused"].tensors["correlations"] * np.float32(0.5)}
    with pytest.raises(MmcliError, match="does not reproduce 'fused' as recorded"):
        Chain(holder, MediaFolder("."), "id")
    holder.changed = {"correlations": np.zeros(9, np.float32)}
    with pytest.raises(MmcliError, match="has wrong shapes"):
        Chain(holder, MediaFolder("."), "id")


def test_a_fitted_method_needs_ready_features(chain, tmp_path):
    with pytest.raises(UsageError, match="--method cca: is fitted to features before training"):
        train(str(chain / "samples"), tmp_path / "model", method="cca", epochs=1)
