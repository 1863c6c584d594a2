"""Models and artifacts made before a reader or extractor changed: nothing stale is reused, and a difference is said."""

from __future__ import annotations

import copy

import pytest

from mmcli.chain.transforms.preprocess import PreprocessTransform
from mmcli.errors import MmcliError
from mmcli.modalities.files import MediaFolder
from mmcli.modalities.image.hog import Hog
from mmcli.modalities.image.read import Preprocessor
from mmcli.stages.predict import predict
from mmcli.stages.preprocess import preprocess
from mmcli.store.artifact import Artifact
from mmcli.store.keys import fingerprint
from tests.heard import Heard


def answers(model, source, reporter):
    return [row for group in predict(model, str(source), reporter=reporter) for row in group]


@pytest.fixture
def newer_reader(monkeypatch):
    monkeypatch.setattr(Preprocessor, "version", Preprocessor.version + 1)


def test_an_old_model_answers_raw_rows_and_says_what_it_was_trained_on(chain, newer_reader):
    heard = Heard()
    assert len(answers(chain / "model", chain / "table.csv", heard)) == 60
    told = [text for text in heard.warnings if "other versions" in text]
    assert len(told) == 1
    assert f"picture (version {Preprocessor.version - 1}, now {Preprocessor.version})" in told[0]
    assert "words" not in told[0]


def test_stored_values_of_the_old_reader_are_the_old_models_own(chain, newer_reader):
    heard = Heard()
    assert len(answers(chain / "model", chain / "features", heard)) == 60
    assert heard.warnings == []


def test_new_rows_are_not_made_like_an_old_model(chain, newer_reader, tmp_path):
    with pytest.raises(MmcliError, match=r"'picture' was read by version \d+ of mmcli's image reader"):
        preprocess(str(chain / "table.csv"), tmp_path / "like", like=chain / "model")


def test_no_item_of_the_old_reader_is_reused(chain, newer_reader, tmp_path):
    options = {"text": ["words"], "image": ["picture"], "numeric": ["size"], "target": "label", "image_size": 16}
    first = preprocess(str(chain / "table.csv"), tmp_path / "samples", **options)
    assert first.reused == 0
    again = preprocess(str(chain / "table.csv"), tmp_path / "samples", **options)
    assert again.computed == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Preprocessor, "version", Preprocessor.version + 1)
        newer = preprocess(str(chain / "table.csv"), tmp_path / "samples", **options)
    assert newer.computed == newer.counts["picture"]["ok"]
    assert newer.reused == newer.counts["words"]["ok"] + newer.counts["table"]["ok"]


def test_features_of_another_version_are_refused(chain, monkeypatch):
    monkeypatch.setattr(Hog, "version", Hog.version + 1)
    with pytest.raises(MmcliError, match=r"made by version \d+ of hog"):
        answers(chain / "model", chain / "table.csv", Heard())


def test_old_records_match_although_options_were_added_since(chain):
    artifact = Artifact(chain / "samples")
    (record,) = artifact.chain
    earlier = copy.deepcopy(record.config)
    del earlier["modalities"]["picture"]["config"]["background"]  # as if no version had known it yet
    loaded = PreprocessTransform.load(earlier, artifact.states(record), MediaFolder("."), "id")
    part = earlier["modalities"]["picture"]
    assert loaded.modalities()["picture"].fingerprint == fingerprint(["image", part["version"], part["config"], ""])
    assert loaded.config()["modalities"]["picture"] == part
    assert loaded.modalities()["words"].fingerprint == artifact.modalities["words"].fingerprint
