"""Predictions: the same from wherever the rows enter the chain, honest about what was there."""

from __future__ import annotations

import csv
import json

import numpy as np
import pandas
import pytest

from mmcli.errors import MmcliError, UsageError
from mmcli.inference.model import TrainedModel
from mmcli.inference.prediction_file import write_predictions
from mmcli.runtime import Runtime
from mmcli.stages.evaluate import evaluate
from mmcli.stages.extract_features import extract_features
from mmcli.stages.predict import predict
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact
from tests.heard import Heard


def answers(model, source, **options):
    return [row for group in predict(model, str(source), **options) for row in group]


def probabilities(rows):
    return np.array([list(row["probabilities"].values()) for row in rows])


@pytest.mark.parametrize("stage", ["samples", "features", "fused"])
def test_raw_rows_and_every_artifact_of_the_chain_give_the_same_predictions(chain, stage):
    raw = answers(chain / "model", chain / "table.csv")
    stored = answers(chain / "model", chain / stage)
    assert [row["id"] for row in raw] == [f"s{number:03d}" for number in range(60)]
    np.testing.assert_allclose(probabilities(raw), probabilities(stored), atol=1e-5, rtol=0)
    for one, other in zip(raw, stored, strict=True):
        assert {key: one[key] for key in ("id", "label", "modalities", "status", "reasons")} == {
            key: other[key] for key in ("id", "label", "modalities", "status", "reasons")
        }


def test_a_row_says_what_it_had_and_why_it_lacks_the_rest(chain):
    rows = answers(chain / "model", chain / "table.csv")
    assert rows[0]["modalities"] == ["picture", "table"]
    assert rows[0]["status"] == {"picture": "ok", "table": "ok", "words": "missing"}
    assert rows[0]["reasons"] == {"words": "empty cell"}
    assert rows[2]["reasons"] == {"picture": "file not found (images/none.png)"}
    assert rows[4]["status"]["picture"] == "corrupt"
    assert "images/4.png" in rows[4]["reasons"]["picture"]
    for row in rows:
        assert sum(row["probabilities"].values()) == pytest.approx(1)
        assert row["label"] == max(row["probabilities"], key=row["probabilities"].get)
        assert row["probability"] == row["probabilities"][row["label"]]


def test_a_prediction_does_not_depend_on_the_rows_around_it(chain, tmp_path):
    with (chain / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    whole = answers(chain / "model", chain / "table.csv")
    one = tmp_path / "one.jsonl"
    one.write_text(json.dumps({**rows[17], "picture": str(chain / rows[17]["picture"])}) + "\n")
    assert answers(chain / "model", one)[0]["probabilities"] == whole[17]["probabilities"]


def test_a_row_without_any_modality_gets_the_prior_and_no_label(chain, tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"id": "a", "words": "", "picture": "gone.png", "size": ""}\n')
    row = answers(chain / "model", tmp_path / "rows.jsonl")[0]
    assert row["label"] is None
    assert row["modalities"] == []
    assert row["probabilities"] == pytest.approx({"blue": 1 / 3, "green": 1 / 3, "red": 1 / 3})


def test_files_that_are_not_found_are_one_warning_that_counts_them(chain, tmp_path):
    lines = "".join(f"r{n},sea sky ice,{'gone.png' if n else ''}\n" for n in range(3))
    (tmp_path / "rows.csv").write_text("id,words,picture,size\n" + lines.replace("\n", ",1.0\n"))
    heard = Heard()
    answers(chain / "model", tmp_path / "rows.csv", reporter=heard)
    assert heard.warnings == ["picture: treated as missing in 2 of 3 rows (file not found × 2)"]
    (tmp_path / "all.csv").write_text((tmp_path / "rows.csv").read_text().replace("ice,,", "ice,lost.png,"))
    heard = Heard()
    answers(chain / "model", tmp_path / "all.csv", reporter=heard)
    assert len(heard.warnings) == 1
    assert "treated as missing in all 3 rows (file not found × 3; paths are relative to" in heard.warnings[0]
    (tmp_path / "lost.png").write_bytes(b"no picture")
    (tmp_path / "bad.csv").write_text((tmp_path / "all.csv").read_text().replace("gone.png", "lost.png"))
    heard = Heard()
    answers(chain / "model", tmp_path / "bad.csv", reporter=heard)
    assert heard.warnings == ["picture: treated as missing in all 3 rows (not an image × 3)"]


def test_a_lacking_column_is_one_warning_and_none_at_all_an_error(chain, tmp_path):
    (tmp_path / "rows.csv").write_text("id,words\n" + "".join(f"r{n},sea sky ice\n" for n in range(300)))
    heard = Heard()
    rows = answers(chain / "model", tmp_path / "rows.csv", reporter=heard)
    assert len(heard.warnings) == 1
    assert "picture" in heard.warnings[0]
    assert "size" in heard.warnings[0]
    assert {row["label"] for row in rows} == {"blue"}
    assert rows[0]["modalities"] == ["words"]
    (tmp_path / "other.csv").write_text("id,colour\n1,red\n")
    with pytest.raises(MmcliError, match="none of the columns that the model uses"):
        answers(chain / "model", tmp_path / "other.csv")


def test_columns_that_the_model_does_not_use_are_not_missed(chain, tmp_path):
    train(str(chain / "features"), tmp_path / "model", modalities=["words"], epochs=1)
    (tmp_path / "rows.csv").write_text("id,words\na,sea sky ice\n")
    heard = Heard()
    assert answers(tmp_path / "model", tmp_path / "rows.csv", reporter=heard)[0]["modalities"] == ["words"]
    assert heard.warnings == []
    (tmp_path / "rows.csv").write_text("id,picture,size\na,x.png,1\n")
    with pytest.raises(MmcliError, match=r"none of the columns that the model uses \(words\)"):
        answers(tmp_path / "model", tmp_path / "rows.csv")


def test_files_hold_the_same_predictions_in_every_form(chain, tmp_path):
    model, source = chain / "model", str(chain / "table.csv")
    wanted = answers(model, source)
    for suffix in ("jsonl", "csv", "parquet"):
        assert write_predictions(tmp_path / f"p.{suffix}", predict(model, source)) == 60
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert lines == wanted
    for table in (pandas.read_csv(tmp_path / "p.csv"), pandas.read_parquet(tmp_path / "p.parquet")):
        assert table["id"].tolist() == [row["id"] for row in wanted]
        assert table["label"].tolist() == [row["label"] for row in wanted]
        np.testing.assert_allclose(
            table[[f"probability_{name}" for name in ("blue", "green", "red")]], probabilities(wanted)
        )
        assert table["modalities"][0] == "picture+table"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["p.csv", "p.jsonl", "p.parquet"]


def test_features_made_differently_are_refused(chain, tmp_path):
    extract_features(str(chain / "samples"), tmp_path / "features", use=["picture=hog:cells=4"])
    with pytest.raises(MmcliError, match="extract-features differs from that of the model's training data"):
        answers(chain / "model", tmp_path / "features")


def test_evaluation_equals_scikit_learn_on_the_written_predictions(chain, tmp_path):
    from sklearn.metrics import accuracy_score, log_loss

    evaluate(chain / "model", str(chain / "fused"), tmp_path / "report", split="test")
    found = json.loads((tmp_path / "report" / "metrics.json").read_text())
    rows = [json.loads(line) for line in (tmp_path / "report" / "predictions.jsonl").read_text().splitlines()]
    test_rows = [row for row in Artifact(chain / "fused").rows if row["split"] == "test"]
    assert [row["id"] for row in rows] == [row["id"] for row in test_rows]
    assert [row["target"] for row in rows] == [row["label"] for row in test_rows]
    truth = [row["target"] for row in rows]
    assert found["n"] == len(truth) == 12
    assert found["metrics"]["accuracy"] == accuracy_score(truth, [row["label"] for row in rows])
    assert found["metrics"]["log_loss"] == pytest.approx(
        log_loss(truth, probabilities(rows), labels=["blue", "green", "red"])
    )
    assert set(found["subsets"]) == {"picture", "table", "words", "picture+table", "picture+words", "table+words"}
    assert found["baselines"]["majority"]["accuracy"] == pytest.approx(1 / 3)


def test_a_subset_is_the_prediction_of_rows_that_lack_the_others(chain, tmp_path):
    with (chain / "table.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    with (tmp_path / "words.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["id", "words", "picture", "size"])
        writer.writeheader()
        writer.writerows({"id": row["id"], "words": row["words"], "picture": "", "size": ""} for row in rows)
    alone = probabilities(answers(chain / "model", tmp_path / "words.csv"))
    fused = Artifact(chain / "fused")
    model = TrainedModel(chain / "model")
    numbers = np.array([row["row"] for row in fused.rows if row["split"] == "test"])
    vectors = model.vectors({name: fused.take(name, numbers) for name in model.names}, Runtime())
    masked, _ = model.outputs(vectors, {"words"})
    np.testing.assert_allclose(masked, alone, atol=1e-6)


def test_a_report_is_an_artifact_that_the_next_one_replaces(chain, tmp_path):
    from mmcli.stages.inspect import inspect
    from mmcli.stages.verify import verify

    for split in ("val", "test"):
        evaluate(chain / "model", str(chain / "fused"), tmp_path / "report", split=split)
    assert json.loads((tmp_path / "report/metrics.json").read_text())["split"] == "test"
    assert verify(tmp_path / "report") == []
    assert inspect(tmp_path / "report")["stage"] == "evaluate"


def test_the_source_is_not_overwritten(chain, tmp_path):
    source = tmp_path / "rows.csv"
    source.write_bytes((chain / "table.csv").read_bytes())
    with pytest.raises(UsageError, match="is the source of the rows; write to another file"):
        predict(chain / "model", str(source), source, root=str(chain))
    assert source.read_bytes() == (chain / "table.csv").read_bytes()
