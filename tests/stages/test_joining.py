"""Several sources joined by id: what one of them lacks is missing, says so, and nothing is learnt from test rows."""

import json

import numpy as np
import pytest

from mmcli.errors import MmcliError
from mmcli.stages.evaluate import evaluate
from mmcli.stages.extract_features import extract_features
from mmcli.stages.fuse import fuse
from mmcli.stages.predict import predict
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact
from tests.heard import Heard


@pytest.fixture
def parts(chain, tmp_path, mmcli):
    """Features of pictures of all samples, and of the words of every other one, in another order."""
    rows = [json.loads(line) for line in (chain / "samples/manifest.jsonl").read_text().splitlines()]
    chosen = rows[1::2][::-1]
    lines = "".join(json.dumps({"artifact": str(chain / "samples"), **row}) + "\n" for row in chosen)
    done = mmcli("extract-features", "-", "-o", tmp_path / "words", "--use", "words=tfidf", "--use", "picture=none",
                 "--use", "table=none", stdin=lines)  # fmt: skip
    assert done.code == 0, done.err
    extract_features(str(chain / "samples"), tmp_path / "pictures", use=["picture=hog", "words=none", "table=none"])
    return {row["id"] for row in chosen}


def test_a_sample_that_one_source_lacks_is_missing_there_and_says_so(parts, tmp_path, chain):
    heard = Heard()
    fuse([str(tmp_path / "pictures"), str(tmp_path / "words")], tmp_path / "fused", method="gated", reporter=heard)
    fused = Artifact(tmp_path / "fused")
    lacking = len(fused) - len(parts)
    assert heard.warnings == [f"{lacking} of {len(fused)} samples are not in words: they lack its modalities"]
    present = fused.present("words", np.arange(len(fused)))
    ledger = {(entry.id, entry.modality): entry for entry in fused.ledger()}
    for row, there in zip(fused.rows, present, strict=True):
        assert (row["status"]["words"] == "ok") == bool(there)
        if row["id"] not in parts:
            entry = ledger[row["id"], "words"]
            assert (entry.status, entry.reason) == ("missing", "not in words")
    assert fused.header["counts"]["words"]["ok"] == int(present.sum())
    train(str(tmp_path / "fused"), tmp_path / "model", epochs=1)
    answers = [row for rows in predict(tmp_path / "model", str(tmp_path / "fused")) for row in rows]
    for answer in answers:
        assert answer["id"] in parts or answer["status"]["words"] == "missing"


def test_sources_that_split_otherwise_are_refused(chain, tmp_path):
    text = (chain / "table.csv").read_text()
    (tmp_path / "table.csv").write_text(
        text.replace(",test,", ",TEST,").replace(",val,", ",test,").replace(",TEST,", ",val,")
    )
    preprocess(str(tmp_path / "table.csv"), tmp_path / "other", text=["words"], target="label")
    extract_features(str(tmp_path / "other"), tmp_path / "words")
    extract_features(str(chain / "samples"), tmp_path / "pictures", use=["picture=hog", "words=none", "table=none"])
    with pytest.raises(
        MmcliError, match=r"put 24 of their samples in different splits \(such as 's009': val and test\)"
    ):
        fuse([str(tmp_path / "pictures"), str(tmp_path / "words")], tmp_path / "fused")
    assert not (tmp_path / "fused").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"split": "Train"}, "split .* is 'Train', expected train, val, test"),
        ({"split": None}, "split .* is 'None', expected"),
        ({"id": ""}, "no id"),
        ({"id": None}, "no id"),
        ({"row": True}, "no 'artifact' and 'row'"),
    ],
)
def test_rows_on_a_pipe_are_checked_as_those_of_a_table_are(chain, mmcli, change, message):
    rows = [json.loads(line) for line in (chain / "features/manifest.jsonl").read_text().splitlines()]
    rows[2] |= change
    lines = "".join(json.dumps({"artifact": str(chain / "features"), **row}) + "\n" for row in rows)
    done = mmcli("fuse", "-", "-o", "fused", stdin=lines)
    assert done.code == 1
    assert len([line for line in done.err.splitlines() if "error" in line]) == 1
    import re

    assert re.search(message, done.err)


def test_a_source_with_an_id_twice_is_not_joined(chain, tmp_path, mmcli):
    extract_features(str(chain / "samples"), tmp_path / "words", use=["words=tfidf", "picture=none", "table=none"])
    rows = [json.loads(line) for line in (tmp_path / "words/manifest.jsonl").read_text().splitlines()]
    lines = "".join(json.dumps({"artifact": str(tmp_path / "words"), **row}) + "\n" for row in [*rows, rows[3]])
    extract_features(str(chain / "samples"), tmp_path / "more", use=["picture=hog", "words=none", "table=none"])
    done = mmcli("fuse", tmp_path / "more", "-", "-o", "fused", stdin=lines)
    assert done.code == 1
    assert "has an id twice" in done.err


def test_a_rate_that_tears_the_weights_apart_is_one_line(chain, tmp_path):
    with pytest.raises(MmcliError, match=r"no longer finite in epoch .*try a lower --lr"):
        train(str(chain / "fused"), tmp_path / "model", epochs=3, lr=1e30)


def test_a_modality_in_no_train_row_is_reported(chain, tmp_path):
    lines = (chain / "table.csv").read_text().splitlines()
    names = lines[0].split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in lines[1:]]
    for row in rows:
        row["words"] = "" if row["split"] == "train" else row["words"]
    (tmp_path / "table.csv").write_text("\n".join([lines[0], *(",".join(row.values()) for row in rows)]) + "\n")
    preprocess(str(tmp_path / "table.csv"), tmp_path / "s", text=["words"], numeric=["size"], target="label")
    heard = Heard()
    train(str(tmp_path / "s"), tmp_path / "m", epochs=1, reporter=heard)
    assert "words: in no train row, so it is not trained" in heard.warnings


def test_dropped_samples_are_reported_and_not_counted_in_their_split(table, tmp_path):
    heard = Heard()
    preprocess(str(table), tmp_path / "s", image=["picture"], target="label", on_error="drop", reporter=heard)
    artifact = Artifact(tmp_path / "s")
    assert sum(artifact.header["splits"].values()) == len(artifact) == 58
    assert any(text.startswith("2 samples with bad inputs are dropped") for text in heard.warnings)


def test_a_model_of_several_sources_is_measured_on_them_joined(parts, chain, tmp_path):
    sources = [str(tmp_path / "pictures"), str(tmp_path / "words")]
    train(sources, tmp_path / "model", epochs=1)
    joined = evaluate(tmp_path / "model", sources, split="all")
    answers = [row for rows in predict(tmp_path / "model", sources) for row in rows]
    table = {row["id"]: row["label"] for row in Artifact(tmp_path / "pictures").rows.rows(0, 60)}
    right = sum(answer["label"] == table[answer["id"]] for answer in answers)
    assert joined.metrics["n"] == len(answers) == 60
    assert joined.metrics["metrics"]["accuracy"] == pytest.approx(right / 60)
