"""Invalid training is refused before it begins."""

from __future__ import annotations

import math

import pytest

from mmcli.errors import MmcliError, UsageError
from mmcli.stages.extract_features import extract_features
from mmcli.stages.fuse import fuse
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from tests.heard import Heard


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"seed": -1}, UsageError, "seed -1: expected an integer from 0"),
        ({"seed": 2**63}, UsageError, "expected an integer from 0"),
        ({"lr": math.nan}, UsageError, "--lr nan: expected a number"),
        ({"weight_decay": math.inf}, UsageError, "--weight-decay inf: expected a number"),
        ({"hidden": "99999999999"}, MmcliError, r"training a network of [\d,]+ parameters needs"),
        ({"method": "perceiver:dim=1048576"}, MmcliError, r"training a network of [\d,]+ parameters needs"),
    ],
)
def test_by_train(chain, tmp_path, options, error, message):
    with pytest.raises(error, match=message):
        train(str(chain / "features"), tmp_path / "model", epochs=1, **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("gated:foo=1", "unknown option of fusion method 'gated' 'foo'"),
        ("tensor:dim=x", "dim=x: expected a number"),
        ("mag:main=nothing", "unknown modality 'nothing'"),
        ("only:nothing", "unknown modality 'nothing'"),
    ],
)
def test_by_fuse_of_methods_that_train_will_build(chain, tmp_path, method, message):
    with pytest.raises(MmcliError, match=message):
        fuse([str(chain / "features")], tmp_path / "fused", method=method)
    assert list(tmp_path.iterdir()) == []


def test_by_preprocess_of_a_name_that_fuse_takes(table, tmp_path):
    with pytest.raises(MmcliError, match="a modality would be named 'fused'"):
        preprocess(str(table), tmp_path / "samples", text=["fused=words"])


def test_a_target_that_is_also_an_input_is_reported(table, tmp_path):
    table.write_text(table.read_text().replace(",,", ",0.5,"))
    preprocess(str(table), tmp_path / "samples", text=["words"], numeric=["size"], target="label")
    extract_features(str(tmp_path / "samples"), tmp_path / "features")
    for target, said in (("size", ["the target 'size' is also an input (table)"]), ("label", [])):
        heard = Heard()
        train(str(tmp_path / "features"), tmp_path / target, target=target, epochs=1, reporter=heard)
        assert [warning.partition(":")[0] for warning in heard.warnings if "an input" in warning] == said
