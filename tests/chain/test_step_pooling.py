"""Sequences and feature maps pooled as asked, by fuse or by what train learns."""

from __future__ import annotations

import numpy as np
import pytest

from mmcli.errors import UsageError
from mmcli.inference.model import TrainedModel
from mmcli.stages.evaluate import evaluate
from mmcli.stages.fuse import fuse
from mmcli.stages.predict import predict
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact

ROWS = np.arange(48)
QUICK = {"epochs": 1, "batch_size": 16}
ENCODERS = ["picture=cnn:width=8,depth=2,dim=16,pool=none", "words=embedding:dim=16,pool=none", "table=mlp:dim=8"]


def probabilities(model, source):
    return np.array([list(row["probabilities"].values()) for group in predict(model, str(source)) for row in group])


@pytest.mark.parametrize(("pooling", "reduce"), [("mean", np.mean), ("max", np.max)])
def test_fuse_pools_as_asked(steps, tmp_path, pooling, reduce):
    fuse([str(steps / "features")], tmp_path / "fused", method="concat", pooling=pooling)
    artifact = Artifact(tmp_path / "fused")
    clip, maps, table = (artifact.take(name, ROWS) for name in ("a_clip", "map", "table"))
    fused = artifact.take("fused", ROWS).main.values
    for row in ROWS:
        wanted = [
            reduce(clip.main.item(row), axis=0) if clip.present[row] else np.zeros(3),
            reduce(maps.main.values[row], axis=(1, 2)),
            table.main.values[row],
        ]
        np.testing.assert_allclose(fused[row], np.concatenate(wanted), atol=1e-5)
    config = artifact.chain[-1].config
    assert config.get("pooling") == (None if pooling == "mean" else "max")
    train(str(tmp_path / "fused"), tmp_path / "staged", **QUICK)
    train(str(steps / "features"), tmp_path / "direct", method="concat", pooling=pooling, **QUICK)
    staged, direct = ((tmp_path / name / "network.safetensors").read_bytes() for name in ("staged", "direct"))
    assert staged == direct
    assert ("pooling" in Artifact(tmp_path / "staged").header["network"]) == (pooling != "mean")
    with pytest.raises(UsageError, match=f"was fused with --pooling {pooling}"):
        train(str(tmp_path / "fused"), tmp_path / "other", pooling="attention", **QUICK)


def test_learnt_pooling_is_left_to_train(steps, tmp_path):
    fuse([str(steps / "features")], tmp_path / "fused", method="concat", pooling="attention")
    assert "fused" not in Artifact(tmp_path / "fused").modalities
    train(str(tmp_path / "fused"), tmp_path / "model", **QUICK)
    model = TrainedModel(tmp_path / "model")
    learnt = [name for name in model.network.state_dict() if name.startswith("pooling.")]
    assert sorted(learnt) == sorted(f"pooling.{n}.{part}" for n in (0, 1) for part in
                                    ("query", "hidden.weight", "hidden.bias"))  # fmt: skip
    np.testing.assert_allclose(
        probabilities(tmp_path / "model", tmp_path / "fused"),
        probabilities(tmp_path / "model", steps / "table.csv"), atol=1e-5,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "perceiver", "pooling": "max"}, "--method perceiver uses all steps of sequences"),
        ({"method": "pca", "pooling": "attention"}, "but --method pca is fitted"),
    ],
)
def test_pooling_that_does_not_suit_a_method_is_refused(steps, tmp_path, options, message):
    for stage in (fuse, train):
        with pytest.raises(UsageError, match=message):
            stage([str(steps / "features")], tmp_path / "out", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("method", "pooling"), [("perceiver:dim=16", None), ("gated", "attention"), ("sum", "max")])
def test_what_encoders_make_of_each_step_is_fused_or_pooled(chain, tmp_path, method, pooling):
    train(str(chain / "samples"), tmp_path / "model", method=method, pooling=pooling, encoder=ENCODERS,
          epochs=12, patience=0, batch_size=16, lr=3e-3)  # fmt: skip
    report = evaluate(tmp_path / "model", str(chain / "samples"), split="val")
    assert report.metrics["metrics"]["accuracy"] > 0.75
    whole = probabilities(tmp_path / "model", chain / "table.csv")
    np.testing.assert_allclose(whole, probabilities(tmp_path / "model", chain / "samples"), atol=1e-5)
    lines = (chain / "table.csv").read_text().splitlines(keepends=True)
    (chain / "alone.csv").write_text(lines[0] + lines[8])
    np.testing.assert_array_equal(probabilities(tmp_path / "model", chain / "alone.csv")[0], whole[7])


@pytest.mark.parametrize("method", ["late_mean", "stacking", "gated"])
def test_learnt_pooling_goes_with_methods_of_every_kind(steps, tmp_path, method):
    train(str(steps / "features"), tmp_path / "model", method=method, pooling="attention",
          augment=["a_clip=noise", "map=noise"], **QUICK)  # fmt: skip
    learnt = TrainedModel(tmp_path / "model").network.pooling_of("a_clip")
    assert learnt.query.detach().abs().max() > 0, "it begins as zeros"
