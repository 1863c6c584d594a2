"""fuse: scales from the train rows alone, aligned features, static methods written, sources joined by id."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from mmcli.chain.transforms.scaler import ROW_NORM
from mmcli.errors import MmcliError
from mmcli.stages.extract_features import extract_features
from mmcli.stages.fuse import fuse
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact

ROWS = np.arange(60)


def column(artifact: Artifact, name: str):
    found = artifact.take(name, ROWS)
    return np.array(found.main.values, np.float64), np.array(found.present)


@pytest.fixture(scope="module")
def fused(chain, tmp_path_factory):
    folder = tmp_path_factory.mktemp("fused")
    fuse([str(chain / "features")], folder / "concat", method="concat")
    fuse([str(chain / "features")], folder / "mean", method="mean:dim=16")
    return folder


def is_train(artifact: Artifact) -> np.ndarray:
    return np.array([row["split"] == "train" for row in artifact.rows])


def test_columns_are_standardised_as_scikit_learn_does_on_the_train_rows(chain, fused):
    raw, present = column(Artifact(chain / "features"), "table")
    found, _ = column(Artifact(fused / "concat"), "table")
    train_rows = is_train(Artifact(chain / "features")) & present
    wanted = StandardScaler().fit(raw[train_rows]).transform(raw[present])
    varying = raw[train_rows].std(axis=0) > 0
    width = raw.shape[1]
    np.testing.assert_allclose(found[present][:, varying], wanted[:, varying] * ROW_NORM / np.sqrt(width), rtol=1e-4)
    assert not found[present][:, ~varying].any(), "a column without spread says nothing"


@pytest.mark.parametrize("name", ["words", "picture_hog", "picture_color_histogram"])
def test_a_sparse_or_normalised_feature_is_scaled_as_a_whole(chain, fused, name):
    raw, present = column(Artifact(chain / "features"), name)
    found, _ = column(Artifact(fused / "concat"), name)
    train_rows = is_train(Artifact(chain / "features")) & present
    ratio = ROW_NORM / np.sqrt((raw[train_rows] ** 2).sum(axis=1).mean())
    np.testing.assert_allclose(found[present], raw[present] * ratio, rtol=1e-4, atol=1e-6)
    assert not found[~present].any()


def test_concat_is_the_features_side_by_side_in_the_order_of_their_names(fused):
    artifact = Artifact(fused / "concat")
    names = sorted(set(artifact.modalities) - {"fused"})
    wanted = np.concatenate([column(artifact, name)[0] for name in names], axis=1)
    np.testing.assert_array_equal(column(artifact, "fused")[0], wanted)


def test_mean_of_unlike_widths_is_a_mean_of_projections_over_those_present(fused):
    from mmcli.registry import FUSIONS

    artifact = Artifact(fused / "mean")
    names = sorted(set(artifact.modalities) - {"fused"})
    assert artifact.modalities["fused"].main.dims == (16,)
    module = FUSIONS.load("mean")({name: artifact.modalities[name].main.dims[0] for name in names}, dim=16, seed=0)
    state = {name: value.double().numpy() for name, value in module.state_dict().items()}
    total, count = np.zeros((60, 16)), np.zeros((60, 1))
    for index, name in enumerate(names):
        values, present = column(artifact, name)
        (matrix,) = [value for key, value in state.items() if key.endswith(f"matrix_{index}")]
        total += np.where(present[:, None], values @ matrix, 0)
        count += present[:, None]
    np.testing.assert_allclose(column(artifact, "fused")[0], total / count, atol=1e-4)


def test_learnt_methods_write_no_fused_tensor(chain):
    assert "fused" not in Artifact(chain / "fused").modalities


def test_sources_are_joined_by_id_and_the_model_takes_raw_rows(chain, tmp_path, monkeypatch):
    from mmcli.stages.predict import predict

    monkeypatch.chdir(chain)
    for name, flags in {"text": {"text": ["words"]}, "images": {"image": ["picture"], "image_size": 32}}.items():
        preprocess("table.csv", tmp_path / name, target="label", **flags)
        extract_features(str(tmp_path / name), tmp_path / f"{name}_features")
    fuse([str(tmp_path / "text_features"), str(tmp_path / "images_features")], tmp_path / "fused")
    joined = Artifact(tmp_path / "fused")
    assert set(joined.modalities) == {"words", "picture_hog", "picture_color_histogram", "fused"}
    np.testing.assert_allclose(
        column(joined, "picture_hog")[0], column(Artifact(chain / "fused"), "picture_hog")[0], atol=1e-6
    )
    train(str(tmp_path / "fused"), tmp_path / "model", epochs=5)
    stored, raw = (
        [row for group in predict(tmp_path / "model", source) for row in group]
        for source in (str(tmp_path / "fused"), "table.csv")
    )
    assert stored == raw
    with pytest.raises(MmcliError, match="both have a modality 'words'"):
        fuse([str(tmp_path / "text_features")] * 2, tmp_path / "twice")


def test_sequences_are_pooled_over_their_own_steps(chain, tmp_path, monkeypatch):
    monkeypatch.chdir(chain)
    (tmp_path / "vectors.txt").write_text("rose 1 0 0\nsea 0 1 0\nleaf 0 0 1\nsky 0 1 1\n")
    extract_features("samples", tmp_path / "f", use=[f"words=word_vectors:path={tmp_path}/vectors.txt,mode=sequence",
                                                     "picture=none", "table=none"])  # fmt: skip
    fuse([str(tmp_path / "f")], tmp_path / "fused")
    artifact = Artifact(tmp_path / "fused")
    scaled = artifact.take("words", ROWS)
    pooled, present = column(artifact, "fused")
    for row in np.flatnonzero(present):
        np.testing.assert_allclose(pooled[row], scaled.main.item(row).mean(axis=0), atol=1e-6)
    assert (np.diff(scaled.main.offsets)[present] == 3).all()
