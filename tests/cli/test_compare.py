"""mmcli compare as a person meets it: what it takes, prints and refuses."""

from __future__ import annotations

import json

from mmcli.comparison.config import CompareConfig
from mmcli.options import options_of
from mmcli.training.config import TrainConfig


def test_it_takes_the_options_of_train():
    of_train, own = options_of(TrainConfig), options_of(CompareConfig)
    assert own.keys() - of_train.keys() == {"seeds", "metric"}
    assert of_train.keys() - own.keys() == {"folds"}
    assert own["method"].many
    assert not of_train["method"].many


def test_table_json_and_one_warning_for_what_failed(chain, mmcli):
    line = (
        "compare", chain / "features", "-o", "c", "--method", "only:words", "--method", "gated", "--method",
        "tensor:dim=100", "--seeds", "0,1", "--epochs", "2", "--device", "cpu",
    )  # fmt: skip
    first = mmcli(*line)
    assert first.code == 0, first.err
    assert "classification of label, 12 val rows, 2 seeds" in first.out
    assert "best single" in first.out
    assert "tensor:dim=100: failed, " in first.out
    assert first.err.count("1 of 3 methods failed") == 1
    second = mmcli(*line, "--json", "--quiet")
    assert second.code == 0, second.err
    assert second.err == ""
    found = json.loads(second.out)
    methods = {method["method"]: method for method in found["methods"]}
    assert list(methods) == sorted(methods, key=lambda name: -(methods[name]["mean"] or -1))
    assert methods["gated"]["seconds"] > 0
    assert found["output"] == "c"
    shown = mmcli("inspect", "c")
    assert "report of compare" in shown.out
    assert mmcli("verify", "c").code == 0
    assert mmcli("ledger", "c", "--json").out == ""


def test_mistakes_are_one_line(chain, mmcli, tmp_path):
    for arguments, code, words in [
        ((chain / "fused", "-o", "c"), 1, ["an artifact of fuse", "preprocess or extract-features"]),
        ((chain / "features", "-o", "c", "--seeds", "none"), 2, ["--seeds none", "0,1,2"]),
        ((chain / "features", "-o", chain / "model"), 1, ["another stage"]),
    ]:
        result = mmcli("compare", *arguments)
        assert result.code == code, result.err
        lines = result.err.splitlines()
        assert len(lines) == 1, result.err
        assert all(word in lines[0] for word in ["mmcli compare: error: ", *words]), lines[0]
        assert result.out == ""
    assert list(tmp_path.iterdir()) == []
