"""Learning from some modalities and predicting from others through a shared space."""

from __future__ import annotations

import numpy as np
import pytest

from mmcli.errors import MmcliError, UsageError
from mmcli.stages.evaluate import evaluate
from mmcli.stages.extract_features import extract_features
from mmcli.stages.fuse import fuse
from mmcli.stages.predict import predict
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from tests.conftest import write_csv
from tests.heard import Heard

QUICK = {"epochs": 30, "lr": 5e-3}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two modalities, both turned versions of the same eight numbers, of which the first three tell the class."""
    folder = tmp_path_factory.mktemp("cross")
    random = np.random.default_rng(0)
    hidden = random.normal(size=(300, 8))
    labels = hidden[:, :3].argmax(axis=1)
    turned = [hidden @ random.normal(size=(8, 10)) + random.normal(0, 0.02, (300, 10)) for _ in range(2)]
    rows = [
        {
            "id": number, "split": ["train", "train", "train", "val", "test"][number % 5], "label": f"c{label}",
            **{f"{name}{column}": value for name, part in zip("ab", turned, strict=True)
               for column, value in enumerate(part[number])},
        }
        for number, label in enumerate(labels)
    ]  # fmt: skip
    write_csv(folder / "table.csv", rows)
    preprocess(str(folder / "table.csv"), folder / "samples", numeric=["first=a*", "second=b*"], target="label")
    extract_features(str(folder / "samples"), folder / "features")
    fuse([str(folder / "features")], folder / "shared", method="cca:dim=8,regularization=0.001")
    return folder


@pytest.mark.parametrize(("learnt", "asked"), [("first", "second"), ("second", "first")])
def test_a_shared_space_transfers_from_one_modality_to_another(place, tmp_path, learnt, asked):
    train(str(place / "shared"), tmp_path / "model", modalities=[learnt], **QUICK)
    heard = Heard()
    found = evaluate(tmp_path / "model", str(place / "shared"), modalities=[asked], reporter=heard).metrics
    assert heard.warnings == []
    assert found["modalities"] == [asked]
    assert found["metrics"]["accuracy"] > 0.7
    assert set(found["subsets"]) == {"first", "second", "first+second"}
    assert found["subsets"][asked] == found["metrics"]
    apart = evaluate(tmp_path / "model", str(place / "shared"), modalities=[learnt]).metrics
    assert apart["metrics"] == found["subsets"][learnt]


def test_values_of_modalities_not_learnt_from_change_no_weight(place, tmp_path):
    """Without a shared space: the second modality's values of train rows are others, the network is the same."""
    import csv

    with (place / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row |= {f"b{column}": str(float(row[f"b{column}"]) ** 2) for column in range(10)}
    write_csv(tmp_path / "table.csv", rows)
    preprocess(str(tmp_path / "table.csv"), tmp_path / "samples", numeric=["first=a*", "second=b*"], target="label")
    extract_features(str(tmp_path / "samples"), tmp_path / "features")
    for source, name in ((place / "features", "one"), (tmp_path / "features", "other")):
        train(str(source), tmp_path / name, modalities=["first"], method="concat", epochs=3)
    one, other = ((tmp_path / name / "network.safetensors").read_bytes() for name in ("one", "other"))
    assert one == other
    train(str(place / "features"), tmp_path / "both", method="concat", epochs=3)
    assert (tmp_path / "both/network.safetensors").read_bytes() != one


def test_predict_looks_at_the_chosen_modalities_alone(place, tmp_path):
    train(str(place / "shared"), tmp_path / "model", modalities=["first"], **QUICK)
    chosen, whole = (
        [row for group in predict(tmp_path / "model", str(place / "table.csv"), modalities=asked) for row in group]
        for asked in (["second"], [])
    )
    assert {tuple(row["modalities"]) for row in chosen} == {("second",)}
    assert {tuple(row["modalities"]) for row in whole} == {("first", "second")}
    lacking = tmp_path / "lacking.csv"
    with (place / "table.csv").open() as file:
        header, *lines = [line.rstrip("\n").split(",") for line in file]
    keep = [place for place, name in enumerate(header) if not name.startswith("a")]
    lacking.write_text("\n".join(",".join(line[place] for place in keep) for line in [header, *lines]) + "\n")
    without = [row for group in predict(tmp_path / "model", str(lacking)) for row in group]
    for one, other in zip(chosen, without, strict=True):
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-6)


def test_a_modality_that_nothing_was_learnt_of_is_not_looked_at(place, tmp_path):
    train(str(place / "features"), tmp_path / "model", modalities=["first"], method="concat", epochs=3)
    features = str(place / "features")
    with pytest.raises(UsageError, match=r"learnt only from first.*does not map second into the same space"):
        evaluate(tmp_path / "model", features, modalities=["second"])
    found = evaluate(tmp_path / "model", features).metrics
    asked = evaluate(tmp_path / "model", features, modalities=["first"]).metrics
    assert found["metrics"] == asked["metrics"] == asked["subsets"]["first"]
    assert found["subsets"] == {}
    answers = [row for group in predict(tmp_path / "model", features) for row in group]
    assert {tuple(row["modalities"]) for row in answers} == {("first",)}


def test_an_unknown_modality_is_one_line(place, tmp_path):
    features = str(place / "features")
    train(features, tmp_path / "model", epochs=1)
    for call in (
        lambda: train(features, tmp_path / "other", modalities=["frist"], epochs=1),
        lambda: evaluate(tmp_path / "model", features, modalities=["frist,second"]),
        lambda: next(iter(predict(tmp_path / "model", features, modalities=["frist"]))),
    ):
        with pytest.raises(MmcliError, match="unknown modality 'frist'; did you mean 'first'"):
            call()
