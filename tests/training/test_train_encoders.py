"""train end to end: encoders on what preprocess stored, beside ready features, frozen or in part."""

import csv
import json
import threading

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mmcli.chain.prefetch import ahead
from mmcli.errors import MmcliError, UsageError
from mmcli.inference.model import TrainedModel
from mmcli.networks.building import build_network
from mmcli.networks.encoder_choice import EncoderChoice, parse_choice, set_trained
from mmcli.reporting import Silent
from mmcli.runtime import Runtime
from mmcli.stages.evaluate import evaluate
from mmcli.stages.predict import predict
from mmcli.stages.preprocess import preprocess
from mmcli.stages.train import train
from mmcli.store.artifact import Artifact
from tests.heard import Heard

ENCODERS = ["picture=cnn:width=8,depth=2,dim=16", "words=embedding:dim=16", "table=mlp:dim=8"]
QUICK = {"epochs": 3, "patience": 0, "batch_size": 16}


def answers(model, source):
    return [row for rows in predict(model, str(source)) for row in rows]


def probabilities(rows):
    return np.array([list(row["probabilities"].values()) for row in rows])


@pytest.fixture(scope="module")
def end_to_end(chain, tmp_path_factory):
    folder = tmp_path_factory.mktemp("end_to_end")
    train(str(chain / "samples"), folder / "model", encoder=ENCODERS, epochs=12, patience=0, batch_size=16, lr=3e-3)
    return folder / "model"


def test_it_learns_from_pixels_and_words(end_to_end, chain, tmp_path):
    report = evaluate(end_to_end, str(chain / "samples"), tmp_path / "report")
    assert report.metrics["metrics"]["accuracy"] >= 0.75
    assert set(report.metrics["subsets"]) >= {"picture", "words", "table"}
    assert report.metrics["subsets"]["picture"]["accuracy"] > report.metrics["baselines"]["majority"]["accuracy"]


def test_raw_rows_and_stored_ones_are_predicted_alike(end_to_end, chain):
    stored, raw = answers(end_to_end, chain / "samples"), answers(end_to_end, chain / "table.csv")
    assert [row["id"] for row in stored] == [row["id"] for row in raw]
    np.testing.assert_allclose(probabilities(stored), probabilities(raw), atol=1e-5)
    assert [row["status"] for row in stored] == [row["status"] for row in raw]


def test_a_row_alone_is_predicted_as_among_others(end_to_end, chain, tmp_path):
    together = probabilities(answers(end_to_end, chain / "table.csv"))
    lines = (chain / "table.csv").read_text().splitlines(keepends=True)
    (chain / "alone.csv").write_text(lines[0] + lines[8])
    try:
        alone = probabilities(answers(end_to_end, chain / "alone.csv"))
    finally:
        (chain / "alone.csv").unlink()
    np.testing.assert_array_equal(alone[0], together[7])


def test_features_alone_do_not_suffice_for_a_model_that_encodes(end_to_end, chain):
    with pytest.raises(MmcliError, match="extract-features differs"):
        answers(end_to_end, chain / "features")


def test_stored_values_and_ready_features_train_together(chain, tmp_path):
    from mmcli.stages.extract_features import extract_features

    extract_features(str(chain / "samples"), tmp_path / "features", use=["words=tfidf", "picture=none", "table=none"])
    train([str(chain / "samples"), str(tmp_path / "features")], tmp_path / "model",
          encoder=[ENCODERS[0]], epochs=8, patience=0, batch_size=16, lr=3e-3)  # fmt: skip
    model = TrainedModel(tmp_path / "model")
    assert set(model.plan.encoders) == {"picture", "table"}
    assert model.modalities["words"].extractor == "tfidf"
    rows = answers(tmp_path / "model", chain / "table.csv")
    labels = {row["id"]: row["label"] for row in csv.DictReader((chain / "table.csv").open())}
    right = [row["label"] == labels[row["id"]] for row in rows if "words" in row["modalities"]]
    assert np.mean(right) > 0.8
    with pytest.raises(MmcliError, match="features: lacks picture, table, which the model encodes itself"):
        answers(tmp_path / "model", tmp_path / "features")


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(chain, tmp_path):
    for name, seed in (("first", 0), ("again", 0), ("other", 1)):
        train(str(chain / "samples"), tmp_path / name, encoder=ENCODERS, seed=seed, augment=["auto"], **QUICK)
    first, again, other = (
        (tmp_path / name / "network.safetensors").read_bytes() for name in ("first", "again", "other")
    )
    assert first == again
    assert first != other


def test_a_stopped_run_goes_on_to_the_same_bytes(chain, tmp_path):
    from mmcli.errors import StoppedError
    from tests.stages.test_train import CtrlC

    options = {"encoder": ENCODERS, "augment": ["auto"], "patience": 0, "batch_size": 16, "epochs": 4}
    train(str(chain / "samples"), tmp_path / "whole", **options)
    with pytest.raises(StoppedError):
        train(str(chain / "samples"), tmp_path / "model", reporter=CtrlC(2), **options)
    train(str(chain / "samples"), tmp_path / "model", **options)
    one, two = (load_file(tmp_path / name / "network.safetensors") for name in ("whole", "model"))
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert torch.equal(value, two[name]), name


def changed(chain, tmp_path, spec, name="model"):
    """Which parameters of the picture's encoder training changed, by name, in their order."""
    train(str(chain / "samples"), tmp_path / name, encoder=[f"picture={spec}", *ENCODERS[1:]], **QUICK)
    model = TrainedModel(tmp_path / name)
    start = build_network(model.plan, model.modalities, model.task, pretrained=True).encoders["picture"]
    now = dict(model.network.encoders["picture"].named_parameters())
    return [name for name, value in start.named_parameters() if not torch.equal(value, now[name])], list(now)


def test_freezing_trains_none_or_the_last_layers_alone(chain, tmp_path):
    cnn = "cnn:width=8,depth=2,dim=16"
    moved, names = changed(chain, tmp_path, cnn, "all")
    assert moved == names
    assert changed(chain, tmp_path, f"{cnn},freeze", "none")[0] == []
    some = changed(chain, tmp_path, f"{cnn},last=1", "some")[0]
    assert some == names[-len(some) :]
    assert 0 < len(some) < len(names)


def test_a_lower_learning_rate_moves_an_encoder_less(chain, tmp_path):
    def distance(spec, name):
        train(str(chain / "samples"), tmp_path / name, encoder=[f"picture={spec}", *ENCODERS[1:]], **QUICK)
        model = TrainedModel(tmp_path / name)
        start = build_network(model.plan, model.modalities, model.task, pretrained=True).encoders["picture"]
        now = dict(model.network.encoders["picture"].named_parameters())
        return sum(float((value - now[name]).detach().norm()) for name, value in start.named_parameters())

    cnn = "cnn:width=8,depth=2,dim=16"
    assert distance(f"{cnn},lr_scale=0.01", "slow") < 0.1 * distance(cnn, "fast")


def test_a_choice_survives_its_text():
    for text in ("cnn", "cnn:width=8", "cnn:freeze", "cnn:width=8,last=2", "hf:folder/name:pool=mean,lr_scale=0.1"):
        choice = parse_choice(text)
        assert parse_choice(str(choice)) == choice
    assert parse_choice("cnn:freeze") == EncoderChoice(parse_choice("cnn").spec, freeze=True)


def test_the_last_layers_are_those_with_matrices():
    network = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.LayerNorm(3), torch.nn.Linear(3, 4), torch.nn.ReLU())
    set_trained(network, EncoderChoice(parse_choice("cnn").spec, last=1))
    assert [name for name, value in network.named_parameters() if value.requires_grad] == ["2.weight", "2.bias"]


@pytest.mark.parametrize(
    ("encoder", "error", "message"),
    [
        ("picture", UsageError, "expected MODALITY=ENCODER"),
        ("pictures=cnn", MmcliError, "did you mean 'picture'"),
        ("picture=cmn", MmcliError, "did you mean 'cnn'"),
        ("picture=lstm", MmcliError, "lstm is for text, but picture is image"),
        ("picture=cnn:last=0", UsageError, "last of at least 1"),
        ("picture=cnn:freeze=true,lr_scale=2", UsageError, "neither together with freeze"),
        ("picture=resnet18", MmcliError, "resnet18-.*not on this machine"),
    ],
)
def test_invalid_encoders_are_refused_in_one_line(chain, tmp_path, encoder, error, message):
    with pytest.raises(error, match=message):
        train(str(chain / "samples"), tmp_path / "model", encoder=[encoder], **QUICK)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        ("picture", "expected auto, or MODALITY"),
        ("pictures=crop", "did you mean 'picture'"),
        ("picture=corp", "did you mean 'crop'"),
        ("picture=mixup", "words differ in length"),
    ],
)
def test_augmentations_that_cannot_be(chain, tmp_path, augment, message):
    with pytest.raises(MmcliError, match=message):
        train(str(chain / "samples"), tmp_path / "model", encoder=ENCODERS, augment=[augment], **QUICK)


def test_augmentation_changes_what_is_learnt_and_is_recorded(chain, tmp_path):
    for name, augment in (("plain", []), ("changed", ["picture=crop,flip"])):
        train(str(chain / "samples"), tmp_path / name, encoder=ENCODERS, augment=augment, **QUICK)
    plain, changed = (Artifact(tmp_path / name) for name in ("plain", "changed"))
    assert changed.header["parameters"]["augmentation"] == {"names": {"picture": ["crop", "flip"]}, "strength": 0.5}
    weights = [(model.path / "network.safetensors").read_bytes() for model in (plain, changed)]
    assert weights[0] != weights[1]


def test_mixup_trains(table, tmp_path):
    preprocess(str(table), tmp_path / "samples", image=["picture"], target="label", image_size=32)
    summary = train(str(tmp_path / "samples"), tmp_path / "model", encoder=[ENCODERS[0]], augment=["picture=mixup"],
                    epochs=10, patience=0, batch_size=16, lr=3e-3)  # fmt: skip
    assert summary.details["val"]["accuracy"] > 0.5


def test_a_model_carries_its_weights_and_needs_no_file_of_its_encoders(chain, tmp_path):
    from mmcli.encoders.torchvision.resnet18 import Resnet18

    weights = tmp_path / "resnet.pth"
    spec = Artifact(chain / "samples").modalities["picture"]
    torch.save(Resnet18(spec, weights="none", seed=3).body.state_dict(), weights)
    train(str(chain / "samples"), tmp_path / "model",
          encoder=[f"picture=resnet18:weights={weights},freeze", *ENCODERS[1:]], epochs=1, batch_size=32)  # fmt: skip
    before = probabilities(answers(tmp_path / "model", chain / "samples"))
    weights.unlink()
    np.testing.assert_array_equal(probabilities(answers(tmp_path / "model", chain / "samples")), before)
    kept = TrainedModel(tmp_path / "model").network.encoders["picture"].body.state_dict()
    expected = Resnet18(spec, weights="none", seed=3).body.state_dict()
    assert all(torch.equal(kept[name], value) for name, value in expected.items())
    assert json.loads((tmp_path / "model/artifact.json").read_text())["encoder_assets"]["picture"]["weights"]


def test_vectors_of_absent_rows_are_zeros_and_no_others(end_to_end, chain):
    model, samples = TrainedModel(end_to_end), Artifact(chain / "samples")
    rows = np.arange(10)
    columns = {name: samples.take(name, rows) for name in model.names}
    vectors = model.vectors(columns, Runtime())
    for name in model.names:
        zero = (vectors.values[name] == 0).all(dim=1).numpy()
        np.testing.assert_array_equal(zero, ~columns[name].present)


def test_a_text_encoder_starts_from_word_vectors(chain, tmp_path):
    words = ["rose", "sea", "LEAF", "moss"]
    values = np.random.default_rng(0).normal(3, 2, (len(words), 12)).astype(np.float32)
    lines = (f"{word} {' '.join(map(str, vector))}" for word, vector in zip(words, values.tolist(), strict=True))
    (tmp_path / "vectors.txt").write_text("\n".join(lines) + "\n")
    heard = []
    reporter = Silent()
    reporter.note = heard.append
    # Frozen, the table is still the start when training has ended.
    train(str(chain / "samples"), tmp_path / "model", encoder=[f"words=embedding:vectors={tmp_path}/vectors.txt,freeze",
          ENCODERS[0], ENCODERS[2]], reporter=reporter, **QUICK)  # fmt: skip
    (tmp_path / "vectors.txt").unlink()
    model = TrainedModel(tmp_path / "model")
    vocabulary = Artifact(chain / "samples").states(Artifact(chain / "samples").chain[0])["words"].values["vocabulary"]
    table = model.network.encoders["words"].table.weight.detach().numpy()
    assert table.shape == (len(vocabulary) + 2, 12)
    found = [
        (values[number], table[vocabulary.index(word) + 2]) for number, word in enumerate(words) if word in vocabulary
    ]
    assert any("vectors for 3 of" in text for text in heard)
    ratios = np.concatenate([now / start for start, now in found])
    np.testing.assert_allclose(ratios, ratios[0], rtol=1e-4)
    with pytest.raises(UsageError, match="cannot start from word vectors"):
        parse_choice("cnn:vectors=x.txt")


class TestAhead:
    def test_order_and_end(self):
        assert list(ahead(iter(range(50)))) == list(range(50))

    def test_an_error_comes_in_its_place(self):
        def items():
            yield 1
            raise ValueError("broken")

        found = ahead(items())
        assert next(found) == 1
        with pytest.raises(ValueError, match="broken"):
            next(found)

    def test_who_leaves_early_leaves_no_thread(self):
        before = threading.active_count()
        found = ahead(iter(range(10**9)))
        assert next(found) == 0
        found.close()
        assert threading.active_count() == before


def test_last_is_at_most_the_number_of_layers_and_frozen_random_encoders_are_reported(chain, tmp_path):
    options = {"epochs": 1, "limit": 40}
    with pytest.raises(MmcliError, match=r"cnn:.*last=99: has \d+ layers; expected last of 1 to \d+"):
        train(str(chain / "samples"), tmp_path / "deep", encoder=["picture=cnn:width=8,last=99"], **options)
    heard = Heard()
    frozen = ["picture=cnn:width=8,freeze"]
    train(str(chain / "samples"), tmp_path / "frozen", encoder=frozen, reporter=heard, **options)
    assert any("has random weights that are not trained" in said for said in heard.warnings)


def test_an_extractor_is_not_an_encoder(chain, tmp_path):
    with pytest.raises(MmcliError, match=r"tfidf is not trainable; use it in extract-features with --use words=tfidf"):
        train(str(chain / "samples"), tmp_path / "model", encoder=["words=tfidf"])
