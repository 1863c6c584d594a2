"""What holds for every augmentation of every kind."""

import pytest
import torch

from mmcli.augmentation import AUGMENTATIONS, default_names
from mmcli.augmentation.augmenter import OPERATIONS, Augmenter
from mmcli.augmentation.mixup import Mixup, draw_mixup
from mmcli.encoders.scratch.audio_cnn import AudioCnn
from mmcli.encoders.scratch.audio_lstm import AudioLstm
from mmcli.encoders.scratch.cnn import Cnn
from mmcli.errors import MmcliError
from mmcli.store.columns import FieldSpec, ModalitySpec
from mmcli.testing.augmentations import augment, check_augmentation, sample_batch

EVERY = [(kind, name) for kind, names in AUGMENTATIONS.items() for name in names]
DONE_ELSEWHERE = {"mixup", "spec_augment"}
DONE_HERE = [pair for pair in EVERY if pair[1] not in DONE_ELSEWHERE]


def test_every_name_has_an_operation_and_every_operation_a_name():
    assert {kind: set(operations) for kind, operations in OPERATIONS.items()} == {
        kind: set(names) for kind, names in AUGMENTATIONS.items()
    }


def test_a_name_without_an_operation_is_an_error(monkeypatch):
    monkeypatch.setitem(AUGMENTATIONS, "text", {"word_dropout": "", "shuffle": ""})
    with pytest.raises(KeyError, match="shuffle"):
        Augmenter("text", ["shuffle"])


@pytest.mark.parametrize(("kind", "name"), DONE_HERE)
def test_every_one_keeps_the_contract(kind, name):
    check_augmentation(kind, name)


def test_operations_are_done_in_one_order_however_named():
    forth, back = (augment("image", names, 0.7)[0] for names in (["crop", "color"], ["color", "crop"]))
    assert torch.equal(forth, back)


def test_without_names_nothing_changes():
    assert torch.equal(augment("image", [], 1.0)[0], sample_batch("image")[0])


@pytest.mark.parametrize(
    ("kind", "name", "near"), [("image", "flop", "flip"), ("text", "noise", ""), ("smell", "x", "")]
)
def test_unknown_names_are_refused(kind, name, near):
    with pytest.raises(MmcliError, match=f"unknown augmentation for {kind} '{name}'.*{near}"):
        Augmenter(kind, [name])


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strengths_outside_the_range_are_refused(strength):
    with pytest.raises(MmcliError, match="expected 0 to 1"):
        Augmenter("image", ["crop"], strength)


class TestDefaults:
    @pytest.mark.parametrize("kind", AUGMENTATIONS)
    def test_are_known_in_order_and_do_not_mirror_or_mix(self, kind):
        names = default_names(kind)
        assert names
        assert [name for name in AUGMENTATIONS[kind] if name in names] == list(names)
        assert not {"flip", "mixup", "rand_augment"} & set(names)

    def test_leave_out_what_the_encoder_cannot_do(self):
        assert "spec_augment" in default_names("audio")
        assert "spec_augment" not in default_names("audio", masks=False)


def sound_encoder(kind):
    fields = {"": FieldSpec("ragged", "int16", (), "S", 8000)}
    return kind(ModalitySpec("audio", "clip", None, "", fields, facts={"sample_rate": 8000}))


class TestPrepare:
    @pytest.mark.parametrize("kind", [AudioCnn, AudioLstm])
    def test_tells_encoders_of_sound_how_strongly_to_mask(self, kind):
        encoder = sound_encoder(kind)
        Augmenter("audio", ["gain"], 0.3).prepare(encoder)
        assert encoder.spec_augment == 0.0
        Augmenter("audio", ["gain", "spec_augment"], 0.3).prepare(encoder)
        assert encoder.spec_augment == 0.3

    def test_refuses_an_encoder_without_a_spectrogram(self):
        pixels = ModalitySpec("image", "photo", None, "", {"": FieldSpec("dense", "uint8", (3, 32, 32), "CHW")})
        with pytest.raises(MmcliError, match=r"spec_augment.*not Cnn"):
            Augmenter("audio", ["spec_augment"]).prepare(Cnn(pixels))


class TestMixup:
    def test_rows_are_weighted_means_in_their_type(self):
        mixup = Mixup(torch.tensor([1, 0]), 0.75)
        assert mixup.mix(torch.tensor([[0.0, 4], [8, 0]])).tolist() == [[2, 3], [6, 1]]
        pixels = mixup.mix(torch.tensor([[0], [255]], dtype=torch.uint8))
        assert pixels.dtype == torch.uint8
        assert pixels.tolist() == [[64], [191]]

    def test_the_loss_is_that_of_mixed_one_hot_targets(self):
        torch.manual_seed(0)
        outputs, targets = torch.randn(5, 3), torch.tensor([0, 2, 1, 1, 0])
        mixup = draw_mixup(5, 1.0)
        one_hot = mixup.mix(torch.nn.functional.one_hot(targets, 3).float())
        expected = -(one_hot * outputs.log_softmax(dim=1)).sum(dim=1).mean()
        found = mixup.loss(lambda wanted: torch.nn.functional.cross_entropy(outputs, wanted), targets)
        torch.testing.assert_close(found, expected)

    def test_shares_are_those_of_a_beta_distribution_folded(self):
        torch.manual_seed(0)
        shares = torch.tensor([draw_mixup(2, 0.5).share for _ in range(4000)])
        expected = torch.distributions.Beta(0.2, 0.2).sample((40000,))
        expected = torch.maximum(expected, 1 - expected)
        assert shares.min() >= 0.5
        assert abs(shares.mean() - expected.mean()) < 0.02
        assert abs((shares > 0.9).float().mean() - (expected > 0.9).float().mean()) < 0.04

    def test_partners_are_a_permutation_and_a_strength_of_zero_mixes_nothing(self):
        assert sorted(draw_mixup(9, 0.5).partner.tolist()) == list(range(9))
        assert draw_mixup(9, 0.0).share == 1.0
        assert Augmenter("image", ["mixup"], 0.5).mixes
        assert not Augmenter("image", ["mixup"], 0.0).mixes
        assert not Augmenter("image", ["crop"], 0.5).mixes
