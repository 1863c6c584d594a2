"""The options read off a model ask for the training that the model records."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mmcli.errors import MmcliError
from mmcli.reporting import Silent
from mmcli.runtime import Runtime
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact
from mmcli.store.opening import open_samples
from mmcli.training.recorded import recorded_options
from mmcli.training.request import request_training


def asked_again(model, source):
    samples = open_samples(str(source), ["preprocess", "extract-features", "fuse"])
    samples = samples.choose(np.flatnonzero(samples.splits() != "test"))
    config = recorded_options(model, samples.roles.targets)
    return json.loads(json.dumps(request_training(samples, config, Runtime(), Silent()).to_json()))


@pytest.mark.parametrize(
    ("source", "options"),
    [
        ("features", {"method": "gated", "projection": 24, "dropout": 0.25, "modality_dropout": 0.1, "seed": 3}),
        ("features", {"hidden": "none", "sampling": "over", "class_weights": "balanced", "modalities": ["words"]}),
        ("features", {"model": "sklearn:random_forest:n_estimators=5", "method": "pca:dim=2"}),
        ("features", {"target": ["size"], "task": ["regression:log=false"], "empty_target": "drop", "patience": 0}),
        ("features", {"method": "late_mean", "augment": ["words=noise"], "augment_strength": 0.2, "l1": 0.01}),
        ("samples", {"encoder": ["picture=cnn:dim=8,lr_scale=0.5"], "augment": ["auto"], "precision": "float32"}),
        ("fused", {"monitor": "macro_f1", "schedule": "constant", "lr": 0.01, "batch_size": 16}),
    ],
)
def test_it_is_the_same_request(chain, tmp_path, source, options):
    network = {} if "model" in options else {"epochs": 1}
    train(str(chain / source), tmp_path / "m", **network, **options)
    model = Artifact(tmp_path / "m")
    found = asked_again(model, chain / source)
    parameters = {**model.header["parameters"], "batch_size": model.header["batch_size"]}
    assert found["parameters"] == parameters
    assert found["network"] == model.header["network"]
    assert found["seed"] == model.header["seed"]
    assert found["source"] == model.header["source"]


def test_what_a_model_does_not_record_is_said(chain):
    model = Artifact(chain / "model")
    model.header = {**model.header, "encoder_assets": {"words": {"vectors": "1f"}}}
    with pytest.raises(MmcliError, match="words started from a file of word vectors"):
        recorded_options(model, ["label"])
